"""The images, and the Compose file for one machine."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath

import pytest
import yaml
from sqlalchemy import make_url

from shifts_api.settings import ApiSettings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform import dagster_webserver
from tests.unit.deploy.files import compose, read

SERVICES = compose()["services"]
ONE_SHOT = {name for name, service in SERVICES.items() if service["restart"] == "no"}
STAGES = re.findall(r"^FROM (\S+) AS (\S+)$", read("Dockerfile"), re.MULTILINE)
LOCK_OF = {"pipeline": "cluster", "api": "api"}


def test_every_stage_starts_from_the_base_image_or_from_another_stage() -> None:
    assert {origin for origin, _ in STAGES} <= {"${BASE}", *(name for _, name in STAGES)}
    assert read("Dockerfile").count("FROM ") == len(STAGES)


def test_every_service_of_ours_is_built_from_a_target_of_the_dockerfile() -> None:
    targets = {s["image"]: s["build"]["target"] for s in SERVICES.values() if "build" in s}
    assert targets == {"shifts-pipeline": "pipeline", "shifts-api": "api"}
    assert set(targets.values()) <= {name for _, name in STAGES}


def test_packages_are_installed_by_hash_only() -> None:
    installs = [line for line in read("Dockerfile").splitlines() if " install --no-deps" in line]
    assert len(installs) == 5
    assert all("--require-hashes -r requirements/" in line or "--no-index" in line for line in installs)


def test_images_do_not_run_as_root() -> None:
    assert re.findall(r"^USER (.+)$", read("Dockerfile"), re.MULTILINE) == ["10001:10001"]


def test_files_that_the_dockerfile_copies_are_in_the_build_context() -> None:
    allowed = re.findall(r"^!(\S+)$", read(".dockerignore"), re.MULTILINE)
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", read("Dockerfile"), re.MULTILINE)
        for name in line.split()[:-1]
        if not name.startswith("--") and name != "."
    ]
    assert copied
    assert all(PurePosixPath(name).parts[0] in allowed for name in copied)


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
def test_long_running_services_have_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_services_wait_for_healthy_services_and_finished_jobs() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if name in ONE_SHOT else "service_healthy"
            assert wait == {"condition": wanted}


@pytest.mark.parametrize("name", sorted(n for n, s in SERVICES.items() if "build" in s))
def test_commands_are_in_the_image_that_runs_them(name: str) -> None:
    service = SERVICES[name]
    lock = read(f"requirements/{LOCK_OF[service['build']['target']]}.txt")
    packages = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    scripts = {"python"} | {
        script.name
        for script in entry_points(group="console_scripts")
        if script.dist is not None and script.dist.name.lower().replace("_", "-") in packages
    }
    if service["build"]["target"] == "pipeline":
        scripts |= tomllib.loads(read("pyproject.toml"))["project"]["scripts"].keys()
    commands = [service.get("command"), service["healthcheck"].get("test", [None])[1:]]
    assert {command[0] for command in commands if command} <= scripts


def test_only_the_api_and_on_loopback_the_dagster_ui_are_published() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["${API_ADDRESS:-127.0.0.1}:${SHIFTS_API_PORT:-8000}:8000"],
        "webserver": ["127.0.0.1:${SHIFTS_DAGSTER_PORT:-3000}:3000"],
    }


def test_the_dagster_ui_is_served_behind_the_guard_under_both_names() -> None:
    assert SERVICES["webserver"]["command"][0] == "shifts-webserver"
    scripts = tomllib.loads(read("pyproject.toml"))["project"]["scripts"]
    assert scripts["shifts-webserver"] == f"{dagster_webserver.__name__}:{dagster_webserver.main.__name__}"
    image = read("Dockerfile").partition(" AS build-pipeline\n")[2].partition("\nFROM ")[0]
    link = "RUN ln --symbolic --force shifts-webserver /opt/shifts/bin/dagster-webserver\n"
    assert link in image.partition("/wheel/*.whl")[2]


def test_files_contain_no_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "KEY" in name:
                assert re.fullmatch(r"\$\{\w+(:\?[^}]+)?\}", value)
            if "@" in (value or ""):
                assert re.search(r":\$\{\w+(:\?[^}]+)?\}@", value)


def test_the_example_has_every_required_variable() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", read("docker-compose.yml")))
    given = set(re.findall(r"^(\w+)=$", read(".env.example"), re.MULTILINE))
    assert given == asked


@pytest.mark.parametrize(
    ("name", "settings"), [("code", PipelineSettings), ("api", ApiSettings)], ids=["pipeline", "api"]
)
def test_every_required_setting_is_given(name: str, settings: type[PipelineSettings | ApiSettings]) -> None:
    # The definitions load without URLs; runs do not.
    urls = {"database_url", "dagster_database_url", "landing_url"}
    required = {
        f"SHIFTS_{field.upper()}"
        for field, info in settings.model_fields.items()
        if info.is_required() or field in urls
    }
    assert required <= SERVICES[name]["environment"].keys()


def test_named_volumes_are_declared() -> None:
    used = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith("./")
    }
    assert used == compose()["volumes"].keys()


def interpolated(text: str, values: dict[str, str]) -> str:
    """Fills in variables as `docker compose` does."""

    def fill(match: re.Match[str]) -> str:
        name, how, word = match.groups()
        value = values.get(name, "")
        if value or how is None:
            return value
        assert how == ":-", f"{name}: {word}"
        return str(word)

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", fill, text)


def test_the_file_with_values_of_the_example_is_valid_for_compose(tmp_path: Path) -> None:
    example = re.sub(r"^(\w+)=$", r"\1=filled-in", read(".env.example"), flags=re.MULTILINE)
    values = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    path = tmp_path / "docker-compose.yml"
    path.write_text(interpolated(read("docker-compose.yml"), values))
    schema = ["--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    services = yaml.safe_load(path.read_text())["services"]
    assert services["api"]["ports"] == ["127.0.0.1:8000:8000"]
    urls = [
        make_url(value)
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if name.endswith("DATABASE_URL")
    ]
    assert urls
    assert all(url.password == "filled-in" and url.host in services for url in urls)


def test_no_service_starts_without_its_secrets() -> None:
    with pytest.raises(AssertionError, match=r"see \.env\.example"):
        interpolated(read("docker-compose.yml"), {})


def test_the_api_accepts_its_own_host_name_and_those_of_the_environment() -> None:
    hosts = compose()["services"]["api"]["environment"]["SHIFTS_API_HOSTS"]
    assert hosts == "api,${SHIFTS_API_HOSTS:-}"
    assert "SHIFTS_API_HOSTS" in read(".env.example")
