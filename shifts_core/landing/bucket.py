"""A bucket of Google Cloud Storage as landing zone: objects by name and generation, streamed both ways."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import BinaryIO, cast

from dagster_gcp import GCSResource
from google.cloud.storage import Blob, Bucket
from google.cloud.storage.fileio import BlobWriter

from shifts_core.landing.cloud_requests import CHUNK_BYTES, FAULTS, patience, told
from shifts_core.landing.object_reader import ObjectReader
from shifts_core.landing.zone import (
    FileChanged,
    LandedFile,
    LandingZoneError,
    ignore,
    is_hidden,
    printable,
)

_LISTED = "items(name,generation,size),nextPageToken"
_URL = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(?P<prefix>.*?))?/?", re.DOTALL)


class BucketLandingZone:
    """The objects below `gs://bucket/prefix`; an object appears whole, and each upload is a new generation.

    With `STORAGE_EMULATOR_HOST` set (`http://host:port`) the client goes there, without credentials.
    """

    def __init__(self, url: str) -> None:
        match = _URL.fullmatch(url)
        if match is None or (match["prefix"] and not _is_path(match["prefix"])):
            raise LandingZoneError(f"landing zone {url!r}: not of the form gs://bucket/prefix")
        self._bucket_name = match["bucket"]
        self._prefix = f"{match['prefix']}/" if match["prefix"] else ""
        self._root = f"gs://{self._bucket_name}/{self._prefix}"

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every object whose name is a path and not hidden; the placeholders of folders are none."""
        with told(f"{self._root} cannot be listed"):
            blobs = self._bucket.list_blobs(prefix=self._prefix, fields=_LISTED, **patience())
            for blob in blobs:
                name = blob.name.removeprefix(self._prefix)
                if is_hidden(name) or name.endswith("/") or not name:
                    continue
                if _is_path(name):
                    yield self._landed(name, blob)
                else:
                    on_skipped(printable(name), "its name is not a path")

    def find(self, name: str) -> LandedFile | None:
        """The live generation of that name."""
        blob = self._get(name)
        return None if blob is None else self._landed(name, blob)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[BinaryIO]:
        """The bytes of that generation as stored, by ranges; seekable, and checked when read from end to end."""
        found = self._get(file.name)
        if found is None:
            raise FileChanged(f"{file.name} is no longer in the landing zone")
        if str(found.generation) != file.version:
            raise FileChanged(f"{file.name} changed before it was read")
        # A fresh handle: one that knows its generation would go on reading it in a bucket that keeps old ones.
        reader = ObjectReader(self._blob(file.name), file, found.crc32c)
        with io.BufferedReader(reader, CHUNK_BYTES) as stream:
            yield stream

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """A resumable upload that is completed by its last request, or dropped."""
        blob = self._blob(name)
        with told(f"{name} cannot be written to {self._root}"):
            upload = blob.open("wb", chunk_size=CHUNK_BYTES, ignore_flush=True, **patience())
            try:
                yield cast("BinaryIO", upload)
                upload.close()
            except BaseException:
                _drop(upload)
                raise

    @cached_property
    def _bucket(self) -> Bucket:
        with told(f"{self._root} cannot be used"):
            return GCSResource().get_client().bucket(self._bucket_name)

    def _key(self, name: str) -> str:
        if not _is_path(name):
            raise LandingZoneError(f"{name!r} is not a path below the landing zone")
        return self._prefix + name

    def _blob(self, name: str) -> Blob:
        key = self._key(name)
        return self._bucket.blob(key)

    def _get(self, name: str) -> Blob | None:
        key = self._key(name)
        with told(f"{name} cannot be looked up in {self._root}"):
            blob = self._bucket.get_blob(key, **patience())
            if blob is None:
                # "Not found" is also said of a missing bucket, and then it is no word about the object.
                for _ in self._bucket.list_blobs(prefix=key, max_results=1, fields=_LISTED, **patience()):
                    pass
            return blob

    def _landed(self, name: str, blob: Blob) -> LandedFile:
        return LandedFile(name, self._root + name, str(blob.generation), blob.size)


def _drop(upload: BlobWriter) -> None:
    """Ends an upload without completing it; one left open would be completed by the garbage collector."""
    with suppress(*FAULTS):
        upload.terminate()
    upload._buffer.close()


def _is_path(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))
