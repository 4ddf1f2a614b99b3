"""The Helm chart: rendered by Helm's own engine, checked against Kubernetes' schemas, compared with what it runs."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from compose_file import load
from helm_chart import CHART, NAMESPACE, RELEASE, NotRendered, lint, render
from typer.main import get_command

from pipeline.cli.app import app
from pipeline.engine.celery_app import all_queues
from pipeline.engine.worker import queues_of
from pipeline.names import QUEUES, STAGES
from pipeline.settings import CONFIG_VARIABLE, ENV_PREFIX, FILE_SUFFIX, Settings
from pipeline.stack.process_plan import ONE_THREAD

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
SCHEMAS = ROOT / "tests/data/kubernetes"
VERSIONS = ("1.27", "1.33", "1.37")
GROUPS = ("extract", "embed", "upsert", "finalize")
SECRET = {"redisUrl": "redis://:a@redis:6379/0", "databaseUrl": "postgresql://d:b@db/d", "qdrantApiKey": "c"}
MINIMAL: dict[str, Any] = {"secret": SECRET}
EXISTING: dict[str, Any] = {
    "secret": {"existing": "own-secret", "settingsFile": "docrelay.toml"},
    "data": {"existingClaim": "own-data"},
    "disruptionBudgets": False,
    "api": {"pods": 1},
}
FULL: dict[str, Any] = {
    "secret": SECRET,
    "image": {"repository": "registry.example/docrelay", "tag": "1.2.3", "pullSecrets": [{"name": "pull"}]},
    "settings": {"ocr_languages": "fra", "chunk_tokens": "128"},
    "data": {"storageClass": "fast", "accessMode": "ReadWriteOnce", "size": "1Ti"},
    "workers": {"embed": {"pods": 3, "maxPods": 40, "settings": {"niceness": "0", "chunk_tokens": "256"}}},
    "api": {
        "pods": 3,
        "settings": {"api_requests": "32"},
        "ingress": {
            "host": "docs.example",
            "className": "nginx",
            "tlsSecret": "docs-tls",
            "annotations": {"example/timeout": "60"},
        },
    },
    "watch": {"claim": "papers"},
    "autoscaling": {"enabled": True, "prometheus": "https://prometheus.example"},
    "monitoring": {"enabled": True, "keySecret": "key", "labels": {"release": "prometheus"}},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
CASES = {"minimal": MINIMAL, "existing": EXISTING, "full": FULL}


@cache
def rendered(case: str) -> dict[tuple[str, str], dict[str, Any]]:
    return render(CASES[case])


def names(case: str, kind: str) -> set[str]:
    """Names of the resources of a kind, without that of the release."""
    return {name.removeprefix(f"{RELEASE}-") for found, name in rendered(case) if found == kind}


def pods(case: str) -> dict[str, dict[str, Any]]:
    """The specification of each Deployment's pods, by its name without that of the release."""
    found = {name: part for (kind, name), part in rendered(case).items() if kind == "Deployment"}
    return {name.removeprefix(f"{RELEASE}-"): part["spec"]["template"]["spec"] for name, part in found.items()}


def environment(pod: dict[str, Any]) -> dict[str, str]:
    variables = pod["containers"][0]["env"]
    assert len({variable["name"] for variable in variables}) == len(variables)
    return {variable["name"]: variable["value"] for variable in variables}


def test_helm_finds_nothing_wrong() -> None:
    assert [message for message in lint() if "icon" not in message] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_resource_has_the_form_that_kubernetes_knows(case: str, version: str) -> None:
    for (kind, _), resource in rendered(case).items():
        own = SCHEMAS / f"{kind.lower()}-{resource['apiVersion'].rpartition('/')[2]}.json"
        if own.exists():
            jsonschema.validate(resource, json.loads(own.read_text("utf-8")))
        else:
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ScaledObject", ("spec", "maxReplicas"), 3),
        ("ScaledObject", ("spec", "minReplicaCount"), "one"),
        ("ServiceMonitor", ("spec", "endpoints"), [{"prot": "http"}]),
        ("PrometheusRule", ("spec", "groups"), [{"name": "docrelay", "rules": [{"alert": "NoExpression"}]}]),
    ],
)
def test_the_schemas_of_custom_resources_refuse_what_is_wrong(kind: str, path: tuple[str, str], value: object) -> None:
    resource = next(part for (found, _), part in rendered("full").items() if found == kind)
    (schema,) = SCHEMAS.glob(f"{kind.lower()}-*.json")
    wrong = {**resource, path[0]: {**resource[path[0]], path[1]: value}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json.loads(schema.read_text("utf-8")))


