"""What the README says of settings, commands and files is so."""

import re
from pathlib import Path

import pytest

from shifts_api.settings import ApiSettings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.cli import shifts
from shifts_platform.settings import PlatformSettings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
CLASSES = (PlatformSettings, PipelineSettings, ApiSettings)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sql/README.md"]


def settings_of_the_table() -> dict[str, str]:
    return dict(re.findall(r"^\| `SHIFTS_(\w+)` \| (.*?) \|", README, re.M))


def test_the_table_of_settings_is_complete_and_names_nothing_else() -> None:
    fields = {name.upper() for settings in CLASSES for name in settings.model_fields}
    assert set(settings_of_the_table()) == fields


SAID_OTHERWISE = {
    "API_KEY": "unset",
    "RETENTION_WEEKS": "unset",
    "BASEMAP": "unset",
    "MIN_COUNT": "unset",
    "DATABASE_URL": "embedded server",
    "DAGSTER_DATABASE_URL": "the same name with `_dagster`",
    "LANDING_URL": "`landing` in the data folder",
    "DAGSTER_URL": "loopback with `SHIFTS_DAGSTER_PORT`",
}
"""What stands in the table for settings whose default is none, or made from others."""


def defaults(name: str) -> dict[str, object]:
    """A setting's default in each class that has it."""
    return {
        settings.__name__: field.get_default(call_default_factory=True)
        for settings in CLASSES
        if (field := settings.model_fields.get(name.lower())) is not None and not field.is_required()
    }


@pytest.mark.parametrize("name", sorted(settings_of_the_table()))
def test_the_default_in_the_table_is_that_of_every_class(name: str) -> None:
    shown = settings_of_the_table()[name]
    in_force = defaults(name)
    if name in SAID_OTHERWISE:
        assert shown == SAID_OTHERWISE[name]
        assert set(in_force.values()) <= {None}
        return
    assert in_force
    for settings, default in in_force.items():
        number = int(default) if isinstance(default, float) and default.is_integer() else default
        assert shown == ("none" if default == () else f"`{number}`"), settings


def test_every_command_is_there_and_described() -> None:
    described = set(re.findall(r"^\| `shifts (\w+)", README, re.M))
    assert described == set(shifts.list_commands(None))  # type: ignore[arg-type]


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"^make (\w+)", README, re.M))
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_linked_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []
