"""What only a folder has to mind: files still growing, links, leftovers."""

import os
from pathlib import Path

import pytest

from shifts_pipeline.landing.folder import SETTLED_AFTER_S, FolderLandingZone
from shifts_pipeline.landing.zone import FileChanged, LandingZoneError, open_landing_zone

NOW = 1_700_000_000.0


def put(path: Path, data: bytes = b"x", *, age: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (NOW - age, NOW - age))
    return path


@pytest.fixture
def zone(tmp_path: Path) -> FolderLandingZone:
    return FolderLandingZone(tmp_path / "landing", clock=lambda: NOW)


def names(zone: FolderLandingZone) -> list[str]:
    return [file.name for file in zone.list_files()]


def test_a_folder_that_does_not_exist_yet_is_made_and_empty(zone: FolderLandingZone, tmp_path: Path) -> None:
    assert names(zone) == []
    assert (tmp_path / "landing").is_dir()


def test_a_file_written_to_a_moment_ago_is_not_yet_there(zone: FolderLandingZone, tmp_path: Path) -> None:
    put(tmp_path / "landing/old.csv", age=SETTLED_AFTER_S)
    put(tmp_path / "landing/growing.csv", age=SETTLED_AFTER_S - 0.5)
    assert names(zone) == ["old.csv"]


def test_a_file_from_the_far_future_is_taken_too(zone: FolderLandingZone, tmp_path: Path) -> None:
    put(tmp_path / "landing/clock_was_wrong.csv", age=-86_400)
    assert names(zone) == ["clock_was_wrong.csv"]


def test_links_are_not_followed_out_of_the_zone(zone: FolderLandingZone, tmp_path: Path) -> None:
    secret = put(tmp_path / "outside/secret.csv")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing/link.csv").symlink_to(secret)
    (tmp_path / "landing/folder").symlink_to(secret.parent)
    assert names(zone) == []
    for name in ("link.csv", "folder/secret.csv"):
        with pytest.raises(LandingZoneError, match="link out of the landing zone"):
            zone.find(name)


def test_a_file_written_to_while_it_is_read_is_noticed(zone: FolderLandingZone, tmp_path: Path) -> None:
    path = put(tmp_path / "landing/a.csv", b"one")
    (file,) = zone.list_files()

    def read_while_it_grows() -> None:
        with zone.open(file) as stream, path.open("ab") as more:
            more.write(b"two")
            more.flush()
            stream.read()

    with pytest.raises(FileChanged):
        read_while_it_grows()


def test_what_is_written_appears_whole_and_is_taken_at_the_next_look(tmp_path: Path) -> None:
    zone = FolderLandingZone(tmp_path)
    with zone.write("new/a.csv") as stream:
        stream.write(b"rows")
        assert list(zone.list_files()) == []
    (file,) = zone.list_files()
    with zone.open(file) as stream:
        assert (file.name, stream.read()) == ("new/a.csv", b"rows")


def test_a_broken_upload_leaves_nothing_behind(tmp_path: Path) -> None:
    zone = FolderLandingZone(tmp_path)

    def upload() -> None:
        with zone.write("a.csv") as stream:
            stream.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        upload()
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_is_neither_folder_nor_bucket_is_refused() -> None:
    with pytest.raises(LandingZoneError, match="neither a folder nor gs://"):
        open_landing_zone("s3://bucket")
