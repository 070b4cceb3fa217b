"""What the soak's model holds for certain and for possible while names change hands."""

import random

from tests.soak.boxes import WORLD
from tests.soak.contents import REGIONS, Content, random_content, random_trips
from tests.soak.model import Model, Post


def content(number: int, *, broken: bool = False) -> Content:
    """A content whose trips are all of one region."""
    trips = random_trips(random.Random(number), 10 if not broken else 0, (REGIONS[0],))
    return Content(number, ".csv", str(number).encode(), trips, (), broken)


def put(model: Model, name: str, new: Content | None, version: str | None) -> None:
    """A change of a landing name, from begin to end."""
    model.begin_change(model.name(name), new)
    model.end_change(model.name(name), version)


def settle(model: Model, **statuses: str) -> None:
    """The ledger says how the present versions of names ended."""
    found = {(name, model.name(name).version or ""): status for name, status in statuses.items()}
    model.settle(model.changes(), found)


def test_a_dropped_file_may_count_at_once_and_must_count_when_it_is_loaded() -> None:
    model, x = Model(), content(1)
    put(model, "a", x, "1")
    assert model.may_count() == {x}
    assert not model.must_count()
    settle(model, a="loaded")
    assert set(model.must_count()) == {x}


def test_of_a_file_that_is_being_replaced_either_version_may_count() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    settle(model, a="loaded")
    put(model, "a", y, "2")
    assert model.may_count() == {x, y}
    assert not model.must_count()
    settle(model, a="loaded")
    assert model.may_count() == set(model.must_count()) == {y}


def test_a_removed_file_must_still_count_and_a_broken_one_replaces_nothing() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    put(model, "b", y, "1")
    settle(model, a="loaded", b="loaded")
    put(model, "a", None, None)
    put(model, "b", content(3, broken=True), "2")
    settle(model, b="failed")
    assert set(model.must_count()) == {x, y}


def test_bytes_under_two_names_must_count_while_either_holds_them() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    put(model, "b", x, "1")
    settle(model, a="loaded", b="duplicate")
    assert set(model.must_count()) == {x}
    put(model, "a", y, "2")
    assert set(model.must_count()) == {x}
    settle(model, a="loaded")
    assert set(model.must_count()) == {x, y}


def test_a_removed_copy_keeps_its_bytes_when_the_original_is_replaced() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    put(model, "b", x, "1")
    settle(model, a="loaded", b="duplicate")
    put(model, "b", None, None)
    put(model, "a", y, "2")
    settle(model, a="loaded")
    assert set(model.must_count()) == {x, y}


def test_a_copy_that_was_never_settled_promises_nothing() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    settle(model, a="loaded")
    put(model, "b", x, "1")
    put(model, "b", None, None)
    put(model, "a", y, "2")
    settle(model, a="loaded")
    assert x in model.may_count()
    assert x not in model.must_count()


def test_a_question_is_held_to_what_was_certain_before_and_stayed_so() -> None:
    model, x, y = Model(), content(1), content(2)
    put(model, "a", x, "1")
    put(model, "b", y, "1")
    settle(model, a="loaded", b="loaded")
    post = Post("key", random_trips(random.Random(3), 4, (REGIONS[0],)), acknowledged=True)
    model.post(post)
    question = model.ask(REGIONS[0], WORLD, "both")
    put(model, "b", content(4), "2")
    model.post(Post("later", random_trips(random.Random(4), 1, (REGIONS[0],))))
    bounds = model.bounds(question)
    assert bounds.at_least.total() == 10 + 4
    assert bounds.at_most.total() == 3 * 10 + 4 + 1


def test_contents_follow_from_the_seed_and_differ_in_their_bytes() -> None:
    rng, same = random.Random(7), random.Random(7)
    contents = [random_content(rng, number) for number in range(40)]
    assert [c.data for c in contents] == [random_content(same, number).data for number in range(40)]
    assert len({c.sha256 for c in contents}) == 40
    assert {c.suffix for c in contents} == {".csv", ".csv.gz", ".parquet"}
    assert any(c.is_broken for c in contents)
    assert any(c.rejected_lines for c in contents)
