"""The pages about deployment: their commands as far as they can run here, their names and their arithmetic."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.unit.deploy.files import GCP, ROOT, manifest, read, values
from tests.unit.deploy.pages import PAGES, commands

NUMBER = r"\d[\d,]*(?:\.\d+)?"
FILES_NAMED = {"docs/deployment.md": 0, "docs/gcp.md": 10, "docs/scaling.md": 0}
EQUATIONS = {"docs/deployment.md": 0, "docs/gcp.md": 40, "docs/scaling.md": 0}
"""The least number of matches on a page: a pattern that matches nothing would check nothing."""
EQUATION = rf"{NUMBER}(?: [×+] {NUMBER})+ = {NUMBER}"


def run(command: str, **settings: str) -> str:
    """Runs a command of a page at the top of the checkout; returns what it prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_valid_shell(page: str) -> None:
    assert commands(page)
    for block in commands(page):
        done = subprocess.run(["bash", "-n", "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_files_that_commands_name_exist(page: str) -> None:
    named = re.findall(r"(?:deploy|docs|sql|tests)/[\w./*-]+", "\n".join(commands(page)))
    assert len(named) >= FILES_NAMED[page]
    assert [name for name in named if not list(ROOT.glob(name))] == []


@pytest.mark.skipif(
    not (shutil.which("kubectl") and shutil.which("envsubst")), reason="no kubectl or envsubst here"
)
def test_objects_are_complete_with_the_variables_filled_in() -> None:
    (step,) = [block for block in commands("docs/gcp.md") if "kubectl kustomize" in block]
    words = {"REGISTRY": "registry/of", "VERSION": "1a2b3c", "API_HOST": "shifts.example.com"}
    command = step.partition(" | kubectl apply")[0]
    made = run(command, **words)
    assert re.findall(r"\$\{\w", made) == []
    objects = list(yaml.safe_load_all(made))
    images = {
        container["image"]
        for made in objects
        if made["kind"] in ("Deployment", "Job")
        for kind in ("containers", "initContainers")
        for container in made["spec"]["template"]["spec"].get(kind, ())
    }
    ours = {f"registry/of/shifts-{name}:1a2b3c" for name in ("api", "pipeline")}
    assert {image for image in images if "shifts" in image} == ours
    (ingress,) = [made for made in objects if made["kind"] == "Ingress"]
    assert ingress["spec"]["rules"][0]["host"] == "shifts.example.com"


@pytest.mark.skipif(shutil.which("envsubst") is None, reason="no envsubst here")
def test_values_of_the_chart_are_complete_with_the_variables_filled_in() -> None:
    words = {"REGISTRY": "registry/of", "VERSION": "1a2b3c", "DATABASE_HOST": "10.40.0.3", "RUN_LOGS": "logs"}
    (command,) = re.findall(r"^envsubst < \S+", "\n".join(commands("docs/gcp.md")), re.MULTILINE)
    made = run(command, **words)
    assert re.findall(r"\$\{\w", made) == []
    filled: dict[str, Any] = yaml.safe_load(made)
    assert filled["postgresql"]["postgresqlHost"] == "10.40.0.3"
    (deployment,) = filled["dagster-user-deployments"]["deployments"]
    assert deployment["image"]["repository"] == "registry/of/shifts-pipeline"


def test_outputs_variables_and_secrets_in_the_steps_exist() -> None:
    text = "\n".join(commands("docs/gcp.md"))
    outputs = set(re.findall(r'^output "(\w+)"', read("deploy/gcp/outputs.tf"), re.MULTILINE))
    assert set(re.findall(r"output -raw (\w+)", read("docs/gcp.md"))) == outputs
    variables = re.findall(r'^variable "(\w+)"', read("deploy/gcp/variables.tf"), re.MULTILINE)
    given = set(re.findall(r"-var='?\"?(\w+)=", read("docs/gcp.md")))
    assert given
    assert given <= set(variables)
    made = set(re.findall(r"^    (shifts-[\w-]+) = \{$", read("deploy/gcp/secrets.tf"), re.MULTILINE))
    (listed,) = re.findall(r"^for secret in (.+); do$", text, re.MULTILINE)
    assert set(listed.split()) == made
    named = set(re.findall(r"--secret=([\w-]+)", text))
    assert named
    assert named <= made
    passwords = set(
        re.findall(
            r'^resource "random_password" "(\w+)"',
            "\n".join(p.read_text() for p in GCP.glob("*.tf")),
            re.MULTILINE,
        )
    )
    used = set(re.findall(r"random_password\.(\w+)", read("docs/gcp.md")))
    assert used
    assert used <= passwords


def test_priced_pods_and_machines_are_the_deployed_ones() -> None:
    (api,) = manifest("Deployment", "shifts-api")["spec"]["template"]["spec"]["containers"]
    replicas = manifest("HorizontalPodAutoscaler", "shifts-api")["spec"]["minReplicas"]
    chart = values()
    (code,) = chart["dagster-user-deployments"]["deployments"]
    parts = [api] * replicas + [code, chart["dagsterWebserver"], chart["dagsterDaemon"]]
    requests = [part["resources"]["requests"] for part in parts]
    page = read("docs/gcp.md")
    assert f"| {sum(amount(pod['cpu']) for pod in requests):g} × 0.0445 × 730" in page
    assert f"| {sum(amount(pod['memory']) for pod in requests):g} × 0.0049 × 730" in page
    (tier,) = re.findall(r'default += "(db-custom\S+)"', read("deploy/gcp/variables.tf"))
    assert f"`{tier}`, two zones" in page


def amount(quantity: str) -> float:
    """Returns cores, or GiB, of a Kubernetes quantity."""
    number, unit = re.fullmatch(r"(\d+)(\D*)", quantity).groups()  # type: ignore[union-attr]
    return int(number) / {"m": 1000, "Mi": 1024, "Gi": 1, "": 1}[unit]


@pytest.mark.parametrize("page", PAGES)
def test_equations_are_right(page: str) -> None:
    equations = re.findall(EQUATION, read(page))
    assert len(equations) >= EQUATIONS[page]
    for equation in equations:
        left, _, right = equation.replace(",", "").partition(" = ")
        # The pattern allows digits, points, × and + only.
        result = sum(product(term) for term in left.split(" + "))
        places = len(right.partition(".")[2])
        assert abs(result - float(right)) <= 0.5 * 10**-places + 1e-9, equation


def test_monthly_costs_are_the_sums_of_their_parts() -> None:
    (table,) = re.findall(
        r"^\| database: cores.+?^\| \*\*a month\*\*.+?$", read("docs/gcp.md"), re.MULTILINE | re.DOTALL
    )
    *rows, total = [line.strip("|").split("|") for line in table.splitlines()]
    for column in (1, 2, 3):
        parts = [float(row[column].partition(" = ")[2]) for row in rows]
        assert f"{sum(parts):.2f}" == total[column].strip(" *").replace(",", "")


def product(term: str) -> float:
    result = 1.0
    for factor in term.split(" × "):
        result *= float(factor)
    return result
