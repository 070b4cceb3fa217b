"""The wheel carries the planner's page, and cannot be built without it."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.unit.docs.test_readme import ROOT

_PARTS = (
    "LICENSE",
    "README.md",
    "dagster.yaml",
    "hatch_build.py",
    "pyproject.toml",
    "sql",
    "shifts_api",
    "shifts_core",
    "shifts_pipeline",
    "shifts_platform",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The sources without a built page, which git ignores as in a clone."""
    folder = tmp_path / "tree"
    folder.mkdir()
    ignored = shutil.ignore_patterns("page_files", "__pycache__")
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    return folder


def build(tree: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_a_wheel_without_the_page_is_refused(tree: Path, tmp_path: Path) -> None:
    done = build(tree, tmp_path / "wheel")
    assert done.returncode != 0
    assert "make page" in done.stderr
    assert not list((tmp_path / "wheel").glob("*.whl"))


def test_the_wheel_carries_the_page(tree: Path, tmp_path: Path) -> None:
    built = tree / "shifts_api" / "page_files"
    built.mkdir()
    for name in ("index.html", "main-1a.js", "main-1a.js.br"):
        (built / name).write_text(name)
    done = build(tree, tmp_path / "wheel")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert {f"shifts_api/page_files/{path.name}" for path in built.iterdir()} <= {*names}
    assert not [name for name in names if "node_modules" in name]
