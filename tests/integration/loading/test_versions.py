"""The last good content of each name counts, and each content once, whatever happens in the folder."""

import os
import shutil
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from shifts_pipeline.storage import ledger
from tests.integration.loading.dropping import GOOD, JUNK, Dropping, bytes_of
from tests.integration.loading.loading import Loader

A, B, C = "a.csv", "b.csv", "c.csv"
AWAY = "../away.csv"
SETTLE = ("settle",)


def put(name: str, content: str) -> tuple[str, ...]:
    return ("put", name, content)


def move(name: str, to: str) -> tuple[str, ...]:
    return ("move", name, to)


@pytest.fixture
def dropping(loader: Loader) -> Dropping:
    return Dropping(loader)


# The rows of the table in docs/loading.md: what happened, the status of each present version, what counts.
CELLS = {
    "nothing known, good bytes": ([put(A, "x")], {A: "loaded"}, "x"),
    "nothing known, bad bytes": ([put(A, "junk")], {A: "failed"}, ""),
    "nothing known, bytes of another name": (
        [put(A, "x"), SETTLE, put(B, "x")],
        {A: "loaded", B: "duplicate"},
        "x",
    ),
    "loaded, removed": ([put(A, "x"), SETTLE, ("remove", A)], {}, "x"),
    "loaded, back with the same version": (
        [put(A, "x"), SETTLE, move(A, AWAY), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
    "loaded, new bytes": ([put(A, "x"), SETTLE, put(A, "y")], {A: "loaded"}, "y"),
    "loaded, touched": ([put(A, "x"), SETTLE, ("touch", A)], {A: "duplicate"}, "x"),
    "loaded, touched and replaced": (
        [put(A, "x"), SETTLE, ("touch", A), SETTLE, put(A, "y"), SETTLE, put(A, "z")],
        {A: "loaded"},
        "z",
    ),
    "loaded, touched, and its first time again": (
        [put(A, "x"), SETTLE, move(A, AWAY), put(A, "x"), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
    "loaded, bad bytes": ([put(A, "x"), SETTLE, put(A, "junk")], {A: "failed"}, "x"),
    "loaded, bad bytes, then the loaded version again": (
        [put(A, "x"), SETTLE, move(A, AWAY), put(A, "junk"), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
    "loaded, bytes of another name": (
        [put(A, "x"), put(B, "y"), SETTLE, put(A, "y")],
        {A: "duplicate", B: "loaded"},
        "y",
    ),
    "superseded version again": (
        [put(A, "x"), SETTLE, move(A, AWAY), put(A, "y"), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
    "duplicate, removed, its original replaced": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, ("remove", B), put(A, "y")],
        {A: "loaded"},
        "xy",
    ),
    "duplicate, its original removed": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, ("remove", A)],
        {B: "duplicate"},
        "x",
    ),
    "duplicate, its original replaced": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, put(A, "y")],
        {A: "loaded", B: "loaded"},
        "xy",
    ),
    "duplicate, replaced": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, put(B, "y")],
        {A: "loaded", B: "loaded"},
        "xy",
    ),
    "duplicate version again after another one": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, move(B, AWAY), put(B, "y"), SETTLE, move(AWAY, B)],
        {A: "loaded", B: "duplicate"},
        "x",
    ),
    "duplicate version again when its original is replaced": (
        [
            *[put(A, "x"), SETTLE, put(B, "x"), SETTLE, move(B, AWAY), put(B, "y"), SETTLE, put(A, "z")],
            *[SETTLE, move(AWAY, B)],
        ],
        {A: "loaded", B: "loaded"},
        "xz",
    ),
    "duplicate, bad bytes, its original replaced": (
        [put(A, "x"), SETTLE, put(B, "x"), SETTLE, put(B, "junk"), SETTLE, put(A, "y")],
        {A: "loaded", B: "failed"},
        "xy",
    ),
    "two duplicates, their original replaced": (
        [put(A, "x"), SETTLE, put(B, "x"), put(C, "x"), SETTLE, put(A, "y")],
        {A: "loaded", B: "loaded", C: "duplicate"},
        "xy",
    ),
    "renamed": ([put(A, "x"), SETTLE, move(A, B)], {B: "duplicate"}, "x"),
    "renamed, and new bytes under the old name": (
        [put(A, "x"), SETTLE, move(A, B), SETTLE, put(A, "y")],
        {A: "loaded", B: "loaded"},
        "xy",
    ),
    "two names exchanged": (
        [put(A, "x"), put(B, "y"), SETTLE, move(A, AWAY), move(B, A), move(AWAY, B)],
        {A: "loaded", B: "loaded"},
        "xy",
    ),
    "failed, corrected": ([put(A, "junk"), SETTLE, put(A, "x")], {A: "loaded"}, "x"),
    "failed, removed": ([put(A, "junk"), SETTLE, ("remove", A)], {}, ""),
    "failed version again after a good one": (
        [put(A, "junk"), SETTLE, move(A, AWAY), put(A, "x"), SETTLE, move(AWAY, A)],
        {A: "failed"},
        "x",
    ),
    "queued, removed, and back": (
        [put(A, "x"), ("look",), move(A, AWAY), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
    "queued, replaced before it was loaded, and back": (
        [put(A, "x"), ("look",), move(A, AWAY), put(A, "y"), SETTLE, move(AWAY, A)],
        {A: "loaded"},
        "x",
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_of_the_table_of_versions(dropping: Dropping, cell: str) -> None:
    steps, statuses, counted = CELLS[cell]
    for step, *arguments in steps:
        getattr(dropping, step)(*arguments)
    dropping.settle()
    assert {name: dropping.current(name) for name in dropping.present()} == statuses
    assert dropping.counted() == dict.fromkeys(counted, 1)


def test_a_touched_file_is_not_queued_again_when_it_is_replaced(loader: Loader, dropping: Dropping) -> None:
    for step in (put(A, "x"), ("touch", A), put(A, "y"), put(A, "z")):
        getattr(dropping, step[0])(*step[1:])
        assert dropping.look() == 1
        assert dropping.open_names() == [A]
        loader.load(A)
        assert dropping.open_names() == []
    assert loader.query("SELECT count(*) FROM shifts_store.trip_files WHERE duplicate_of IS NOT NULL") == [
        (0,)
    ]


def test_rows_that_a_copy_needs_are_handed_over_and_not_loaded_again(
    loader: Loader, dropping: Dropping
) -> None:
    dropping.put(A, "x")
    dropping.settle()
    dropping.put(B, "x")
    dropping.settle()
    task = dict(loader.query("SELECT name, task_id FROM shifts.files"))
    rows = loader.query("SELECT trip_id, file_id FROM shifts.trips")
    dropping.put(A, "y")
    dropping.look()
    loader.load(A)
    assert dropping.open_names() == []
    assert loader.query("SELECT trip_id, file_id FROM shifts.trips WHERE region = 'x'") == rows
    assert loader.query("SELECT name, task_id FROM shifts.files WHERE file_id = %s", rows[0][1]) == [
        (B, task[B])
    ]
    assert loader.query("SELECT name FROM shifts.files WHERE task_id = %s", task[A]) == [(A,)]
    assert loader.counts()[B] == (1, 1, 1)


def test_a_request_is_answered_once_however_often_its_file_is_replaced(
    loader: Loader, dropping: Dropping
) -> None:
    dropping.put(A, "x")
    request(loader, A)
    dropping.settle()
    assert sorted(loader.statuses()[A]) == ["duplicate", "loaded"]
    dropping.put(A, "y")
    dropping.settle()
    assert sorted(loader.statuses()[A]) == ["loaded", "superseded", "superseded"]


def overwrite_in_place(loader: Loader, name: str, content: str) -> None:
    """Other bytes of the same size under the same version, as `cp --preserve` or a restored backup leave them."""
    path = loader.landing / name
    stat = path.stat()
    path.write_bytes(bytes_of(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size


def request(loader: Loader, name: str, version: str | None = None, key: str | None = None) -> None:
    with psycopg.connect(loader.url) as connection:
        connection.execute(
            "SELECT shifts_store.request_file(%s, %s, %s, NULL, %s, 'fingerprint')",
            [(loader.landing / name).as_uri(), name, version, key],
        )


def test_copies_of_a_file_that_was_changed_in_place_are_loaded(loader: Loader, dropping: Dropping) -> None:
    dropping.put(A, "x")
    dropping.settle()
    request(loader, B)
    dropping.put(B, "x")
    dropping.settle()
    overwrite_in_place(loader, A, "z")
    loader.load(A, by_hand=True)
    # The request was answered; only the file is loaded again.
    assert loader.statuses() == {A: ["loaded"], B: ["duplicate", "queued"]}
    dropping.settle()
    assert (dropping.current(A), dropping.current(B)) == ("loaded", "loaded")
    assert dropping.counted() == {"x": 1, "z": 1}


def test_copies_of_a_file_that_became_a_copy_in_place_are_loaded(loader: Loader, dropping: Dropping) -> None:
    for name, content in ((A, "x"), (B, "x"), (C, "z")):
        dropping.put(name, content)
        dropping.settle()
    overwrite_in_place(loader, A, "z")
    loader.load(A, by_hand=True)
    assert dropping.open_names() == [B]
    dropping.settle()
    assert [dropping.current(name) for name in (A, B, C)] == ["duplicate", "loaded", "loaded"]
    assert dropping.counted() == {"x": 1, "z": 1}


def test_rows_are_handed_over_to_a_version_and_not_to_a_request(loader: Loader, dropping: Dropping) -> None:
    dropping.put(A, "x")
    dropping.settle()
    request(loader, B)
    dropping.put(B, "x")
    dropping.settle()
    dropping.put(A, "y")
    dropping.settle()
    assert (dropping.current(A), dropping.current(B)) == ("loaded", "loaded")
    assert dropping.counted() == {"x": 1, "y": 1}


def test_a_key_stays_with_the_name_of_its_request_when_rows_are_handed_over(
    loader: Loader, dropping: Dropping
) -> None:
    for name in (A, B):
        dropping.put(name, "x")
        stat = (loader.landing / name).stat()
        request(loader, name, f"{stat.st_mtime_ns}-{stat.st_size}", f"key of {name}")
        dropping.settle()
    dropping.put(A, "y")
    dropping.settle()
    found = "SELECT name, status FROM shifts_store.find_request(%s, 'fingerprint')"
    assert loader.query(found, f"key of {A}") == [(A, "superseded")]
    assert loader.query(found, f"key of {B}") == [(B, "loaded")]


@pytest.mark.parametrize("copies", [[], [B]], ids=["deleted", "handed over"])
def test_only_the_newest_version_is_published_when_it_replaces_an_unpublished_one(
    loader: Loader, dropping: Dropping, copies: list[str]
) -> None:
    for name in (A, *copies):
        dropping.put(name, "x")
        dropping.settle()
    dropping.put(A, "y")
    dropping.settle()
    loader.execute("UPDATE shifts_store.trip_files SET finished_at = finished_at - interval '1 hour'")
    with psycopg.connect(loader.url) as connection:
        lost = ledger.unpublished(connection, 10)
    assert sorted((record.name, record.status) for record in lost) == [
        (name, "loaded") for name in sorted([A, *copies])
    ]


class _Folder(RuleBasedStateMachine):
    """Anything happens to three names, looked at and loaded at any moment."""

    loader: Loader

    def __init__(self) -> None:
        super().__init__()
        self.loader.empty()
        shutil.rmtree(self.loader.landing)
        self.loader.landing.mkdir()
        for name in (A, B, C):
            (self.loader.landing.parent / name).unlink(missing_ok=True)
        self.dropping = Dropping(self.loader)
        self.good: dict[str, str] = {}

    names = st.sampled_from([A, B, C])
    then = st.sampled_from(["settle", "settle", "look", "nothing"])

    @rule(name=names, content=st.sampled_from(["x", "y", "x", "y", "z", "junk"]), then=then)
    def put(self, name: str, content: str, then: str) -> None:
        self.dropping.put(name, content)
        self.go_on(then)

    @precondition(lambda self: self.dropping.present())
    @rule(data=st.data(), to=names, act=st.sampled_from(["touch", "remove", "move", "keep"]), then=then)
    def change(self, data: st.DataObject, to: str, act: str, then: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.dropping.present())))
        if act == "keep":
            (self.loader.landing.parent / to).write_bytes((self.loader.landing / name).read_bytes())
            shutil.copystat(self.loader.landing / name, self.loader.landing.parent / to)
        else:
            getattr(self.dropping, act)(*([name, to] if act == "move" else [name]))
        self.go_on(then)

    @precondition(lambda self: any((self.loader.landing.parent / name).exists() for name in (A, B, C)))
    @rule(data=st.data(), then=then)
    def bring_back(self, data: st.DataObject, then: str) -> None:
        kept: Path = self.loader.landing.parent
        name = data.draw(st.sampled_from([name for name in (A, B, C) if (kept / name).exists()]))
        self.dropping.move(f"../{name}", name)
        self.go_on(then)

    @precondition(lambda self: self.dropping.open_names())
    @rule(data=st.data())
    def load_one(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.dropping.open_names()))
        self.loader.load(name)
        self._note({name})

    def go_on(self, then: str) -> None:
        """The pipeline has come so far before the next thing happens."""
        if then == "look":
            self.dropping.look()
        elif then == "settle":
            self.settle()

    def settle(self) -> None:
        self.dropping.settle()
        present = self.dropping.present()
        self._note(set(present))
        assert self.dropping.counted() == dict.fromkeys(self.good.values(), 1)
        for name, content in present.items():
            expected = {"failed"} if content in JUNK else {"loaded", "duplicate"}
            assert self.dropping.current(name) in expected
        counts = self.loader.counts().values()
        assert all(in_table == booked == in_ledger for in_table, booked, in_ledger in counts)
        dangling = self.loader.query(
            "SELECT FROM shifts_store.trip_files d JOIN shifts_store.trip_files o ON o.file_id = d.duplicate_of"
            " WHERE d.status = 'duplicate' AND o.status <> 'loaded'"
        )
        assert dangling == []

    def _note(self, names: set[str]) -> None:
        for name, content in self.dropping.present().items():
            if name in names and content in GOOD:
                self.good[name] = content

    def teardown(self) -> None:
        self.settle()


@pytest.mark.parametrize("folders", [8, pytest.param(40, marks=pytest.mark.soak)])
def test_whatever_happens_in_the_folder_the_last_good_content_of_each_name_counts_once(
    loader: Loader, folders: int
) -> None:
    machine = type("Folder", (_Folder,), {"loader": loader})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=folders,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a failure is not worth minutes of shrinking
            suppress_health_check=list(HealthCheck),
        ),
    )
