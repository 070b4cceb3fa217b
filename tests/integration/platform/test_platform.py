"""The platform end to end, from a dropped file to the answer."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shifts_platform.feed_client import FeedEvent
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.dropping import drop, is_loaded, mean
from tests.integration.platform.running import (
    RunningPlatform,
    answers,
    new_environment,
    running_platform,
    wait_until,
)

COMMUTERS = HEADER + "".join(
    row(moment=f"2018-05-{day} 08:0{minute}:00", origin=(7.67, 45.01 + minute * 1e-4))
    for day in (21, 22, 28, 29)
    for minute in range(6)
)
RESTARTED = ("shifts_api", "with_code_server webserver", "with_code_server daemon")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """One platform for all tests that do not stop it."""
    with running_platform(new_environment(tmp_path_factory.mktemp("platform") / "data")) as found:
        yield found


@pytest.fixture
def _loaded(platform: RunningPlatform) -> None:
    """A file was loaded at some time."""
    if not platform.query("SELECT FROM shifts.files WHERE status = 'loaded'"):
        drop(platform, "first.csv", COMMUTERS)


def test_a_dropped_file_is_counted_clustered_and_reported_by_events(
    platform: RunningPlatform,
) -> None:
    def all_refreshed(event: FeedEvent) -> bool:
        return event.type == "run.succeeded" and not platform.query("SELECT FROM shifts_store.stale_weeks")

    events = platform.follow(
        lambda: (platform.landing / "commuters.csv").write_text(COMMUTERS), all_refreshed
    )
    own = [event for event in events if event.data.get("run_id") == events[0].data["run_id"]]
    kinds = [event.type for event in own if event.type != "file.progress"]
    assert kinds[:2] == ["run.queued", "run.started"]
    assert set(kinds[2:]) == {"file.loaded", "asset.materialized", "run.succeeded"}
    assert kinds.index("file.loaded") < kinds.index("run.succeeded")
    assert [event.id for event in events] == sorted({event.id for event in events}, key=int)
    refreshes = {event.data["run_id"] for event in events if event.type == "run.queued"} - {
        own[0].data["run_id"]
    }
    assert len(refreshes) <= 3
    assert mean(platform, "Turin") == 12.0
    (group,) = platform.get("/clusters", region="Turin", week="2018-W22")["features"]
    assert group["properties"]["trips"] == 12
    assert group["properties"]["earliest"] == "08:00:00"


@pytest.mark.usefixtures("_loaded")
def test_a_reconnect_with_the_last_event_id_gets_each_later_event_once(platform: RunningPlatform) -> None:
    def events_after(last_id: str, count: int) -> list[str]:
        ids = []
        url, headers = f"{platform.api}/api/v1/events", {"Last-Event-ID": last_id}
        with httpx.stream("GET", url, headers=headers, timeout=30) as stream:
            for line in stream.iter_lines():
                if line.startswith("id:"):
                    ids.append(line.removeprefix("id:").strip())
                if len(ids) == count:
                    break
        return ids

    whole = events_after("0", 6)
    assert events_after(whole[2], 3) == whole[3:]


def test_a_file_that_is_written_slowly_is_loaded_once_and_whole(platform: RunningPlatform) -> None:
    rows = [row("Lyon", f"2018-05-28 10:00:{second:02}") for second in range(4)]

    def write_slowly() -> None:
        with (platform.landing / "slow.csv").open("w") as file:
            file.write(HEADER)
            for line in rows:
                file.write(line)
                file.flush()
                # Slower than the interval of the sensor.
                time.sleep(1.2)

    platform.follow(write_slowly, lambda event: is_loaded("slow.csv", event))
    ledger = platform.query("SELECT status, rows_loaded FROM shifts.files WHERE name = 'slow.csv'")
    assert ledger == [("loaded", len(rows))]


def test_drop_copies_files_and_prints_why_one_failed(platform: RunningPlatform, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(HEADER + row("Bern") + row("Bern", "2018-05-28 11:00:00"))
    bad.write_text("region,origin_coord\nTurin,POINT (1 1)\n")
    done = platform.shifts("drop", str(bad), str(good))
    assert done.returncode == 1
    assert "2 trips loaded" in done.stderr
    assert "missing columns" in done.stderr
    assert "Traceback" not in done.stderr
    (failed,) = platform.get("/files", status="failed")["files"]
    assert failed["name"] == "bad.csv"
    assert "destination_coord" in failed["error"]
    assert mean(platform, "Bern") == 2.0


def test_killed_processes_are_restarted(platform: RunningPlatform) -> None:
    before = {words: platform.pid_of(words) for words in RESTARTED}
    for process in before.values():
        os.kill(process, signal.SIGKILL)
    for words, process in before.items():
        wait_until(lambda words=words, process=process: _pid_now(platform, words) not in (process, None))  # type: ignore[misc]
    for url in (f"{platform.api}/ready", f"{platform.dagster}/server_info"):
        wait_until(lambda url=url: answers(url))  # type: ignore[misc]
    assert drop(platform, "after.csv", HEADER + row("Rome"))[-1].type == "file.loaded"


def _pid_now(platform: RunningPlatform, words: str) -> int | None:
    """Returns None while the process does not exist; processes may end while the list is read."""
    try:
        return platform.pid_of(words)
    except (AssertionError, OSError):
        return None


def test_the_dagster_ui_lists_assets_partitions_and_checks(platform: RunningPlatform) -> None:
    query = """{ assetNodes { assetKey { path } partitionDefinition { type }
                 assetChecksOrError { ... on AssetChecks { checks { name } } } } }"""
    answer = httpx.post(f"{platform.dagster}/graphql", json={"query": query}, timeout=60).json()
    nodes = {node["assetKey"]["path"][0]: node for node in answer["data"]["assetNodes"]}
    partitioned = {name for name, node in nodes.items() if node["partitionDefinition"]}
    assert partitioned == {"raw_trips", "trip_clusters", "weekly_aggregates", "shifts"}
    assert {nodes[name]["partitionDefinition"]["type"] for name in partitioned} == {"DYNAMIC"}
    assert nodes.keys() - partitioned == {"stops", "zones", "shift_backtest"}
    assert all(
        node["assetChecksOrError"]["checks"] for name, node in nodes.items() if name != "shift_backtest"
    )


def test_a_page_of_another_site_cannot_stop_the_code_server(platform: RunningPlatform) -> None:
    before = platform.pid_of("code_server api grpc")
    mutation = 'mutation { shutdownRepositoryLocation(repositoryLocationName: "shifts") { __typename } }'
    url = f"{platform.dagster}/graphql"
    assert httpx.get(url, params={"query": mutation}).status_code == 405
    assert httpx.post(url, params={"query": mutation}, content="{}").status_code == 415
    assert httpx.post(url, json={"query": mutation}, headers={"Origin": platform.api}).status_code == 403
    assert httpx.post(url, json={"query": "{ version }"}).json()["data"]["version"]
    assert platform.pid_of("code_server api grpc") == before


def test_a_second_platform_on_the_same_folder_is_refused_in_one_line(platform: RunningPlatform) -> None:
    done = platform.shifts("up")
    assert done.returncode != 0
    assert "already running" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("_loaded")
def test_status_prints_services_and_totals_of_files(platform: RunningPlatform) -> None:
    said = platform.shifts("status").stdout
    assert "database   up" in said
    assert "loaded" in said