def test_what_is_on_and_off() -> None:
    parts = {*GROUPS, "beat", "api"}
    assert {case: names(case, "Deployment") for case in CASES} == {
        "minimal": parts,
        "existing": parts,
        "full": parts | {"watch"},
    }
    assert {case: names(case, "PodDisruptionBudget") for case in CASES} == {
        "minimal": {"api"},
        "existing": set(),
        "full": {*GROUPS, "api"},
    }
    optional = {"ScaledObject": set(GROUPS), "ServiceMonitor": {RELEASE}, "Ingress": {"api"}}
    optional["PrometheusRule"] = {RELEASE}
    for kind, expected in optional.items():
        assert [names(case, kind) for case in CASES] == [set(), set(), expected], kind
    assert [names(case, "Secret") for case in CASES] == [{"secret"}, set(), {"secret"}]
    assert [names(case, "PersistentVolumeClaim") for case in CASES] == [{"data"}, set(), {"data"}]


@pytest.mark.parametrize("case", CASES)
def test_every_variable_of_the_environment_is_a_setting_or_known(case: str) -> None:
    for name, pod in pods(case).items():
        variables = environment(pod)
        chosen = {key: value for key, value in variables.items() if key.startswith(ENV_PREFIX)}
        assert variables.keys() - chosen.keys() == {"HF_HOME", *ONE_THREAD}
        assert ONE_THREAD.items() <= variables.items()
        assert chosen.pop(CONFIG_VARIABLE, None) == (
            "/run/secrets/docrelay/docrelay.toml" if case == "existing" else None
        )
        chosen = {key.removeprefix(ENV_PREFIX).lower(): value for key, value in chosen.items()}
        named = {key.removesuffix(FILE_SUFFIX) for key in chosen if key.endswith(FILE_SUFFIX)}
        assert named == {"redis_url", "database_url", "qdrant_api_key"}
        plain = {key: (value,) if key == "api_roots" else value for key, value in chosen.items() if "_file" not in key}
        settings = Settings(**plain, **dict.fromkeys(named, "x"))
        assert settings.spool_url == "/data/spool"
        assert settings.api_host == ("0.0.0.0" if name == "api" else "127.0.0.1")
        if name == "extract":
            assert settings.shutdown_grace_s < pod["terminationGracePeriodSeconds"]


def test_settings_of_a_part_go_before_those_of_all() -> None:
    full = {name: environment(pod) for name, pod in pods("full").items()}
    assert {name: variables["DOCRELAY_CHUNK_TOKENS"] for name, variables in full.items()} == {
        **dict.fromkeys(full, "128"),
        "embed": "256",
    }
    assert full["embed"]["DOCRELAY_NICENESS"] == "0"
    assert full["api"]["DOCRELAY_API_REQUESTS"] == "32"
    assert {variables["DOCRELAY_OCR_LANGUAGES"] for variables in full.values()} == {"fra"}
    assert full["api"]["DOCRELAY_API_ROOTS"] == pods("full")["watch"]["containers"][0]["command"][-1] == "/documents"
    assert "DOCRELAY_API_ROOTS" not in environment(pods("minimal")["api"])


def test_every_command_exists_and_every_queue_has_workers() -> None:
    served: list[str] = []
    for pod in pods("full").values():
        program, *words = pod["containers"][0]["command"]
        assert program == "docrelay"
        assert CliRunner().invoke(get_command(app), [words[0], "--help"]).exit_code == 0
        if words[0] == "worker":
            queues = words[3].split(",") if "--queues" in words else [*queues_of(words[1])]
            assert set(queues) <= set(queues_of(words[1]))
            served += queues
    assert sorted(served) == sorted(all_queues())
    assert set(QUEUES) < set(served)


