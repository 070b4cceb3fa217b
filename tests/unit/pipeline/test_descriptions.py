"""Everything that the Dagster UI lists says what it is, and whose it is."""

from collections.abc import Iterator

import dagster as dg
import pytest

from shifts_pipeline.asset_keys import SHIFT_BACKTEST
from shifts_pipeline.definitions import build_defs
from shifts_pipeline.settings import PipelineSettings


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(PipelineSettings())


def _descriptions(defs: dg.Definitions) -> Iterator[tuple[str, str | None]]:
    """Each definition and its description."""
    repository = defs.get_repository_def()
    for asset in repository.asset_graph.asset_nodes:
        yield f"asset {asset.key.to_user_string()}", asset.description
        for table_column in asset.metadata["dagster/column_schema"].columns:
            yield f"column {asset.key.to_user_string()}.{table_column.name}", table_column.description
    for check in repository.asset_graph.asset_check_keys:
        yield f"check {check.name}", repository.asset_graph.get(check).description
    for job in repository.get_all_jobs():
        if job.name.startswith("__"):
            continue  # Dagster's own
        yield f"job {job.name}", job.description
        for node in job.nodes:
            yield f"op {node.name}", node.definition.description
    for sensor in repository.sensor_defs:
        yield f"sensor {sensor.name}", sensor.description
    for schedule in repository.schedule_defs:
        yield f"schedule {schedule.name}", schedule.description
    for name, resource in (defs.resources or {}).items():
        assert isinstance(resource, dg.ConfigurableResource)
        yield f"resource {name}", type(resource).__doc__
        for field, options in type(resource).model_fields.items():
            yield f"option {name}.{field}", options.description


def test_everything_has_a_description_in_whole_sentences(defs: dg.Definitions) -> None:
    found = dict(_descriptions(defs))
    assert {name.split()[0] for name in found} == {
        "asset",
        "check",
        "column",
        "job",
        "op",
        "option",
        "resource",
        "schedule",
        "sensor",
    }
    assert [name for name, text in found.items() if not text] == []
    is_sentence = {name: str(text).strip().endswith(".") for name, text in found.items()}
    assert [name for name, ends in is_sentence.items() if not ends and not name.startswith("column")] == []


def test_every_asset_has_an_owner_a_kind_a_group_and_a_table(defs: dg.Definitions) -> None:
    for asset in defs.get_repository_def().asset_graph.asset_nodes:
        assert asset.owners, asset.key
        assert asset.kinds, asset.key
        assert asset.group_name != "default", asset.key
        # A report is no table.
        assert asset.key == SHIFT_BACKTEST or asset.metadata["dagster/table_name"], asset.key


def test_every_sensor_and_schedule_runs_without_being_turned_on(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    states = [sensor.default_status.value for sensor in repository.sensor_defs]
    states += [schedule.default_status.value for schedule in repository.schedule_defs]
    assert set(states) == {"RUNNING"}
