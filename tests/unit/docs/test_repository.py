"""Files for contributors and for the hosting service are valid and name what exists."""

import re
import subprocess
import sys

import pytest

from tests.unit.docs.test_readme import ROOT

SCHEMAS = {
    ".github/workflows/ci.yaml": "vendor.github-workflows",
    ".github/workflows/citus.yaml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yaml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/feature.yaml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
}
DECISIONS = ROOT / "docs" / "decisions"


@pytest.mark.parametrize("name", SCHEMAS)
def test_configuration_of_the_hosting_service_follows_its_schema(name: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(ROOT / name)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_issue_template_is_validated() -> None:
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / ".github").glob("*/*.y*ml")}
    assert templates <= set(SCHEMAS)


def test_the_workflow_runs_the_same_command_as_every_other_build() -> None:
    assert "run: .ci/run" in (ROOT / ".github/workflows/ci.yaml").read_text()


def test_every_place_that_contributing_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:shifts_|sql|tests|docs|bench)[\w/.{},-]*)`", text)
    assert len(named) > 15
    missing = []
    for name in named:
        folder, _, alternatives = name.partition("{")
        choices = alternatives.rstrip("}").split(",") if alternatives else [""]
        missing += [folder + choice for choice in choices if not (ROOT / (folder + choice)).exists()]
    assert [name for name in missing if "NNNN" not in name] == []


def test_every_decision_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (DECISIONS / "README.md").read_text()))
    assert linked == {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}
