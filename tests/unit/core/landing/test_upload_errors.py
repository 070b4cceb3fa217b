"""System calls that fail during an upload into a folder: the error says whose fault it is, and nothing is left."""

import errno
import os
from pathlib import Path

import pytest

from shifts_core.landing.errors import (
    InvalidPath,
    LandingZoneError,
    LandingZoneFull,
    LandingZoneUnavailable,
)
from shifts_core.landing.folder import FolderLandingZone


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EIO, LandingZoneUnavailable),
        (errno.EACCES, LandingZoneUnavailable),
        (errno.EROFS, LandingZoneUnavailable),
        (errno.ESTALE, LandingZoneUnavailable),
        (errno.ENOSPC, LandingZoneFull),
        (errno.EDQUOT, LandingZoneFull),
        (errno.ENAMETOOLONG, InvalidPath),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "mkdir", "rename"])
def test_a_failed_system_call_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: type[LandingZoneError]
) -> None:
    zone = FolderLandingZone(tmp_path / "landing")
    monkeypatch.setattr(os, call, _failing(number))
    with pytest.raises(LandingZoneError) as caught, zone.write("a.csv") as stream:
        stream.write(b"x")
    assert caught.type is expected
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device without space")
def test_a_write_that_finds_the_disk_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = FolderLandingZone(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)

    def upload() -> None:
        with zone.write("a.csv") as stream, Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), stream.fileno())
            stream.write(b"x")

    with pytest.raises(LandingZoneFull):
        upload()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_failed_lookup_is_the_fault_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    zone = FolderLandingZone(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", _failing(number))
        patched.setattr(os, "lstat", _failing(number))
        with pytest.raises(LandingZoneUnavailable):
            zone.resolve("a.csv")


def _failing(number: int) -> object:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
