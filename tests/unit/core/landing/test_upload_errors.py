"""System calls that fail while a file is uploaded: the answer says whose fault it is, and nothing is left behind."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shifts_api.web.errors import ApiError
from shifts_core.landing.folder_writer import FolderInbox


async def _chunks() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EIO, 503),
        (errno.EACCES, 503),
        (errno.EROFS, 503),
        (errno.ESTALE, 503),
        (errno.ENOSPC, 507),
        (errno.EDQUOT, 507),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "mkdir", "rename"])
def test_a_failed_system_call_is_answered_as_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, status: int
) -> None:
    inbox = FolderInbox(tmp_path / "landing")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, _failing(number))
        with pytest.raises(ApiError) as caught:
            asyncio.run(inbox.receive("a.csv", _chunks()))
    assert caught.value.status == status
    assert "\n" not in caught.value.message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_looked_at_is_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", _failing(number))
        patched.setattr(os, "lstat", _failing(number))
        with pytest.raises(ApiError) as caught:
            FolderInbox(tmp_path).named("a.csv")
    assert caught.value.status == 503


def _failing(number: int) -> object:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
