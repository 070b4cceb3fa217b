"""Deployments set only settings that exist."""

import re

import pytest

from shifts_api.settings import ApiSettings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.settings import PlatformSettings
from tests.unit.deploy.files import ROOT, read

KNOWN = {
    f"SHIFTS_{field.upper()}"
    for settings in (ApiSettings, PipelineSettings, PlatformSettings)
    for field in settings.model_fields
} | set(re.findall(r"env: (SHIFTS_\w+)", read("shifts_platform/code_server_workspace.yaml")))
FILES = [
    "Dockerfile",
    "docker-compose.yml",
    ".env.example",
    "docs/deployment.md",
    "docs/gcp.md",
    "docs/scaling.md",
    "tests/images/build_images.sh",
    *sorted(
        str(path.relative_to(ROOT))
        for path in ROOT.glob("deploy/**/*")
        if path.suffix in {".yaml", ".tf", ".sql"} and ".terraform" not in path.parts
    ),
]


@pytest.mark.parametrize("name", FILES)
def test_named_settings_exist(name: str) -> None:
    assert set(re.findall(r"\bSHIFTS_[A-Z_]+[A-Z]\b", read(name))) <= KNOWN
