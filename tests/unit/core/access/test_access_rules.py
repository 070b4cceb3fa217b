"""Roles, keys, sessions and the limit of wrong keys."""

import itertools

import pytest

from shifts_core.access.failed_attempts import MAX_FAILURES, WINDOW_S, FailedAttempts
from shifts_core.access.keys import create_key, is_key, prefix_of
from shifts_core.access.rights import ROLES, Rights
from shifts_core.access.sessions import LIFETIME_S, is_signed, new_session, parse_token, sign

SECRET = bytes(range(32))


def test_each_role_includes_those_before_it() -> None:
    included = {role: [each for each in ROLES if Rights(role).includes(each)] for role in ROLES}
    assert included == {
        "reader": ["reader"],
        "writer": ["reader", "writer"],
        "admin": ["reader", "writer", "admin"],
    }


def test_a_key_of_a_region_is_for_no_other_and_not_for_all() -> None:
    everywhere, turin = Rights("admin"), Rights("admin", frozenset({"Turin"}))
    assert [everywhere.allows(region) for region in ("Turin", "Milan", None)] == [True, True, True]
    assert [turin.allows(region) for region in ("Turin", "Milan", None)] == [True, False, False]
    assert [turin.allows_all_of(each) for each in (["Turin"], ["Turin", "Milan"], [])] == [True, False, False]
    assert everywhere.allows_all_of([])


def test_only_admins_have_a_right_to_exact_counts_where_they_are_limited() -> None:
    turin = frozenset({"Turin"})
    assert Rights("admin", turin).with_min_count(10) == Rights("admin", turin)
    for role in ("reader", "writer"):
        limited = Rights(role, turin).with_min_count(10)
        assert limited == Rights(role, turin, aggregates_only=True, min_count=10)
        assert limited.is_limited
        assert Rights(role).with_min_count(None) == Rights(role)


def test_keys_are_random_and_fit_their_digest_only() -> None:
    keys = [create_key() for _ in range(100)]
    assert len({key.text for key in keys}) == len({key.session_secret for key in keys}) == 100
    for key, other in itertools.pairwise(keys):
        assert prefix_of(key.text) == key.prefix
        assert is_key(key.text, key.digest)
        assert not is_key(other.text, key.digest)
        assert len(key.text) == len("shifts_") + 8 + 1 + 43


@pytest.mark.parametrize("text", ["", "shifts_", "shifts_0123abcd_", "x" * 60, "shifts_0123ABCD_" + "x" * 43])
def test_other_texts_have_no_prefix(text: str) -> None:
    assert prefix_of(text) is None


def test_a_token_leads_to_its_session() -> None:
    session = new_session("0123abcd", 1_000.9)
    token = sign(session, SECRET)
    parsed = parse_token(token)
    assert parsed is not None
    assert parsed[0] == session
    assert session.expires_at == 1_000 + LIFETIME_S
    assert is_signed(*parsed, SECRET)
    assert not is_signed(*parsed, bytes(32))


def test_a_changed_token_is_not_signed() -> None:
    token = sign(new_session("0123abcd", 1_000), SECRET)
    for position, char in enumerate(token):
        changed = token[:position] + ("0" if char != "0" else "1") + token[position + 1 :]
        parsed = parse_token(changed)
        assert parsed is None or not is_signed(*parsed, SECRET)
    assert parse_token(token + "0") is None
    assert parse_token("") is None


def test_an_address_with_many_wrong_keys_waits_until_the_oldest_is_forgotten() -> None:
    attempts = FailedAttempts()
    for second in range(MAX_FAILURES):
        assert attempts.blocked_for("192.0.2.7", None, second) == 0
        attempts.record_failure("192.0.2.7", second)
    assert attempts.blocked_for("192.0.2.7", None, MAX_FAILURES) == WINDOW_S - MAX_FAILURES
    assert attempts.blocked_for("192.0.2.7", "right", MAX_FAILURES) > 0
    assert attempts.blocked_for("192.0.2.8", None, MAX_FAILURES) == 0
    assert attempts.blocked_for("192.0.2.7", None, WINDOW_S) == 0


def test_a_key_that_was_right_before_is_not_blocked() -> None:
    attempts = FailedAttempts()
    attempts.record_success("192.0.2.7", "known")
    for _ in range(MAX_FAILURES):
        attempts.record_failure("192.0.2.7", 0)
    assert attempts.blocked_for("192.0.2.7", "known", 1) == 0
    assert attempts.blocked_for("192.0.2.7", "unknown", 1) > 0
    assert attempts.blocked_for("192.0.2.7", None, 1) > 0


def test_addresses_of_one_network_count_together() -> None:
    attempts = FailedAttempts()
    for number in range(MAX_FAILURES):
        attempts.record_failure(f"2001:db8::{number}", 0)
    assert attempts.blocked_for("2001:db8::ffff", None, 1) > 0
    assert attempts.blocked_for("2001:db8:0:1::1", None, 1) == 0


def test_the_memory_of_addresses_is_bounded() -> None:
    attempts = FailedAttempts()
    for number in range(30_000):
        attempts.record_failure(f"client {number}", 0)
    assert len(attempts._addresses) <= 10_000
