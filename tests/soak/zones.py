"""The landing zone as users change it: a folder with `mv`, or a bucket with uploads."""

import json
import os
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx

_HIDDEN = ".soak"
"""Ignored by the platform; on the same disk, so that a rename keeps the file's version."""


class Zone(Protocol):
    """What the soak does with a landing zone. A version identifies the bytes of a name in the ledger."""

    request_type: str
    """The `data_type` by which `POST /trips` asks for a file of the zone."""

    def address(self, name: str) -> str:
        """How `POST /trips` names a file of the zone."""
        ...

    def prepare(self, data: bytes) -> object:
        """Does everything about a drop that may fail.

        Raises:
            OSError: the zone is full.
        """
        ...

    def publish(self, prepared: object, name: str) -> str:
        """Publishes the prepared file under a name; returns its version."""
        ...

    def touch(self, name: str) -> str:
        """Stores the same bytes as a new version."""
        ...

    def rename(self, old: str, new: str) -> str:
        """Moves a file, replacing an existing one; returns the version under the new name."""
        ...

    def remove(self, name: str) -> None:
        """Removes the file."""
        ...

    def version(self, name: str) -> str | None:
        """The version of the name; None if the file does not exist."""
        ...


class FolderZone:
    """A landing folder."""

    request_type = "mocked"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hidden = root / _HIDDEN
        self._hidden.mkdir(parents=True, exist_ok=True)

    def address(self, name: str) -> str:
        return name

    def prepare(self, data: bytes) -> Path:
        path = self._hidden / uuid.uuid4().hex
        try:
            path.write_bytes(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def publish(self, prepared: object, name: str) -> str:
        assert isinstance(prepared, Path)
        prepared.rename(self._root / name)
        return self._must_have(name)

    def touch(self, name: str) -> str:
        os.utime(self._root / name)
        return self._must_have(name)

    def rename(self, old: str, new: str) -> str:
        (self._root / old).rename(self._root / new)
        return self._must_have(new)

    def remove(self, name: str) -> None:
        (self._root / name).unlink()

    def version(self, name: str) -> str | None:
        try:
            stat = (self._root / name).stat()
        except FileNotFoundError:
            return None
        return f"{stat.st_mtime_ns}-{stat.st_size}"

    def set_aside(self, name: str) -> Path:
        """Moves a file to a hidden folder, unchanged."""
        path = self._hidden / uuid.uuid4().hex
        (self._root / name).rename(path)
        return path

    def _must_have(self, name: str) -> str:
        version = self.version(name)
        assert version is not None
        return version


class BucketZone:
    """Objects below a prefix of the emulator's bucket; the soak's own calls are not affected by outages."""

    request_type = "gcp"

    def __init__(self, emulator_port: int, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{emulator_port}", timeout=60)

    def address(self, name: str) -> str:
        return f"gs://{self._bucket}/{self._prefix}/{name}"

    def prepare(self, data: bytes) -> bytes:
        return data

    def publish(self, prepared: object, name: str) -> str:
        assert isinstance(prepared, bytes)
        answer = self._client.post(
            f"/upload/storage/v1/b/{self._bucket}/o",
            params={"uploadType": "media", "name": self._key(name)},
            content=prepared,
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
        return str(json.loads(answer.text)["generation"])

    def touch(self, name: str) -> str:
        return self.publish(self._read(name), name)

    def rename(self, old: str, new: str) -> str:
        version = self.publish(self._read(old), new)
        self.remove(old)
        return version

    def remove(self, name: str) -> None:
        self._client.delete(self._path(name)).raise_for_status()

    def version(self, name: str) -> str | None:
        answer = self._client.get(self._path(name))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return str(answer.raise_for_status().json()["generation"])

    def _read(self, name: str) -> bytes:
        return self._client.get(self._path(name), params={"alt": "media"}).raise_for_status().content

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _path(self, name: str) -> str:
        return f"/storage/v1/b/{self._bucket}/o/{quote(self._key(name), safe='')}"
