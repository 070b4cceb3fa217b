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
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def settings_of_the_table() -> dict[str, str]:
    return dict(re.findall(r"^\| `SHIFTS_(\w+)` \| (.*?) \|", README, re.M))


def test_the_table_of_settings_is_complete_and_names_nothing_else() -> None:
    fields = {name.upper() for settings in CLASSES for name in settings.model_fields}
    assert set(settings_of_the_table()) == fields


def test_the_defaults_in_the_table_are_those_in_force() -> None:
    for name, shown in settings_of_the_table().items():
        defaults = {
            str(default)
            for settings in CLASSES
            if (field := settings.model_fields.get(name.lower())) is not None
            and (default := field.default) not in (None, ())
            and not field.is_required()
        }
        if defaults:
            shown_value = shown.strip("`")
            assert {shown_value, f"{shown_value}.0"} & defaults, name


def test_every_command_is_there_and_described() -> None:
    described = set(re.findall(r"^\| `shifts (\w+)", README, re.M))
    assert described == set(shifts.list_commands(None))  # type: ignore[arg-type]


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w+)", README, re.M)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_linked_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []
