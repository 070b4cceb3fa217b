"""The service answers as its OpenAPI document says, with data in its database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis import GenerationMode

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service
from tests.integration.pipeline.harness import HEADER, row

CASES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
"""Random examples per operation, besides those at the limits of the document's schemas."""

# A schema cannot say that a file exists, that south is below north, that a key is new, or that a cookie is sent.
SEMANTIC = {
    "GET /api/v1/clusters": [400],
    "GET /api/v1/fleet": [400],
    "GET /api/v1/gtfs": [400],
    "GET /api/v1/shifts": [400],
    "GET /api/v1/trips/stats": [304, 400],
    "GET /api/v1/trips/weekly": [304, 400],
    "GET /api/v1/trips/matrix": [304, 400],
    "GET /api/v1/trips/profile": [304, 400],
    "GET /api/v1/trips/extent": [304, 400],
    "GET /api/v1/trips/density/{zoom}/{x}/{y}": [304, 400],
    "POST /api/v1/trips/weekly": [400],
    "POST /api/v1/files": [400, 422],
    "POST /api/v1/trips": [400, 422],
    "POST /api/v1/zones": [400],
    "PUT /api/v1/zones/{name}": [400],
    "POST /api/v1/session": [429],
    "DELETE /api/v1/session": [400],
}
REMEMBERED = ("GET /api/v1/files/{file_id}",)
"""Answers after the deletion as well: the ledger keeps what a file was."""
REFUSED = ["400", "401", "403", "404", "405", "408", "413", "414", "422", "431"]
"""Statuses of requests that the document does not allow."""


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    """The document of a service with trips, clusters, a failed file and rejects."""
    rows = [row(moment=f"2018-05-28 08:{m:02}:00", origin=(7.67 + m * 1e-5, 45.01)) for m in range(30)]
    with pipeline_of(service) as pipeline:
        pipeline.put("trips.csv", HEADER + "".join(rows) + "no,trip\n")
        pipeline.put("broken.csv", "no header\n")
        pipeline.load()
        pipeline.refresh()
    found: dict[str, Any] = httpx.get(f"{service.root}/openapi.json").json()
    return found


def _configuration(client: httpx.Client) -> str:
    (cluster,) = client.get("/clusters", params={"region": "Turin", "week": "2018-W22"}).json()["features"]
    (trip, *_) = client.get(f"/clusters/{cluster['id']}/trips").json()["trips"]
    refused = ["[checks]", f"negative_data_rejection.expected-statuses = {json.dumps(REFUSED)}"]
    lines = [
        *refused,
        "[parameters]",
        f'"path.cluster_id" = {cluster["id"]}',
        f'"path.trip_id" = {trip["trip_id"]}',
    ]
    for operation, statuses in SEMANTIC.items():
        accepted = ["2xx", "401", "403", "404", *map(str, statuses)]
        lines += [
            "[[operations]]",
            f'include-name = "{operation}"',
            f"checks.positive_data_acceptance.expected-statuses = {json.dumps(accepted)}",
        ]
    for operation in REMEMBERED:
        lines += ["[[operations]]", f'include-name = "{operation}"', "checks.use_after_free.enabled = false"]
    return "\n".join(lines)


def test_all_checks_of_schemathesis_pass(
    service: Service, client: httpx.Client, document: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(_configuration(client))
    command: list[str | Path] = [
        Path(sys.executable).with_name("st"),
        "run",
        f"{service.root}/openapi.json",
        "--checks",
        "all",
    ]
    # The feed is endless, so it has a test of its own.
    options = ["--exclude-path", "/api/v1/events", "--max-examples", CASES, "--seed", "1", "--no-color"]
    found = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    if "SCHEMATHESIS_EXAMPLES" in os.environ:
        print(found.stdout)


def test_the_feed_answers_random_requests_as_documented(service: Service, document: dict[str, Any]) -> None:
    feed = schemathesis.openapi.from_dict(document)["/api/v1/events"]["GET"]
    answers: dict[GenerationMode, set[tuple[int, str]]] = {}

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategies.data())
    def send_request(data: strategies.DataObject) -> None:
        mode = data.draw(strategies.sampled_from(list(GenerationMode)))
        case = data.draw(feed.as_strategy(generation_mode=mode))
        arguments = case.as_transport_kwargs(base_url=service.root)
        with requests.request(**arguments, stream=True, timeout=10) as response:
            kind = response.headers["Content-Type"].partition(";")[0]
            answers.setdefault(mode, set()).add((response.status_code, kind))

    send_request()
    stream, refusal = (200, "text/event-stream"), (400, "application/json")
    # A pattern cannot name the known types, and parsers accept other spellings of some values.
    assert answers[GenerationMode.POSITIVE] <= {stream, refusal}
    assert answers[GenerationMode.NEGATIVE] <= {stream, refusal}
    assert answers.values()


def test_every_parameter_and_answer_has_a_valid_example(
    document: dict[str, Any],
) -> None:
    root = {"components": document["components"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            for parameter in operation.get("parameters", []):
                schema = parameter["schema"]
                shown = {"example", "examples", "default", "enum"} & (schema.keys() | parameter.keys())
                shown |= {"enum" for part in schema.get("anyOf", []) if "enum" in part}
                assert shown, f"{place} {parameter['name']}"
            assert not path.startswith("/api/") or {"400", "413", "414", "431", "503"} <= set(
                operation["responses"]
            )
            for status, response in operation["responses"].items():
                assert response["description"], place
                for kind, content in response.get("content", {}).items():
                    jsonschema_rs.validate({**root, **content["schema"]}, content["example"])
                    assert kind in (
                        "application/json",
                        "text/csv",
                        "text/plain",
                        "text/event-stream",
                        "application/zip",
                        "image/png",
                    ), status


def test_statistics_document_the_header_that_names_a_tag(document: dict[str, Any]) -> None:
    for call in ("stats", "weekly", "matrix", "profile"):
        parameters = document["paths"][f"/api/v1/trips/{call}"]["get"]["parameters"]
        headers = [each["name"] for each in parameters if each["in"] == "header"]
        assert headers == ["If-None-Match"], call
