"""What must be true of the compose file, the Dockerfile and their examples without running them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from compose_file import Unset, interpolated, load

from pipeline.engine.groups import GROUPS
from pipeline.names import QUEUES
from pipeline.settings import ENV_PREFIX, Settings
from pipeline.stack.process_plan import ONE_THREAD

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
SECRETS = ("REDIS_PASSWORD", "POSTGRES_PASSWORD", "QDRANT_API_KEY")
VARIABLES = dict.fromkeys(SECRETS, "secret")
BACKING = {"redis", "qdrant", "postgres"}
WORKERS = {"extract", "embed", "upsert", "finalize", "beat"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load(FILE, VARIABLES)


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    services: dict[str, Any] = compose["services"]
    return services


def test_the_compose_file_has_the_expected_services(services: dict[str, Any]) -> None:
    assert services.keys() == BACKING | WORKERS | {"docrelay"}


def test_every_queue_has_a_worker(services: dict[str, Any]) -> None:
    served: list[str] = []
    for name in WORKERS - {"beat"}:
        command = services[name]["command"]
        assert command[:2] == ["docrelay", "worker"]
        group, *options = command[2:]
        served += options[1].split(",") if options else GROUPS[group]
        assert not options or (options[0] == "--queues" and set(options[1].split(",")) <= set(GROUPS[group]))
    assert sorted(served) == sorted(QUEUES)
    assert services["beat"]["command"] == ["docrelay", "beat"]
    assert services["beat"]["deploy"]["replicas"] == 1


@pytest.mark.parametrize("name", sorted(WORKERS | {"docrelay"}))
def test_the_environment_of_a_service_holds_valid_settings(services: dict[str, Any], name: str) -> None:
    environment = services[name]["environment"]
    assert all(isinstance(value, str) for value in environment.values())
    settings = {key: value for key, value in environment.items() if key.startswith(ENV_PREFIX)}
    Settings(**{key.removeprefix(ENV_PREFIX).lower(): value for key, value in settings.items()})
    assert ONE_THREAD.items() <= environment.items()
    common = services["docrelay"]["environment"]
    assert {key: environment.get(key) for key in common} == common


@pytest.mark.parametrize("name", sorted(BACKING | WORKERS))
def test_a_permanent_service_has_health_check_restart_and_limits(services: dict[str, Any], name: str) -> None:
    """What runs all the time has a health check, comes back, is bounded and is given time to stop."""
    service = services[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["mem_limit"]
    assert service["stop_grace_period"]
    assert "container_name" not in service


@pytest.mark.parametrize("name", sorted(WORKERS | {"docrelay"}))
def test_our_services_wait_for_the_backing_ones_and_have_no_capabilities(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["depends_on"] == {backing: {"condition": "service_healthy"} for backing in BACKING}
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["volumes"] == ["spool:/spool"]


@pytest.mark.parametrize("name", sorted(BACKING))
def test_images_are_pinned(services: dict[str, Any], name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+[\w.-]*", services[name]["image"])


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in published)


def test_redis_keeps_what_is_queued(services: dict[str, Any]) -> None:
    options = " ".join(services["redis"]["command"])
    assert "--appendonly yes --appendfsync everysec --maxmemory-policy noeviction" in options


def test_volumes_are_declared(compose: dict[str, Any]) -> None:
    used = {mount.partition(":")[0] for service in compose["services"].values() for mount in service["volumes"]}
    assert used == compose["volumes"].keys()


@pytest.mark.parametrize("name", SECRETS)
def test_passwords_have_no_default(name: str) -> None:
    with pytest.raises(Unset, match=name):
        load(FILE, {**VARIABLES, name: ""})


def test_the_example_names_every_variable() -> None:
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text("utf-8")))
    text = (ROOT / ".env.example").read_text("utf-8")
    named = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert named.keys() == used
    assert [named[name] for name in SECRETS] == ["", "", ""]
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", FILE.read_text("utf-8")))
    assert {name: value for name, value in named.items() if name not in SECRETS} == defaults


def test_the_version_is_the_project_s(services: dict[str, Any]) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    assert services["embed"]["image"] == f"docrelay:{version[1]}"


def test_the_image_holds_the_packages_and_runs_unprivileged() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    instructions = [line.split(None, 1) for line in lines]
    assert [rest for word, rest in instructions if word == "USER"][-1] == "docrelay"
    assert {"tesseract-ocr-deu", "tesseract-ocr-eng", "tesseract-ocr-osd"} <= set(text.split())
    copied = {
        name
        for word, rest in instructions
        if word == "COPY" and "--from" not in rest
        for name in shlex.split(rest)[:-1]
    }
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    packages = re.search(r"include = \[(.+)\]", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert packages
    assert set(re.findall(r'"(\w+)\*"', packages[1])) <= copied


def test_compose_variables_are_interpolated() -> None:
    variables = {"A": "1", "EMPTY": ""}
    texts = ["$A", "${A}", "${EMPTY:-x}", "${EMPTY-x}", "${NONE:-x y}", "${NONE-}", "$$A", "${NONE}", 3]
    assert interpolated(texts, variables) == ["1", "1", "x", "", "x y", "", "$A", "", 3]
    assert interpolated({"k": {"$A": ["${A?no}"]}}, variables) == {"k": {"$A": ["1"]}}
