"""Links between files and weeks in the Dagster UI lead to partitions that exist."""

import re
from urllib.parse import parse_qs, urlsplit

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from tests.integration.pipeline.harness import HEADER, Pipeline, row


def _linked(pipeline: Pipeline, asset_key: dg.AssetKey, partition: str, entry: str) -> list[tuple[str, str]]:
    """Asset and partition key of each link in a metadata entry of the partition's latest materialization."""
    found = pipeline.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key, asset_partitions=[partition]), limit=1
    )
    materialization = found.records[0].asset_materialization
    assert materialization is not None
    markdown = materialization.metadata[entry].value
    links = map(urlsplit, re.findall(r"\]\((/assets/\S+?)\)", str(markdown)))
    return [(link.path.removeprefix("/assets/"), parse_qs(link.query)["partition"][0]) for link in links]


def test_a_file_links_to_its_weeks_and_a_week_to_its_files(pipeline: Pipeline) -> None:
    pipeline.put(
        "a, [b].csv", HEADER + (row(moment="2018-05-28 09:00:00") + row(moment="2018-12-31 09:00:00")) * 5
    )
    pipeline.put("c.csv", HEADER + row(moment="2018-05-29 09:00:00"))
    pipeline.load()
    pipeline.refresh()
    files = pipeline.instance.get_dynamic_partitions("trip_files")
    weeks = pipeline.instance.get_dynamic_partitions("weeks")
    assert set(weeks) == {"2018-05-28", "2018-12-31"}
    (key,) = [file for file in files if file != "c.csv"]
    for asset_key in (WEEKLY_AGGREGATES, TRIP_CLUSTERS):
        name = asset_key.to_user_string()
        assert _linked(pipeline, RAW_TRIPS, key, name) == [(name, "2018-05-28"), (name, "2018-12-31")]
        assert _linked(pipeline, RAW_TRIPS, "c.csv", name) == [(name, "2018-05-28")]
        assert _linked(pipeline, asset_key, "2018-05-28", "files") == [
            ("raw_trips", key),
            ("raw_trips", "c.csv"),
        ]
        assert _linked(pipeline, asset_key, "2018-12-31", "files") == [("raw_trips", key)]
