"""What sharding with sql/citus needs and a server without Citus can show: keys, placement, plannable functions."""

import re
from pathlib import Path

import psycopg
import pytest

from tests.database import query
from tests.integration.pipeline.harness import HEADER, Pipeline, row

CITUS = Path(__file__).parents[3] / "sql/citus"
STAY = {
    "shifts_store.week_audits",
    "shifts_store.file_audits",
    "shifts_store.trip_files",
    "shifts_store.ledger_changes",
    "shifts_store.rejected_rows",
    "shifts_store.idempotency_keys",
    "shifts_store.api_keys",
    "shifts_store.ended_sessions",
    "shifts_store.audit_trail",
    "shifts_store.shift_parameters",
    "shifts_store.stop_files",
    "shifts_store.stops",
    "shifts_store.rejected_stops",
    "shifts_store.region_stops",
    "shifts_store.zone_files",
    "shifts_store.zones",
    "shifts_store.expired_weeks",
    "shifts_store.expired_totals",
    "shifts_store.cell_settings",
}
"""Tables that the coordinator keeps."""
TRIPS = "".join(
    row(region, f"2018-05-{day} 08:0{minute}:00", origin=(7.67, 45.01 + minute * 1e-4))
    for region in ("Turin", "Prague")
    for day in (21, 22, 28)
    for minute in range(6)
)


def tables(kind: str) -> set[str]:
    """The tables that the file spreads by region, or puts everywhere."""
    text = (CITUS / "020_distribute.sql").read_text(encoding="utf-8")
    (block,) = re.findall(rf"{kind} +text\[\] := ARRAY\[(.+?)\]", text, re.DOTALL)
    return set(re.findall(r"'([\w.]+)'", block))


def apply_keys(url: str) -> None:
    """Applies what a server without Citus accepts, twice."""
    with psycopg.connect(url) as connection:
        for _ in range(2):
            connection.execute((CITUS / "010_keys.sql").read_bytes())


def function_bodies(url: str, language: str) -> dict[str, str]:
    """The text of the functions in one language, by name."""
    return dict(
        query(
            url,
            "SELECT p.proname, p.prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang"
            " WHERE p.pronamespace = 'shifts_store'::regnamespace AND l.lanname = %s",
            language,
        )
    )


def test_files_are_loaded_replaced_and_refreshed_with_keys_for_sharding(pipeline: Pipeline) -> None:
    apply_keys(pipeline.url)
    pipeline.put("first.csv", HEADER + TRIPS)
    pipeline.load()
    pipeline.refresh()
    pipeline.put("second.csv", HEADER + row("Turin", "2018-05-23 10:00:00"))
    pipeline.load()

    pipeline.put("third.csv", HEADER + TRIPS + row("Oslo"))
    pipeline.put("second.csv", HEADER + row("Turin", "2018-06-05 10:00:00") * 2)
    assert all(run.success for run in pipeline.load())
    stale = pipeline.query("SELECT region, week::text FROM shifts_store.stale_weeks ORDER BY 1, 2")
    assert stale == [
        ("Oslo", "2018-05-28"),
        *(("Prague", week) for week in ("2018-05-21", "2018-05-28")),
        *(("Turin", week) for week in ("2018-05-21", "2018-05-28", "2018-06-04")),
    ]
    assert all(run.success for run in pipeline.refresh())
    assert pipeline.query("SELECT FROM shifts_store.stale_weeks") == []
    weekly = pipeline.query(
        "SELECT week::text, trips FROM shifts.weekly WHERE region = 'Turin' ORDER BY week"
    )
    assert weekly == [("2018-05-21", 24), ("2018-05-28", 12), ("2018-06-04", 2)]


def test_files_for_citus_define_no_function() -> None:
    assert not any("FUNCTION" in path.read_text(encoding="utf-8") for path in CITUS.glob("*.sql"))


def test_functions_that_use_sharded_tables_are_plpgsql(database_url: str) -> None:
    # Citus plans the statements of a SQL function without the values of its parameters, so it finds no shard.
    used = re.compile(rf"(?:FROM|JOIN|INTO|UPDATE) +(?:{'|'.join(map(re.escape, tables('by_region')))})\b")
    functions = function_bodies(database_url, "sql")
    assert functions
    assert [name for name, body in functions.items() if used.search(body)] == []


def test_updates_of_sharded_tables_call_no_volatile_function(database_url: str) -> None:
    # Citus refuses them: each worker would evaluate the function.
    updated = re.compile(
        rf"(?:UPDATE +(?:{'|'.join(map(re.escape, tables('by_region')))})\b|ON CONFLICT)(.+?);", re.DOTALL
    )
    volatile = re.compile(r"nextval|clock_timestamp|gen_random_uuid|random\(")
    functions = function_bodies(database_url, "plpgsql")
    assert any(updated.search(body) for body in functions.values())
    assert [
        name
        for name, body in functions.items()
        if any(volatile.search(text) for text in updated.findall(body))
    ] == []


def test_every_table_has_its_place(database_url: str) -> None:
    found = query(
        database_url,
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'shifts_store'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    assert {name for (name,) in found} == tables("by_region") | tables("everywhere") | STAY


@pytest.mark.parametrize("table", sorted(tables("by_region")))
def test_what_is_spread_by_region_can_be(database_url: str, table: str) -> None:
    apply_keys(database_url)
    required = query(
        database_url,
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'region_id'",
        table,
    )
    assert required == [(True,)]
    keys = query(
        database_url,
        "SELECT array_agg(a.attname::text) FROM pg_index i"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisunique GROUP BY i.indexrelid",
        table,
    )
    assert all("region_id" in columns for (columns,) in keys)
    led_to = query(
        database_url,
        "SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        table,
    )
    assert {name for (name,) in led_to} <= tables("everywhere")
    led_here = "SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = %s::regclass"
    assert query(database_url, led_here, table) == []
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
    assert query(database_url, triggers, table) == []
