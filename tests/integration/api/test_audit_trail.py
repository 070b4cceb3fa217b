"""The audit trail: single trips, exports, deletions and changes of keys are recorded before a request is answered."""

import httpx
import psycopg
import pytest

from shifts_core.access.rights import Rights
from shifts_platform.keys import add_key, revoke_key
from tests.integration.api.access_world import World


def _newest(trips_db: psycopg.Connection) -> tuple[object, ...]:
    found = trips_db.execute(
        "SELECT action, actor, client, target, region FROM shifts_store.audit_trail ORDER BY entry_id DESC LIMIT 1"
    ).fetchone()
    assert found is not None
    return found


def _count(trips_db: psycopg.Connection) -> int:
    (count,) = trips_db.execute("SELECT count(*) FROM shifts_store.audit_trail").fetchone() or (0,)
    return int(count)


@pytest.mark.parametrize(
    ("action", "path", "region"),
    [
        ("trips.read", "/clusters/{turin_cluster}/trips", None),
        ("trips.read", "/shifts/{turin_shift}/trips", None),
        ("trips.read", "/trips/{turin_trip}/cluster", None),
        ("trips.read", "/trips/{turin_trip}/shift", None),
        ("trips.read", "/files/{turin_file}/rejects", None),
        ("exported", "/gtfs?region=Turin", "Turin"),
    ],
)
def test_reads_of_single_trips_and_exports_are_recorded(
    world: World, trips_db: psycopg.Connection, action: str, path: str, region: str | None
) -> None:
    here = path.format(**world.ids)
    answer = httpx.get(world.service.api + here, headers=world.headers("reader") | {"X-Request-ID": "mine"})
    assert answer.status_code == 200
    target = f"GET /api/v1{here.partition('?')[0]}"
    assert _newest(trips_db) == (action, "reader", "127.0.0.1", target, region)
    logged = [line for line in world.service.log_lines if line["logger"] == "shifts_api.audit"]
    assert logged[-1] | {"time": "", "route": ""} == {
        "time": "",
        "route": "",
        "level": "info",
        "logger": "shifts_api.audit",
        "message": action,
        "request_id": "mine",
        "actor": "reader",
        "client": "127.0.0.1",
        "method": "GET",
    }
    # The log repeats no text of clients.
    assert not any(f"/{value}/" in str(logged[-1]["route"]) for value in world.ids.values())


def test_aggregates_are_not_recorded(world: World, trips_db: psycopg.Connection) -> None:
    before = _count(trips_db)
    for path in ("/regions", "/clusters?region=Turin&week=2018-W22", "/shifts?region=Turin", "/files"):
        assert httpx.get(world.service.api + path, headers=world.headers("reader")).status_code == 200
    assert world.get("aggregates", f"/clusters/{world.ids['turin_cluster']}/trips").status_code == 403
    assert _count(trips_db) == before


def test_a_deletion_is_recorded(world: World, trips_db: psycopg.Connection) -> None:
    url = f"{world.service.api}/zones/navigli?region=Milan"
    assert httpx.delete(url, headers=world.headers("admin")).status_code == 200
    assert _newest(trips_db) == ("deleted", "admin", "127.0.0.1", "DELETE /api/v1/zones/navigli", "Milan")


def test_changes_of_keys_are_recorded(world: World, trips_db: psycopg.Connection) -> None:
    add_key(trips_db, "short", Rights("reader"))
    added = _newest(trips_db)
    revoke_key(trips_db, "short")
    revoked = _newest(trips_db)
    assert [(entry[0], entry[3]) for entry in (added, revoked)] == [
        ("key.added", "key short"),
        ("key.revoked", "key short"),
    ]
    assert str(added[1]).startswith("shifts keys (")


def test_admins_page_through_the_trail(world: World) -> None:
    everything = world.get("admin", "/audit", limit=1000).json()
    assert everything["next_cursor"] is None
    pages, cursor = [], None
    while True:
        page = world.get("admin", "/audit", limit=5, **({"cursor": cursor} if cursor else {})).json()
        pages += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == everything["entries"]
    times = [entry["recorded_at"] for entry in pages]
    assert times == sorted(times, reverse=True)
    keys = world.get("admin", "/audit", action="key.revoked").json()["entries"]
    assert {entry["action"] for entry in keys} == {"key.revoked"}


def test_without_an_entry_there_is_no_answer(world: World, trips_db: psycopg.Connection) -> None:
    trips_db.execute("ALTER TABLE shifts_store.audit_trail RENAME TO away")
    try:
        answer = world.get("reader", f"/clusters/{world.ids['turin_cluster']}/trips")
        assert answer.status_code == 500
        assert answer.json() == {"message": "Internal error"}
    finally:
        trips_db.execute("ALTER TABLE shifts_store.away RENAME TO audit_trail")
