"""The Terraform files, as far as they can be checked without a cloud."""

import re
import shutil
import subprocess

import pytest

from tests.unit.deploy.files import GCP, manifest, manifests, read, values


@pytest.mark.skipif(shutil.which("terraform") is None, reason="no terraform here")
def test_files_are_formatted_and_parse() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", str(GCP)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_references_are_declared() -> None:
    text = "\n".join(path.read_text("utf-8") for path in GCP.glob("*.tf"))
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE))
    used = set(re.findall(r"(?<!data\.)\b((?:google|random)_\w+)\.(\w+)", text))
    assert used <= resources
    variables = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    blocks = re.findall(r"^locals \{\n(.+?)^\}", text, re.MULTILINE | re.DOTALL)
    named = {name for block in blocks for name in re.findall(r"^  (\w+) +=", block, re.MULTILINE)}
    assert set(re.findall(r"\blocal\.(\w+)", text)) == named


def test_the_cluster_reads_exactly_the_created_secrets() -> None:
    made = set(re.findall(r"^    (shifts-[\w-]+) = \{$", read("deploy/gcp/secrets.tf"), re.MULTILINE))
    used = {name for m in manifests() for name in re.findall(r"'secretRef': {'name': '([\w-]+)'", str(m))}
    used |= set(re.findall(r"'envSecrets': \[{'name': '([\w-]+)'}\]", str(values())))
    used.add(values()["global"]["postgresqlSecretName"])
    assert used == made


def test_rights_are_granted_to_accounts_of_pods() -> None:
    given = set(re.findall(r"/subject/ns/shifts/sa/([\w-]+)", read("deploy/gcp/identities.tf")))
    assert given
    for name in given:
        assert manifest("ServiceAccount", name)
    assert values()["global"]["serviceAccountName"] in given


def test_pods_may_connect_to_the_network_of_the_database() -> None:
    (where,) = re.findall(r'database = "([\d./]+)"', read("deploy/gcp/network.tf"))
    rules = manifest("NetworkPolicy", "names-and-database")["spec"]["egress"]
    assert [to["ipBlock"]["cidr"] for rule in rules for to in rule.get("to", ())] == [where]


def test_buckets_are_never_public() -> None:
    text = read("deploy/gcp/buckets.tf")
    buckets = text.count('resource "google_storage_bucket"')
    assert buckets == 2
    assert len(re.findall(r"uniform_bucket_level_access = true", text)) == buckets
    assert len(re.findall(r'public_access_prevention    = "enforced"', text)) == buckets