def test_the_parts_run_as_those_of_compose() -> None:
    services = load(ROOT / "docker-compose.yml", {})["services"]
    for name, pod in pods("full").items():
        container = pod["containers"][0]
        assert container["command"] == services[name]["command"]
        check = services[name]["healthcheck"].get("test", ["CMD"])[1:]
        if name in (*GROUPS, "beat"):
            assert container["startupProbe"]["exec"]["command"] == check
            assert container["livenessProbe"]["exec"]["command"] == check


def test_the_number_of_pods_follows_waiting_and_running_tasks() -> None:
    for name in GROUPS:
        scaled = rendered("full")["ScaledObject", f"{RELEASE}-{name}"]["spec"]
        deployment = rendered("full")["Deployment", f"{RELEASE}-{name}"]
        assert scaled["scaleTargetRef"] == {"name": deployment["metadata"]["name"]}
        assert "replicas" not in deployment["spec"]
        assert rendered("minimal")["Deployment", f"{RELEASE}-{name}"]["spec"]["replicas"] == 1
        (trigger,) = scaled["triggers"]
        assert trigger["type"] == "prometheus"
        assert trigger["metadata"].keys() == {"serverAddress", "query", "threshold", "ignoreNullValues"}
        assert trigger["metadata"]["serverAddress"] == FULL["autoscaling"]["prometheus"]
        service = rendered("full")["Service", f"{RELEASE}-api"]["metadata"]["name"]
        of = f'namespace="{NAMESPACE}",service="{service}"'
        command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
        queues = "|".join(command[4].split(",") if "--queues" in command else queues_of(command[2]))
        assert trigger["metadata"]["query"] == (
            f'sum(max by (queue) (docrelay_queue_messages{{{of},queue=~"{queues}"}})) '
            f'+ sum(max by (stage) (docrelay_tasks_running{{{of},stage=~"{queues}"}}))'
        )
        # Without a stage the second sum would be empty, and with it the whole.
        assert set(queues.split("|")) & set(STAGES)
    embed = rendered("full")["ScaledObject", f"{RELEASE}-embed"]["spec"]
    assert (embed["minReplicaCount"], embed["maxReplicaCount"]) == (3, 40)


