"""What sql/citus asks of an ordinary server: keys that can be sharded, and functions that answer as before."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.pipeline.harness import HEADER, Pipeline, row

CITUS = Path(__file__).parents[3] / "sql/citus"
STAY = {
    "shifts_store.trip_files",
    "shifts_store.ledger_changes",
    "shifts_store.rejected_rows",
    "shifts_store.idempotency_keys",
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
    text = (CITUS / "030_distribute.sql").read_text(encoding="utf-8")
    (block,) = re.findall(rf"{kind} +text\[\] := ARRAY\[(.+?)\]", text, re.DOTALL)
    return set(re.findall(r"'([\w.]+)'", block))


def apply(url: str) -> None:
    """What can be applied to a server without Citus, twice."""
    with psycopg.connect(url) as connection:
        for name in ("010_keys.sql", "020_functions.sql") * 2:
            connection.execute((CITUS / name).read_bytes())


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values).fetchall()


def answers(url: str) -> list[list[tuple[Any, ...]]]:
    """What the functions say that only read."""
    (turin,) = ask(url, "SELECT region_id FROM shifts_store.regions WHERE name = 'Turin'")[0]
    pieces = "(%s, '{2018-05-28,2018-05-21,2018-05-28}', '{0,0,9}', '{2,0,0}', '{5,8,1}')"
    return [
        *(
            ask(url, "SELECT * FROM shifts_store.find_region(%s)", name)
            for name in ("Turin", "Prague", "Nowhere", "Atlantis")
        ),
        *(
            ask(url, f"SELECT * FROM shifts_store.{name}{pieces}", turin)
            for name in ("tile_high_bits", "tile_low_bits")
        ),
        ask(url, "SELECT * FROM shifts_store.region_ids('{Turin,Prague,Nowhere}') ORDER BY 1"),
        ask(url, "SELECT * FROM shifts_store.source_ids('{baba_car}')"),
    ]


def functions(url: str) -> list[tuple[Any, ...]]:
    """Names, arguments, results and volatility."""
    return ask(
        url,
        "SELECT oid::regprocedure::text, pg_get_function_result(oid), provolatile, prosecdef FROM pg_proc"
        " WHERE pronamespace = 'shifts_store'::regnamespace ORDER BY 1",
    )


def test_functions_in_their_other_form_answer_and_book_the_same(pipeline: Pipeline) -> None:
    pipeline.put("first.csv", HEADER + TRIPS)
    pipeline.load()
    pipeline.refresh()
    # Of a region without trips, and of trips that are in no tile yet.
    ask(pipeline.url, "SELECT * FROM shifts_store.region_ids('{Nowhere}')")
    pipeline.put("second.csv", HEADER + row("Turin", "2018-05-23 10:00:00"))
    pipeline.load()
    before, declared = answers(pipeline.url), functions(pipeline.url)
    assert before[0]

    apply(pipeline.url)
    assert functions(pipeline.url) == declared
    assert answers(pipeline.url) == before

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


def test_every_table_has_its_place(database_url: str) -> None:
    found = ask(
        database_url,
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'shifts_store'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    assert {name for (name,) in found} == tables("by_region") | tables("everywhere") | STAY


@pytest.mark.parametrize("table", sorted(tables("by_region")))
def test_what_is_spread_by_region_can_be(database_url: str, table: str) -> None:
    apply(database_url)
    required = ask(
        database_url,
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'region_id'",
        table,
    )
    assert required == [(True,)]
    keys = ask(
        database_url,
        "SELECT array_agg(a.attname::text) FROM pg_index i"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisunique GROUP BY i.indexrelid",
        table,
    )
    assert all("region_id" in columns for (columns,) in keys)
    led_to = ask(
        database_url,
        "SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        table,
    )
    assert {name for (name,) in led_to} <= tables("everywhere")
    led_here = "SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = %s::regclass"
    assert ask(database_url, led_here, table) == []
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
    assert ask(database_url, triggers, table) == []
