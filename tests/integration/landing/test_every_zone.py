"""The behaviour that folders and buckets share."""

import hashlib
import io
from typing import cast

import pytest

from shifts_core.landing.bucket_requests import CHUNK_BYTES
from shifts_core.landing.errors import FileChanged, LandingZoneError
from shifts_core.landing.zone import LandedFile, LandingZone
from tests.integration.landing.conftest import LARGE, Place


def names(zone: LandingZone) -> list[str]:
    return sorted(file.name for file in zone.list_files())


def read(zone: LandingZone, file: LandedFile) -> bytes:
    with zone.open(file) as stream:
        return stream.read()


def write(zone: LandingZone, name: str, *parts: bytes) -> None:
    with zone.write(name) as stream:
        for part in parts:
            stream.write(part)


def test_an_empty_zone_lists_nothing(place: Place) -> None:
    assert names(place.zone) == []


def test_files_are_listed_with_their_path_below_the_zone(place: Place) -> None:
    for name in ("a.csv", "2018/may/b.csv.gz", "größe, 50 % & ?.parquet"):
        place.put(name, b"x")
    assert names(place.zone) == ["2018/may/b.csv.gz", "a.csv", "größe, 50 % & ?.parquet"]


@pytest.mark.parametrize("name", [".a.csv", "a.csv.tmp", "a.csv.part", ".git/a.csv", "sub/.hidden/a.csv"])
def test_hidden_and_partial_names_are_ignored(place: Place, name: str) -> None:
    place.put(name, b"x")
    place.put("seen.csv", b"x")
    assert names(place.zone) == ["seen.csv"]


def test_a_listed_file_and_a_found_one_are_the_same(place: Place) -> None:
    place.put("sub/a.csv", b"rows")
    (listed,) = place.zone.list_files()
    assert place.zone.find("sub/a.csv") == listed
    assert (listed.name, listed.size) == ("sub/a.csv", 4)
    assert listed.uri.endswith("/sub/a.csv")


def test_missing_files_are_not_found(place: Place) -> None:
    place.put("sub/a.csv", b"x")
    for name in ("b.csv", "sub/b.csv", "sub/a.csv/c.csv"):
        assert place.zone.find(name) is None


@pytest.mark.parametrize(
    "name", ["../a.csv", "a/../../b.csv", "/etc/passwd", "", "a//b", "./a", "a\0b", "a/", ".."]
)
def test_names_that_lead_elsewhere_are_refused(place: Place, name: str) -> None:
    with pytest.raises(LandingZoneError):
        place.zone.find(name)
    with pytest.raises(LandingZoneError):
        write(place.zone, name, b"x")
    with pytest.raises(LandingZoneError):
        read(place.zone, LandedFile(name, "", "1", 1))


@pytest.mark.parametrize("data", [b"", b"rows", LARGE[:CHUNK_BYTES], LARGE], ids=len)
def test_the_bytes_read_are_the_bytes_written(place: Place, data: bytes) -> None:
    write(place.zone, "new/a.csv", data[:5], data[5:])
    (file,) = place.zone.list_files()
    assert file.size == len(data)
    assert read(place.zone, file) == data


def test_a_stream_is_read_in_pieces_of_any_size(place: Place) -> None:
    place.put("a.csv", LARGE)
    (file,) = place.zone.list_files()
    with place.zone.open(file) as stream:
        assert stream.read(3) == LARGE[:3]
        assert stream.readline() == LARGE[3 : LARGE.index(b"\n", 3) + 1]
        stream.seek(-7, 2)
        assert stream.read(100) == LARGE[-7:]
        assert stream.read(1) == b""
        stream.seek(0)
        assert (
            hashlib.file_digest(cast("io.BufferedReader", stream), "sha256").digest()
            == hashlib.sha256(LARGE).digest()
        )


def test_every_upload_is_another_version(place: Place) -> None:
    seen = set()
    for data in (b"one", b"three", b"three"):
        place.put("a.csv", data)
        (file,) = place.zone.list_files()
        assert read(place.zone, file) == data
        seen.add(file.version)
    assert len(seen) == 3


def test_an_untouched_file_keeps_its_version(place: Place) -> None:
    place.put("a.csv", b"x")
    assert list(place.zone.list_files()) == list(place.zone.list_files())


@pytest.mark.parametrize("data", [b"", b"one"])
def test_a_replacement_before_reading_is_detected(place: Place, data: bytes) -> None:
    place.put("a.csv", data)
    (file,) = place.zone.list_files()
    place.put("a.csv", b"two")
    with pytest.raises(FileChanged):
        read(place.zone, file)


def test_a_replacement_during_reading_is_detected(place: Place) -> None:
    place.put("a.csv", LARGE)
    (file,) = place.zone.list_files()

    def read_while_it_is_replaced() -> None:
        with place.zone.open(file) as stream:
            stream.read(10)
            place.put("a.csv", LARGE[::-1])
            stream.read()

    with pytest.raises(FileChanged):
        read_while_it_is_replaced()


def test_a_removed_file_is_gone(place: Place) -> None:
    place.put("a.csv", b"one")
    (file,) = place.zone.list_files()
    place.remove("a.csv")
    assert names(place.zone) == []
    assert place.zone.find("a.csv") is None
    with pytest.raises(FileChanged):
        read(place.zone, file)


def test_a_file_is_invisible_while_it_is_written(place: Place) -> None:
    with place.zone.write("a.csv") as stream:
        stream.write(LARGE)
        stream.flush()
        assert names(place.zone) == []
        assert place.zone.find("a.csv") is None
    assert names(place.zone) == ["a.csv"]


@pytest.mark.parametrize("data", [b"half", LARGE], ids=len)
def test_a_broken_upload_keeps_the_earlier_file(place: Place, data: bytes) -> None:
    place.put("old.csv", b"old")
    before = list(place.zone.list_files())

    def upload(name: str) -> None:
        with place.zone.write(name) as stream:
            stream.write(data)
            raise ConnectionError

    for name in ("old.csv", "new.csv"):
        with pytest.raises(ConnectionError):
            upload(name)
    assert list(place.zone.list_files()) == before


def test_only_the_version_that_is_named_is_deleted(place: Place) -> None:
    place.put("sub/a.csv", b"rows")
    place.put("sub/a.csv.gz", b"rows")
    file = place.zone.find("sub/a.csv")
    assert file is not None
    place.put("sub/a.csv", b"more rows")
    place.zone.delete("sub/a.csv", {file.version})
    assert names(place.zone) == ["sub/a.csv", "sub/a.csv.gz"]
    newer = place.zone.find("sub/a.csv")
    assert newer is not None
    place.zone.delete("sub/a.csv", {file.version, newer.version, "gone-7"})
    assert names(place.zone) == ["sub/a.csv.gz"]
    # Once more, as after a killed worker.
    place.zone.delete("sub/a.csv", {file.version, newer.version})
    place.zone.delete("sub/a.csv", set())
    place.zone.delete("../a.csv", {newer.version})
