"""The manifests and the values of the chart, validated by Dagster's and Kubernetes' own classes."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes.client as k8s  # type: ignore[import-untyped]
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._serdes import ConfigurableClass
from dagster_gcp.gcs.compute_log_manager import GCSComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from dagster_postgres.storage import DagsterPostgresStorage

from shifts_platform.request_guard import find_refusal
from tests.unit.deploy.files import K8S, manifest, manifests, read, values

MODELS = {
    "ConfigMap": k8s.V1ConfigMap,
    "Namespace": k8s.V1Namespace,
    "ServiceAccount": k8s.V1ServiceAccount,
    "Job": k8s.V1Job,
    "Deployment": k8s.V1Deployment,
    "Service": k8s.V1Service,
    "HorizontalPodAutoscaler": k8s.V2HorizontalPodAutoscaler,
    "PodDisruptionBudget": k8s.V1PodDisruptionBudget,
    "Ingress": k8s.V1Ingress,
    "NetworkPolicy": k8s.V1NetworkPolicy,
}
OF_GOOGLE = {"ManagedCertificate", "BackendConfig"}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def snake_keys(mapping: dict[str, Any]) -> dict[str, Any]:
    return {snake(key): value for key, value in mapping.items()}


def launcher_config() -> dict[str, Any]:
    """Returns what the chart renders for `run_launcher`."""
    chosen = values()["runLauncher"]["config"]["k8sRunLauncher"]
    return snake_keys(chosen) | {
        "env_config_maps": [config_map["name"] for config_map in chosen["envConfigMaps"]],
        "env_secrets": [secret["name"] for secret in chosen["envSecrets"]],
        "run_k8s_config": snake_keys(chosen["runK8sConfig"]),
        "load_incluster_config": True,
        "job_namespace": "shifts",
        "service_account_name": values()["global"]["serviceAccountName"],
        "dagster_home": "/opt/dagster/dagster_home",
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values()["global"]["postgresqlSecretName"],
    }


def storage_config() -> dict[str, Any]:
    """Returns what the chart renders for each of the three storages."""
    chosen = values()["postgresql"]
    return {
        "postgres_db": {
            "username": chosen["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": chosen["postgresqlHost"],
            "db_name": chosen["postgresqlDatabase"],
            "port": 5432,
            "params": chosen["postgresqlParams"],
            "scheme": chosen["postgresqlScheme"],
        }
    }


def instance_yaml() -> dict[str, Any]:
    """Returns the `dagster.yaml` that the chart renders."""
    daemon = values()["dagsterDaemon"]
    # The chart writes these two itself by default; then they would appear twice.
    assert not daemon["runCoordinator"]["enabled"]
    assert not daemon["runRetries"]["enabled"]
    return {
        "storage": {"postgres": storage_config()},
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher_config()},
        "compute_logs": {
            "module": "dagster_gcp.gcs.compute_log_manager",
            "class": "GCSComputeLogManager",
            "config": snake_keys(values()["computeLogManager"]["config"]["gcsComputeLogManager"]),
        },
        "run_monitoring": snake_keys(daemon["runMonitoring"]),
        "sensors": snake_keys(daemon["sensors"]),
        "schedules": snake_keys(daemon["schedules"]),
        "telemetry": values()["telemetry"],
        "retention": {
            kind: {"purge_after_days": values()["retention"][kind]["purgeAfterDays"]}
            for kind in ("schedule", "sensor")
        },
        **values()["additionalInstanceConfig"],
    }


@pytest.mark.parametrize(
    ("made_of", "config"),
    [
        (K8sRunLauncher, instance_yaml()["run_launcher"]["config"]),
        (DagsterPostgresStorage, storage_config()),
        (QueuedRunCoordinator, instance_yaml()["run_coordinator"]["config"]),
        (GCSComputeLogManager, instance_yaml()["compute_logs"]["config"]),
    ],
)
def test_each_part_of_the_instance_is_valid_for_its_class(
    made_of: type[ConfigurableClass], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    result = process_config(resolve_to_config_type(made_of.config_type()), config)
    assert result.success, result.errors


def test_the_whole_instance_is_valid_for_dagster(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance_yaml()))
    dagster_instance_config(str(tmp_path))


def test_the_cluster_differs_from_one_machine_in_its_limits_only() -> None:
    here, there = yaml.safe_load(read("dagster.yaml")), instance_yaml()
    for section in ("run_retries", "sensors", "schedules", "telemetry", "nux"):
        assert there[section] == here[section]
    assert there["run_coordinator"]["class"] == here["run_coordinator"]["class"]
    assert there["run_coordinator"]["config"].items() >= here["run_coordinator"]["config"].items()
    assert there["concurrency"]["pools"]["granularity"] == here["concurrency"]["pools"]["granularity"]
    there["retention"]["sensor"]["purge_after_days"].pop("started")
    assert there["retention"] == here["retention"]


def test_a_run_is_a_pod_with_our_account_our_secrets_the_apis_settings_and_bounded_memory() -> None:
    context = K8sContainerContext.create_from_config({"k8s": container_context()})
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(job_image="shifts-pipeline", run_launcher=Launcher()),
        args=["dagster", "api", "execute_run"],
        job_name="run",
        user_defined_k8s_config=context.run_k8s_config,
        component="run_worker",
    )
    pod = job.spec.template.spec
    (container,) = pod.containers
    assert pod.service_account_name == "dagster"
    assert [source.secret_ref.name for source in container.env_from if source.secret_ref] == [
        "shifts-pipeline"
    ]
    of_runs = [source.config_map_ref.name for source in container.env_from if source.config_map_ref]
    of_api = manifest("Deployment", "shifts-api")["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    settings = manifest("ConfigMap", "shifts-settings")["metadata"]["name"]
    assert of_runs == [settings]
    assert {"configMapRef": {"name": settings}} in of_api
    assert container.resources.limits == {"memory": "2Gi"}
    assert container.security_context.allow_privilege_escalation is False
    assert job.spec.ttl_seconds_after_finished == 3600


def container_context() -> dict[str, Any]:
    config = launcher_config()
    own = {"load_incluster_config", "dagster_home", "instance_config_map", "postgres_password_secret"}
    context = {key: value for key, value in config.items() if key not in own}
    return context | {"namespace": context.pop("job_namespace")}


class Launcher:
    """The part of a launcher that creates pods of runs; a whole launcher needs a cluster."""

    instance_config_map = "dagster-instance"
    dagster_home = "/opt/dagster/dagster_home"
    postgres_password_secret = "shifts-dagster"


@pytest.mark.parametrize("made", manifests(), ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_manifests_are_valid_for_kubernetes(made: dict[str, Any]) -> None:
    if made["kind"] not in OF_GOOGLE:
        model = MODELS[made["kind"]]
        k8s_model_from_dict(model, k8s_snake_case_dict(model, made))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_the_kustomization_builds() -> None:
    done = subprocess.run(["kubectl", "kustomize", str(K8S)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = [made for made in yaml.safe_load_all(done.stdout) if made["kind"] == "Deployment"]
    assert (
        built[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "${REGISTRY}/shifts-api:${VERSION}"
    )


def test_pods_are_selected_by_labels_that_they_have() -> None:
    labels = manifest("Deployment", "shifts-api")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment", "shifts-api")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service", "shifts-api")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget", "shifts-api")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("NetworkPolicy", "balancer-to-api")["spec"]["podSelector"]["matchLabels"] == labels


def test_connections_are_refused_by_default() -> None:
    nobody = manifest("NetworkPolicy", "nobody")["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_dagster_reaches_the_code_server_on_its_port() -> None:
    (deployment,) = values()["dagster-user-deployments"]["deployments"]
    (out,) = manifest("NetworkPolicy", "dagster-to-code")["spec"]["egress"]
    (into,) = manifest("NetworkPolicy", "code-from-dagster")["spec"]["ingress"]
    assert out["ports"] == into["ports"] == [{"protocol": "TCP", "port": deployment["port"]}]


def test_the_webserver_runs_behind_the_guard_which_allows_its_probe() -> None:
    chosen = values()["dagsterWebserver"]
    (deployment,) = values()["dagster-user-deployments"]["deployments"]
    assert chosen["image"] == deployment["image"]
    probe = chosen["readinessProbe"]["httpGet"]
    assert probe["port"] == chosen["service"]["port"] > 1024
    headers = [(header["name"].lower().encode(), header["value"].encode()) for header in probe["httpHeaders"]]
    scope = {"type": "http", "method": "GET", "path": probe["path"], "query_string": b"", "headers": headers}
    assert find_refusal(scope, hosts=()) is None
    assert f"3000:{chosen['service']['port']}\n" in read("docs/gcp.md")


def test_the_chart_has_the_locked_version_of_dagster() -> None:
    (version,) = re.findall(r"^dagster==(\S+)", read("requirements/cluster.txt"), re.MULTILINE)
    assert f"--version {version} " in read("docs/gcp.md")


def test_the_steps_set_every_variable_of_the_files() -> None:
    words = set(re.findall(r"\$\{(\w+)\}", "".join(p.read_text("utf-8") for p in K8S.glob("*.yaml"))))
    assert words <= set(re.findall(r"^ *export (\w+)=", read("docs/gcp.md"), re.MULTILINE))


@pytest.mark.parametrize(
    ("path", "is_published"),
    [
        ("/api/v1/trips/stats", True),
        ("/api/v1/trips/live", True),
        ("/", True),
        ("/page/main-1a.js", True),
        ("/docs", True),
        ("/docs/swagger-ui.css", True),
        ("/openapi.json", True),
        ("/health", True),
        ("/metrics", False),
        ("/ready", False),
    ],
)
def test_the_balancer_publishes_the_page_the_api_and_its_documentation_only(
    path: str, is_published: bool
) -> None:
    (rule,) = manifest("Ingress", "shifts-api")["spec"]["rules"]
    matching = [
        entry["path"]
        for entry in rule["http"]["paths"]
        if path == entry["path"]
        or (entry["pathType"] == "Prefix" and f"{path}/".startswith(f"{entry['path']}/"))
    ]
    assert bool(matching) is is_published


def test_the_api_accepts_the_public_host_name() -> None:
    (rule,) = manifest("Ingress", "shifts-api")["spec"]["rules"]
    (container,) = manifest("Deployment", "shifts-api")["spec"]["template"]["spec"]["containers"]
    settings = {entry["name"]: entry["value"] for entry in container["env"]}
    assert rule["host"] in settings["SHIFTS_API_HOSTS"].split(",")