def test_prometheus_reaches_the_api_with_a_key() -> None:
    monitor = rendered("full")["ServiceMonitor", RELEASE]
    service = rendered("full")["Service", f"{RELEASE}-api"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"
    assert endpoint["authorization"]["credentials"] == {"name": "key", "key": "metrics_key"}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_operator_gets_the_alerts_of_prometheus_and_the_job_that_they_name() -> None:
    folder = ROOT / "deploy/prometheus"
    alerts, config = (yaml.safe_load((folder / name).read_text("utf-8")) for name in ("alerts.yml", "prometheus.yml"))
    rule = rendered("full")["PrometheusRule", RELEASE]
    assert rule["spec"] == alerts
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    monitor = rendered("full")["ServiceMonitor", RELEASE]["spec"]
    service = rendered("full")["Service", f"{RELEASE}-api"]["metadata"]
    assert service["labels"][monitor["jobLabel"]] == config["scrape_configs"][0]["job_name"]
    asked = " ".join([json.dumps(alerts), *(path.read_text("utf-8") for path in DASHBOARDS)]).replace("\\", "")
    assert set(re.findall(r'job="(\w+)"', asked)) == {config["scrape_configs"][0]["job_name"]}
    silent = render({**FULL, "monitoring": {**FULL["monitoring"], "alerts": False}})
    assert {kind for kind, _ in rendered("full")} - {kind for kind, _ in silent} == {"PrometheusRule"}


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_the_pods_and_nothing_else(case: str) -> None:
    labels = {
        name: part["spec"]["template"]["metadata"]["labels"]
        for (kind, name), part in rendered(case).items()
        if kind == "Deployment"
    }
    for (kind, name), part in rendered(case).items():
        selector = part["spec"]["selector"] if kind in ("Deployment", "Service", "PodDisruptionBudget") else None
        if selector is not None:
            wanted = selector.get("matchLabels", selector).items()
            assert [found for found, worn in labels.items() if wanted <= worn.items()] == [name], (kind, name)


@pytest.mark.parametrize("case", CASES)
def test_pods_are_closed(case: str) -> None:
    for name, pod in pods(case).items():
        security, (container,) = pod["securityContext"], pod["containers"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] == security["fsGroup"] == 10001
        assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text("utf-8")
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert pod["shareProcessNamespace"] is True
        assert container["resources"].keys() == {"requests", "limits"}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
        assert ("documents" in mounts) == (case == "full" and name in ("api", "watch"))
        variables = environment(pod)
        assert all(path.startswith(f"{mounts['secret']}/") for key, path in variables.items() if key.endswith("_FILE"))
        assert not any("a@redis" in value or "b@db" in value for value in variables.values())


def test_secrets_and_data_are_those_that_are_named() -> None:
    variables = environment(pods("minimal")["embed"])
    files = {Path(value).name for key, value in variables.items() if key.endswith("_FILE")}
    made = rendered("minimal")["Secret", f"{RELEASE}-secret"]["stringData"]
    assert made == {"redis_url": SECRET["redisUrl"], "database_url": SECRET["databaseUrl"], "qdrant_api_key": "c"}
    assert made.keys() == files
    for case, prefix in (("minimal", RELEASE), ("existing", "own")):
        volumes = {volume["name"]: volume for volume in pods(case)["extract"]["volumes"]}
        assert volumes["secret"]["secret"]["secretName"] == f"{prefix}-secret"
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == f"{prefix}-data"
    kept = rendered("minimal")["PersistentVolumeClaim", f"{RELEASE}-data"]["metadata"]["annotations"]
    assert kept == {"helm.sh/resource-policy": "keep"}


def test_a_setting_with_a_password_comes_from_a_file_of_the_secret() -> None:
    file = "/run/secrets/docrelay/smtp_url"
    resources = render({**EXISTING, "settings": {"smtp_url_file": file}})
    for (kind, _), part in resources.items():
        if kind != "Deployment":
            continue
        pod = part["spec"]["template"]["spec"]
        assert environment(pod)["DOCRELAY_SMTP_URL_FILE"] == file
        # All keys of the Secret are files there.
        (volume,) = (volume["secret"] for volume in pod["volumes"] if volume["name"] == "secret")
        assert volume == {"secretName": "own-secret"}
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts["secret"] == str(Path(file).parent)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "secret.redisUrl or secret.existing is needed"),
        ({"secret": {**SECRET, "settingsFile": "docrelay.toml"}}, "secret.existing"),
        ({**MINIMAL, "colour": "red"}, "colour"),
        ({**MINIMAL, "workers": {"embed": {"pods": 0}}}, "pods"),
        ({**MINIMAL, "settings": {"chunk_tokens": 128}}, "chunk_tokens"),
        ({**MINIMAL, "autoscaling": {"enable": True}}, "enable"),
    ],
)
def test_values_that_are_wrong_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NotRendered, match=message):
        render(values)


def test_a_change_of_settings_or_secrets_starts_the_pods_again() -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        template: dict[str, Any] = render(values)["Deployment", f"{RELEASE}-embed"]["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    plain = annotations(MINIMAL)
    assert annotations({**MINIMAL, "settings": {"ocr_languages": "fra"}}) != plain
    assert annotations({"secret": {**SECRET, "qdrantApiKey": "d"}}) != plain


def test_the_version_is_the_project_s() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    chart = (CHART / "Chart.yaml").read_text("utf-8")
    assert f"\nappVersion: {version[1]}\n" in chart
    assert {pod["containers"][0]["image"] for pod in pods("minimal").values()} == {f"docrelay:{version[1]}"}
    assert {pod["containers"][0]["image"] for pod in pods("full").values()} == {"registry.example/docrelay:1.2.3"}
