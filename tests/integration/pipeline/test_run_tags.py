"""Tags of the runs that sensors request, as the Dagster UI shows them."""

import dagster as dg
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX, SYSTEM_TAG_PREFIX

from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
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
