"""Reads the deployment files for the tests in this folder."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
K8S = ROOT / "deploy/k8s"
GCP = ROOT / "deploy/gcp"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(read("docker-compose.yml"))
    return found


@cache
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(read("deploy/k8s/dagster-values.yaml"))
    return found


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """Returns every object of the kustomization, with variables not filled in."""
    listed = yaml.safe_load(read("deploy/k8s/kustomization.yaml"))["resources"]
    paths = [K8S / name for name in listed if name.endswith(".yaml")]
    return tuple(document for path in paths for document in yaml.safe_load_all(path.read_text("utf-8")))


def manifest(kind: str, name: str) -> dict[str, Any]:
    return next(m for m in manifests() if (m["kind"], m["metadata"]["name"]) == (kind, name))
