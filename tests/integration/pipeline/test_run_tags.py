"""Tags of the runs that sensors request, as the Dagster UI shows them."""

import dagster as dg
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX, SYSTEM_TAG_PREFIX

from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.pipeline.harness import HEADER, Pipeline, row


def _shown(request: dg.RunRequest) -> dict[str, str]:
    """The tags that lists of runs show."""
    prefixes = (SYSTEM_TAG_PREFIX, HIDDEN_TAG_PREFIX)
    return {key: tag for key, tag in request.tags.items() if not key.startswith(prefixes)}


def test_lists_of_runs_show_the_names_of_files_and_no_ids(pipeline: Pipeline) -> None:
    pipeline.put("a, [b].csv", HEADER + row())
    pipeline.tick(landing_zone)
    (one,) = pipeline.tick(queued_files).run_requests
    assert _shown(one) == {"files": "a, [b].csv"}
    for number in range(70):
        pipeline.put(f"{number:02}.csv", HEADER + row())
    pipeline.tick(landing_zone)
    (many,) = pipeline.tick(queued_files).run_requests
    assert _shown(many) == {"files": "00.csv and 69 more"}


def test_lists_of_runs_show_the_weeks_that_are_refreshed(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row(moment="2018-12-31 09:00:00") + row(moment="2018-05-28 09:00:00"))
    pipeline.load()
    requests = pipeline.tick(stale_weeks).run_requests
    weeks = {_shown(request)["weeks"] for request in requests}
    assert weeks in ({"2018-W22 to 2019-W01"}, {"2018-W22", "2019-W01"})
