"""Actions of users on files: drop, overwrite, copy, touch, rename, remove, restore, upload and request."""

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.soak.calls import Caller
from tests.soak.contents import Content, random_content
from tests.soak.model import LandingName, Model
from tests.soak.report import Report
from tests.soak.zones import FolderZone, Zone

_LATELY = 6
_MOST_UNSETTLED = 25
"""Maximum number of unfinished files; limits the backlog on a busy machine."""
_SUFFIX_OF_NAMES = (".csv", ".csv.gz", ".parquet")


class Contents:
    """Creates contents with increasing numbers, so that no two have the same bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def new(self, rng: random.Random) -> Content:
        """A new content."""
        with self._lock:
            self._count += 1
            number = self._count
        return random_content(rng, number)


class FileActions:
    """Random changes of the landing zone, one at a time; each updates the model before and after."""

    def __init__(
        self, zone: Zone, model: Model, contents: Contents, caller: Caller, rng: random.Random, report: Report
    ) -> None:
        self._zone, self._model, self._contents, self._caller = zone, model, contents, caller
        self._rng, self._report = rng, report
        self._aside: list[tuple[str, Path, Content]] = []

    def change_a_file(self) -> None:
        """Makes one change in the landing zone itself."""
        if self._model.unsettled() >= _MOST_UNSETTLED:
            return
        actions: list[tuple[Callable[[], None], int]] = [
            (self._drop, 30),
            (self._overwrite, 10),
            (self._overwrite_with_bytes_of_another, 8),
            (self._drop_a_copy, 6),
            (self._touch, 8),
            (self._rename, 6),
            (self._rename_over_another, 4),
            (self._remove, 6),
        ]
        if isinstance(self._zone, FolderZone):
            actions += [(self._set_aside, 5), (self._bring_back, 6)]
        action = self._rng.choices([action for action, _ in actions], [weight for _, weight in actions])[0]
        with suppress(BusyError):
            try:
                action()
            except OSError as error:
                # The landing zone is full and unchanged.
                self._report.answer("landing zone", error.strerror or type(error).__name__)

    def upload_or_ask(self) -> None:
        """Makes one call of the API."""
        if self._model.unsettled() >= _MOST_UNSETTLED:
            return
        with suppress(BusyError):
            if self._rng.random() < 0.25:
                self._ask()
            else:
                self._upload()

    def _drop(self) -> None:
        for _ in range(self._rng.randint(3, 8) if self._rng.random() < 0.2 else 1):
            content = self._contents.new(self._rng)
            with self._new_name(content.suffix) as name:
                self._put("drop", name, content)

    def _overwrite(self) -> None:
        content = self._contents.new(self._rng)
        with self._present(content.suffix) as (name,):
            self._put("overwrite", name, content)

    def _overwrite_with_bytes_of_another(self) -> None:
        with self._present(count=2) as (name, other):
            content = other.present
            if content is not None and name.name.endswith(content.suffix):
                self._put("overwrite with another file's bytes", name, content)

    def _drop_a_copy(self) -> None:
        with self._present() as (other,):
            content = other.present
            assert content is not None
            with self._new_name(content.suffix) as name:
                self._put("drop a copy", name, content)

    def _touch(self) -> None:
        with self._present() as (name,):
            self._model.begin_change(name, name.present)
            self._model.end_change(name, self._zone.touch(name.name))
            self._did("touch", name, name.present)

    def _rename(self) -> None:
        with self._present() as (old,):
            content = old.present
            assert content is not None
            with self._new_name(content.suffix) as new:
                self._move("rename", old, new, content)

    def _rename_over_another(self) -> None:
        with self._present(count=2) as (old, new):
            content = old.present
            if content is not None and new.name.endswith(content.suffix):
                self._move("rename over another", old, new, content)

    def _remove(self) -> None:
        with self._present() as (name,):
            self._did("remove", name, name.present)
            self._model.begin_change(name, None)
            self._zone.remove(name.name)

    def _set_aside(self) -> None:
        """Moves a version away and replaces it in half of the cases."""
        assert isinstance(self._zone, FolderZone)
        successor = self._contents.new(self._rng) if self._rng.random() < 0.5 else None
        with self._present(successor.suffix if successor else "") as (name,):
            content = name.present
            assert content is not None
            self._model.begin_change(name, None)
            self._aside.append((name.name, self._zone.set_aside(name.name), content))
            self._did("set aside", name, content)
            if successor is not None:
                self._put("replace what was set aside", name, successor)

    def _bring_back(self) -> None:
        if not self._aside:
            return
        own_name, path, content = self._aside[place := self._rng.randrange(len(self._aside))]
        name = self._model.name(own_name)
        if not name.lock.acquire(blocking=False):
            raise BusyError
        try:
            del self._aside[place]
            self._model.begin_change(name, content, comes_back=True)
            self._model.end_change(name, self._zone.publish(path, name.name))
            self._did("move an older version back", name, content)
        finally:
            name.lock.release()

    def _upload(self) -> None:
        content = self._contents.new(self._rng)
        with ExitStack() as stack:
            if self._rng.random() < 0.7:
                name = stack.enter_context(self._new_name(content.suffix))
            else:
                (name,) = stack.enter_context(self._present(content.suffix))
            self._model.begin_change(name, content)
            answer = self._caller.write(
                "POST /files",
                "/files",
                202,
                key=uuid.uuid4().hex,
                params={"name": name.name},
                content=content.data,
            )
            version = self._zone.version(name.name)
            if answer is not None and version is None:
                self._report.finding("an uploaded file is not there", name=name.name)
            self._model.end_change(name, version)
            self._did("upload", name, content)

    def _ask(self) -> None:
        with self._present() as (name,):
            body = {"data_type": self._zone.request_type, "data": self._zone.address(name.name)}
            self._caller.write("POST /trips (file)", "/trips", 202, key=f"ask-{uuid.uuid4().hex}", json=body)
            self._did("ask for a file", name, name.present)

    def _put(self, kind: str, name: LandingName, content: Content) -> None:
        prepared = self._zone.prepare(content.data)
        self._model.begin_change(name, content)
        self._model.end_change(name, self._zone.publish(prepared, name.name))
        self._did(kind, name, content)

    def _move(self, kind: str, old: LandingName, new: LandingName, content: Content) -> None:
        self._model.begin_change(new, content)
        self._model.begin_change(old, None)
        self._model.end_change(new, self._zone.rename(old.name, new.name))
        self._did(kind, new, content, before=old.name)

    def _did(self, kind: str, name: LandingName, content: Content | None, **more: str) -> None:
        self._report.action(kind, name=name.name, content=repr(content), version=name.version, **more)

    @contextmanager
    def _new_name(self, suffix: str) -> Iterator[LandingName]:
        name = self._model.name(f"{self._rng.getrandbits(40):010x}{suffix}")
        with name.lock:
            yield name

    @contextmanager
    def _present(self, suffix: str = "", count: int = 1) -> Iterator[list[LandingName]]:
        """Names with a file, locked; in a quarter of the cases among those that changed last.

        Raises:
            BusyError: all of them are locked.
        """
        with ExitStack() as stack:
            chosen: list[LandingName] = []
            names = [name for name in self._model.names() if _matches(name, suffix)]
            if self._rng.random() < 0.25:
                names = names[-_LATELY:]
            self._rng.shuffle(names)
            for name in names:
                if len(chosen) < count and name.lock.acquire(blocking=False):
                    stack.callback(name.lock.release)
                    if _matches(name, suffix):
                        chosen.append(name)
            if len(chosen) < count:
                raise BusyError
            yield chosen


class BusyError(Exception):
    """All suitable files are being changed by other threads."""


def _matches(name: LandingName, suffix: str) -> bool:
    # A name keeps the suffix of its first content, so later contents must have the same format.
    return name.present is not None and name.version is not None and _suffix(name.name).endswith(suffix)


def _suffix(name: str) -> str:
    return next(suffix for suffix in reversed(_SUFFIX_OF_NAMES) if name.endswith(suffix))
