"""What concerns only folders: growing files, links, partial uploads, failing system calls."""

import os
import socket
from errno import EACCES, EIO, ESTALE
from pathlib import Path

import pytest

from shifts_core.landing.errors import FileChanged, InvalidPath, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.folder import SETTLED_AFTER_S, FolderLandingZone
from shifts_core.landing.open_zone import open_zone

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


def test_a_missing_folder_is_created_empty(zone: FolderLandingZone, tmp_path: Path) -> None:
    assert names(zone) == []
    assert (tmp_path / "landing").is_dir()


def test_a_file_that_was_just_written_to_is_not_listed(zone: FolderLandingZone, tmp_path: Path) -> None:
    put(tmp_path / "landing/old.csv", age=SETTLED_AFTER_S)
    put(tmp_path / "landing/growing.csv", age=SETTLED_AFTER_S - 0.5)
    assert names(zone) == ["old.csv"]


def test_a_file_from_the_far_future_is_listed(zone: FolderLandingZone, tmp_path: Path) -> None:
    put(tmp_path / "landing/clock_was_wrong.csv", age=-86_400)
    assert names(zone) == ["clock_was_wrong.csv"]


def test_links_are_not_followed_out_of_the_zone(zone: FolderLandingZone, tmp_path: Path) -> None:
    secret = put(tmp_path / "outside/secret.csv")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing/link.csv").symlink_to(secret)
    (tmp_path / "landing/folder").symlink_to(secret.parent)
    assert names(zone) == []
    for name in ("link.csv", "folder/secret.csv"):
        with pytest.raises(InvalidPath, match="leads through a link"):
            zone.find(name)


def test_a_file_that_grows_while_it_is_read_is_detected(zone: FolderLandingZone, tmp_path: Path) -> None:
    path = put(tmp_path / "landing/a.csv", b"one")
    (file,) = zone.list_files()

    def read_while_it_grows() -> None:
        with zone.open(file) as stream, path.open("ab") as more:
            more.write(b"two")
            more.flush()
            stream.read()

    with pytest.raises(FileChanged):
        read_while_it_grows()


def test_a_written_file_appears_whole_in_the_next_listing(tmp_path: Path) -> None:
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
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(LandingZoneError, match="neither a folder nor gs://"):
        open_zone("s3://bucket")


def fail_for(monkeypatch: pytest.MonkeyPatch, function: str, path: Path, error: int) -> None:
    """Makes a function of `os` fail for one path; permissions do not restrict root, which may run the tests."""
    real = getattr(os, function)

    def failing(given: object, *arguments: object, **options: object) -> object:
        if os.fspath(given) == str(path):  # type: ignore[call-overload]
            raise OSError(error, os.strerror(error))
        return real(given, *arguments, **options)

    monkeypatch.setattr(os, function, failing)


def test_an_unreadable_folder_is_reported_and_other_files_are_listed(
    zone: FolderLandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.csv", "lost+found/x.csv", "sub/lost/x.csv", "sub/z.csv"):
        put(tmp_path / "landing" / name)
    fail_for(monkeypatch, "scandir", tmp_path / "landing/lost+found", EACCES)
    fail_for(monkeypatch, "scandir", tmp_path / "landing/sub/lost", EIO)
    skipped: dict[str, str] = {}
    assert [file.name for file in zone.list_files(skipped.__setitem__)] == ["a.csv", "sub/z.csv"]
    assert skipped == {"lost+found": "Permission denied", "sub/lost": "Input/output error"}


def test_a_folder_removed_during_a_listing_is_not_reported(zone: FolderLandingZone, tmp_path: Path) -> None:
    for name in ("a/1.csv", "b/2.csv", "c.csv"):
        put(tmp_path / "landing" / name)
    skipped: dict[str, str] = {}
    listing = zone.list_files(skipped.__setitem__)
    assert next(listing).name == "a/1.csv"
    (tmp_path / "landing/b/2.csv").unlink()
    (tmp_path / "landing/b").rmdir()
    assert [file.name for file in listing] == ["c.csv"]
    assert skipped == {}


def test_entries_that_are_not_regular_files_are_reported(zone: FolderLandingZone, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    put(landing / "a.csv")
    os.mkfifo(landing / "pipe.csv")
    (landing / "loop").symlink_to(landing)
    (landing / "self.csv").symlink_to(landing / "self.csv")
    put(landing / os.fsdecode(b"caf\xe9\n.csv"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(landing / "s"))
        skipped: dict[str, str] = {}
        assert [file.name for file in zone.list_files(skipped.__setitem__)] == ["a.csv"]
    assert skipped == {
        "pipe.csv": "it is not a regular file",
        "s": "it is not a regular file",
        "loop": "it is a symbolic link",
        "self.csv": "it is a symbolic link",
        "caf\\xe9\\n.csv": "its name is not UTF-8",
    }
    with pytest.raises(LandingZoneError, match=r"pipe\.csv is not a regular file"):
        zone.find("pipe.csv")


def test_the_uri_of_a_file_is_its_path_as_a_url(zone: FolderLandingZone, tmp_path: Path) -> None:
    path = put(tmp_path / "landing" / "größe, 50 % & ?/~a;b=c.csv")
    (file,) = zone.list_files()
    assert file.uri == path.as_uri()


@pytest.mark.parametrize(
    ("error", "expected"),
    [(EACCES, LandingZoneError), (EIO, LandingZoneUnavailable), (ESTALE, LandingZoneUnavailable)],
)
def test_faults_of_the_machine_and_of_a_file_differ(
    zone: FolderLandingZone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    expected: type[LandingZoneError],
) -> None:
    path = put(tmp_path / "landing/a.csv")
    (file,) = zone.list_files()
    fail_for(monkeypatch, "open", path, error)
    with pytest.raises(LandingZoneError, match=r"^a\.csv cannot be read") as raised, zone.open(file):
        pass
    assert raised.type is expected


def test_a_missing_landing_folder_is_not_a_missing_file(zone: FolderLandingZone, tmp_path: Path) -> None:
    put(tmp_path / "landing/a.csv")
    (tmp_path / "landing").rename(tmp_path / "elsewhere")
    with pytest.raises(LandingZoneUnavailable, match="landing does not exist"):
        zone.find("a.csv")
