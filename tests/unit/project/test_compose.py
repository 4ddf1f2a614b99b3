"""What must be true of the compose files, the Dockerfile and their examples without running them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from compose_file import interpolated, load
from programs import program
from typer.main import get_command

from pipeline.cli.app import app
from pipeline.engine.flower import run_flower
from pipeline.engine.groups import GROUPS
from pipeline.names import QUEUES
from pipeline.page_images.renderers import AT_ONCE
from pipeline.settings import CONFIG_VARIABLE, ENV_PREFIX, FILE_SUFFIX, Settings
from pipeline.stack.process_plan import ONE_THREAD

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
BACKING = {"redis", "qdrant", "postgres"}
WORKERS = {"extract", "embed", "upsert", "finalize", "beat"}
ENTRIES = {"api", "watch"}
PERMANENT = BACKING | WORKERS | ENTRIES
MONITORING = {"prometheus", "alertmanager", "grafana"}
PROFILES = {"docrelay": "tools", "flower": "flower", **dict.fromkeys(MONITORING, "monitoring")}
OURS = WORKERS | ENTRIES | {"docrelay", "flower"}
OWN_SECRETS = {"redis_url", "database_url", "qdrant_api_key", "docrelay.toml"}
SECRETS = {
    "redis": {"redis_password"},
    "qdrant": {"qdrant_api_key"},
    "postgres": {"postgres_password"},
    "prometheus": {"metrics_key"},
    "alertmanager": {"alertmanager.yml"},
    "grafana": {"grafana_password"},
}
PACKAGES = ("pipeline", "extractors", "embeddings", "workflows")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load(FILE, {})


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    services: dict[str, Any] = compose["services"]
    return services


def configured(*files: str) -> dict[str, Any]:
    """The files as the real Docker Compose reads them, which checks them against the compose specification."""
    line = [program("docker-compose"), "--profile", "*"]
    line += [word for name in files for word in ("-f", str(ROOT / name))]
    bare = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run([*line, "config", "--format", "json"], env=bare, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    result: dict[str, Any] = json.loads(ended.stdout.replace(b"$$", b"$"))
    return result


def test_the_compose_file_has_the_expected_services(services: dict[str, Any]) -> None:
    assert services.keys() == PERMANENT | PROFILES.keys()
    assert {name: service.get("profiles") for name, service in services.items()} == {
        name: [PROFILES[name]] if name in PROFILES else None for name in services
    }


def test_docker_compose_reads_the_file_as_the_tests_do(compose: dict[str, Any]) -> None:
    real = configured("docker-compose.yml")
    assert real["services"].keys() == compose["services"].keys()
    for name, service in compose["services"].items():
        assert real["services"][name].get("environment") == service.get("environment"), name
        assert real["services"][name].get("command") == service.get("command"), name
    assert real["volumes"].keys() == compose["volumes"].keys()
    assert real["secrets"].keys() == compose["secrets"].keys()


def test_development_runs_the_same_commands_on_the_source_of_the_folder() -> None:
    plain = configured("docker-compose.yml")["services"]
    development = configured("docker-compose.yml", "compose.dev.yml")["services"]
    for name in OURS:
        mounts = {mount["target"]: mount for mount in development[name]["volumes"]}
        assert mounts["/src"]["source"] == str(ROOT)
        assert mounts["/src"]["read_only"]
        assert mounts.keys() - {"/src"} == {mount["target"] for mount in plain[name]["volumes"]}
        assert development[name]["environment"]["PYTHONPATH"] == "/src"
        if name not in ("docrelay", "flower"):
            *options, command, folder = development[name]["command"]
            assert options == ["watchfiles", "--filter", "python", "--sigint-timeout", "30"]
            assert (shlex.split(command), folder) == (plain[name]["command"], "/src")
    assert development["redis"] == plain["redis"]


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


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_command_of_a_service_exists(services: dict[str, Any], name: str) -> None:
    program, *words = [*services[name].get("entrypoint", []), *services[name]["command"]]
    if name == "flower":
        assert (program, *words) == ("python", "-m", run_flower.__module__)
        return
    assert program == "docrelay"
    assert CliRunner().invoke(get_command(app), [words[0], "--help"]).exit_code == 0


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_environment_of_a_service_holds_valid_settings(services: dict[str, Any], name: str) -> None:
    environment = services[name]["environment"]
    assert all(isinstance(value, str) for value in environment.values())
    assert environment[CONFIG_VARIABLE] == "/run/secrets/docrelay.toml"
    chosen = {
        key: value for key, value in environment.items() if ENV_PREFIX in key and value and key != CONFIG_VARIABLE
    }
    settings = {key.removeprefix(ENV_PREFIX).lower(): value for key, value in chosen.items()}
    named = {key.removesuffix(FILE_SUFFIX) for key in settings if key.endswith(FILE_SUFFIX)}
    assert named == {"redis_url", "database_url", "qdrant_api_key"}
    plain = {key: (value,) if key == "api_roots" else value for key, value in settings.items() if "_file" not in key}
    Settings(**plain, **dict.fromkeys(named, "x"))
    assert ONE_THREAD.items() <= environment.items()
    common = services["docrelay"]["environment"]
    assert {key: environment.get(key) for key in common} == common


def test_only_the_api_listens_beyond_loopback_and_reads_the_folder(services: dict[str, Any]) -> None:
    hosts = {name: services[name]["environment"].get("DOCRELAY_API_HOST") for name in OURS}
    assert hosts == {**dict.fromkeys(OURS), "api": "0.0.0.0"}
    folders = {name for name in OURS if "./documents:/documents:ro" in services[name]["volumes"]}
    assert folders == {"api", "watch", "docrelay"}
    assert services["watch"]["command"][-1] == services["api"]["environment"]["DOCRELAY_API_ROOTS"] == "/documents"


@pytest.mark.parametrize("name", sorted((PERMANENT | PROFILES.keys()) - {"docrelay"}))
def test_a_permanent_service_has_health_check_restart_and_limits(services: dict[str, Any], name: str) -> None:
    """What runs all the time has a health check, comes back, is bounded and is given time to stop."""
    service = services[name]
    assert service["restart"] == "unless-stopped"
    if name == "watch":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["mem_limit"]
    assert 0 < float(service["cpus"]) <= 2
    assert 0 < service["pids_limit"] <= 1024
    assert service["stop_grace_period"]
    assert "container_name" not in service


def test_an_api_has_memory_for_the_sandboxes_that_draw_pages(services: dict[str, Any]) -> None:
    values = yaml.safe_load((ROOT / "deploy/helm/docrelay/values.yaml").read_text("utf-8"))
    limits = (services["api"]["mem_limit"], values["api"]["resources"]["limits"]["memory"].removesuffix("i").lower())
    needed = 1024 + AT_ONCE * Settings.model_fields["extract_memory_mb"].default
    assert [int(limit.removesuffix("g")) * 1024 >= needed for limit in limits] == [True, True]


def test_every_service_has_bounded_logs_and_a_closed_root(services: dict[str, Any]) -> None:
    assert all(service["logging"]["options"] == {"max-size": "10m", "max-file": "5"} for service in services.values())
    assert {name for name, service in services.items() if not service.get("read_only")} == {"qdrant"}
    dropped = {name for name, service in services.items() if service.get("cap_drop") == ["ALL"]}
    # Those two begin as root, hand their folder over to a user of their own, and go on as that one.
    assert dropped == services.keys() - {"qdrant", "postgres"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_wait_for_the_backing_ones_and_share_the_volumes(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["depends_on"] == {backing: {"condition": "service_healthy"} for backing in BACKING}
    assert service["init"] is True
    assert {"spool:/spool", "data:/data", "models:/models"} <= set(service["volumes"])
    assert service["environment"]["HF_HOME"] == "/models"


@pytest.mark.parametrize("name", sorted(BACKING | MONITORING))
def test_images_are_pinned(services: dict[str, Any], name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+[\w.-]*", services[name]["image"])


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == len({"api", "qdrant", "flower", *MONITORING})
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in published)


def test_redis_keeps_what_is_queued(services: dict[str, Any]) -> None:
    options = " ".join(services["redis"]["command"])
    assert "--appendonly yes --appendfsync everysec --maxmemory-policy noeviction" in options


def test_what_is_mounted_from_this_folder_exists(services: dict[str, Any]) -> None:
    mounts = {mount.split(":")[0] for service in services.values() for mount in service["volumes"]}
    assert {mount for mount in mounts if mount.startswith("./deploy") and not (ROOT / mount).is_dir()} == set()
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    target = services["prometheus"]["secrets"][0]["target"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{target}"
    assert job["static_configs"] == [{"targets": ["api:8372"]}]
    (alertmanagers,) = config["alerting"]["alertmanagers"]
    assert alertmanagers["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert services["alertmanager"]["ports"][0].endswith(":9093")


def test_volumes_are_declared(compose: dict[str, Any]) -> None:
    mounts = {mount.partition(":")[0] for service in compose["services"].values() for mount in service["volumes"]}
    assert {mount for mount in mounts if not mount.startswith(".")} == compose["volumes"].keys()


def test_passwords_are_in_files_and_only_where_they_are_needed(compose: dict[str, Any]) -> None:
    expected = {**dict.fromkeys(OURS, OWN_SECRETS), **SECRETS}
    services = compose["services"]
    (metrics_key,) = services["prometheus"]["secrets"]
    assert metrics_key == {"source": "metrics_key", "target": "docrelay_metrics_key"}
    given = {name: service["secrets"] for name, service in services.items()} | {"prometheus": ["metrics_key"]}
    assert {name: set(secrets) for name, secrets in given.items()} == expected
    assert set().union(*expected.values()) == compose["secrets"].keys()
    assert compose["secrets"] == {name: {"file": f"./secrets/{name}"} for name in compose["secrets"]}
    secret = re.compile("PASSWORD|KEY|REDIS_URL|DATABASE_URL")
    for name, service in services.items():
        read = set(re.findall(r"/run/secrets/([\w.]+)", json.dumps(service)))
        assert read == expected[name] - {"metrics_key"}, name
        assert all(word.endswith("_FILE") for word in service.get("environment", {}) if secret.search(word)), name


def test_secrets_are_written_once_and_agree(tmp_path: Path, compose: dict[str, Any]) -> None:
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run([ROOT / "deploy/make-secrets", folder], check=True)
    secrets = {path.name: path.read_text() for path in folder.iterdir()}
    assert secrets.keys() == compose["secrets"].keys() - {"metrics_key"}
    passwords = [secrets[name] for name in ("redis_password", "postgres_password", "qdrant_api_key")]
    passwords.append(secrets["grafana_password"])
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords)
    assert len(set(passwords)) == 4
    assert secrets["redis_url"] == f"redis://:{passwords[0]}@redis:6379/0"
    assert secrets["database_url"] == f"postgresql://docrelay:{passwords[1]}@postgres:5432/docrelay"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}

    (folder / "redis_password").write_text("kept")
    (folder / "redis_url").unlink()
    subprocess.run([ROOT / "deploy/make-secrets", folder], check=True)
    assert (folder / "redis_url").read_text() == "redis://:kept@redis:6379/0"
    assert (folder / "qdrant_api_key").read_text() == passwords[2]


def test_the_examples_of_configurations_are_silent_and_right_when_they_are_used(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy/make-secrets", tmp_path], check=True)
    settings, alerts = ((tmp_path / name).read_text("utf-8") for name in ("docrelay.toml", "alertmanager.yml"))
    assert tomllib.loads(settings) == {}
    assert yaml.safe_load(alerts)["receivers"] == [{"name": "operators"}]
    used = Settings(**tomllib.loads(re.sub(r"(?m)^#(?=[a-z\[])", "", settings)))
    assert (used.notify[0].name, used.smtp_from) == ("operators", "docrelay@example.org")
    assert used.deadman_url
    (receiver,) = yaml.safe_load(re.sub(r"(?m)^    #(?=[a-z ])", "    ", alerts))["receivers"]
    assert receiver.keys() == {"name", "email_configs", "slack_configs"}
    (tmp_path / "docrelay.toml").write_text("chunk_tokens = 99\n")
    subprocess.run([ROOT / "deploy/make-secrets", tmp_path], check=True)
    assert (tmp_path / "docrelay.toml").read_text() == "chunk_tokens = 99\n"


def test_the_key_of_prometheus_can_be_read_in_its_container(tmp_path: Path) -> None:
    """The commands of docs/operations.md where the user's files are for the user alone."""
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    (block,) = (block for block in re.findall(r"```sh\n(.+?)```", text, re.DOTALL) if "metrics_key" in block)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text('#!/bin/sh\necho \'{"key": "dr_key"}\'\n')
    (programs / "docker").chmod(0o755)
    (tmp_path / "secrets").mkdir(mode=0o700)
    path = f"{programs}:{os.environ['PATH']}"
    line = ["sh", "-c", f"umask 077\n{block}"]
    subprocess.run(line, cwd=tmp_path, env={"PATH": path}, check=True, capture_output=True)
    key = tmp_path / "secrets/metrics_key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("dr_key", 0o644)


def test_it_starts_on_a_machine_with_one_processor() -> None:
    """Docker refuses a container that may have more processors than there are; `.env.example` names those that do."""
    example = (ROOT / ".env.example").read_text("utf-8")
    named = re.findall(r"[A-Z_]+(?:CPUS|PROCESSES)", example[example.index("with one, set") : example.index("to 1.")])
    services = load(FILE, dict.fromkeys(named, "1"))["services"]
    assert {name for name, service in services.items() if float(service["cpus"]) != 1} == set()


def test_secrets_and_documents_reach_neither_git_nor_the_image() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "secrets/redis_url", "documents/a.pdf", ".env"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert len(ignored.stdout.splitlines()) == 3


def test_the_example_names_every_variable() -> None:
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text("utf-8")))
    text = (ROOT / ".env.example").read_text("utf-8")
    named = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert named.keys() == used
    assert named == dict(re.findall(r"\$\{(\w+):-([^}]*)\}", FILE.read_text("utf-8")))


def test_the_version_is_the_project_s(services: dict[str, Any]) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    assert services["embed"]["image"] == f"docrelay:{version[1]}"


def instructions() -> list[tuple[str, str]]:
    """Word and rest of every instruction of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in lines]


def copied() -> set[str]:
    """What the Dockerfile copies from this folder."""
    copies = [rest for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    return {name for rest in copies for name in shlex.split(rest)[:-1]}


def test_the_image_runs_unprivileged_and_says_how_it_is() -> None:
    by_word = dict(instructions())
    assert by_word["USER"] == "10001:10001"
    assert by_word["HEALTHCHECK"].endswith('CMD ["python", "-m", "pipeline.engine.health", "worker"]')
    assert json.loads(by_word["VOLUME"]) == ["/data", "/spool", "/models"]
    assert len([word for word, _ in instructions() if word == "FROM"]) == 2


def test_the_build_arguments_are_those_of_the_image(services: dict[str, Any]) -> None:
    declared = {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}
    chosen = services["embed"]["build"]["args"]
    assert chosen.keys() == declared - {"PYTHON"}
    assert ("ARG", f"EXTRAS={chosen['EXTRAS']}") in instructions()


def test_the_image_has_the_packages_of_everything_that_compose_can_switch_on(services: dict[str, Any]) -> None:
    extras = set(services["embed"]["build"]["args"]["EXTRAS"].split(","))
    assert extras == {"postgres", "flower", "traces", "pdf"}
    assert "DOCRELAY_TRACES_URL" in services["embed"]["environment"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extras <= project["optional-dependencies"].keys()


def test_the_dockerfile_is_clean() -> None:
    found = subprocess.run([program("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_builder_gets_what_the_image_is_made_of_and_no_more() -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied() == allowed
    packages = re.search(r"include = \[(.+)\]", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert packages
    assert set(re.findall(r'"(\w+)\*"', packages[1])) == set(PACKAGES) <= copied()


def test_a_package_built_of_what_is_copied_has_every_file(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for name in copied():
        path = ROOT / name
        skip = shutil.ignore_patterns("__pycache__", "*.py[cod]")
        shutil.copytree(path, source / name, ignore=skip) if path.is_dir() else shutil.copy(path, source / name)
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*line, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_compose_variables_are_interpolated() -> None:
    variables = {"A": "1", "EMPTY": ""}
    texts = ["$A", "${A}", "${EMPTY:-x}", "${EMPTY-x}", "${NONE:-x y}", "${NONE-}", "$$A", "${NONE}", 3]
    assert interpolated(texts, variables) == ["1", "1", "x", "", "x y", "", "$A", "", 3]
    assert interpolated({"k": {"$A": ["${A?no}"]}}, variables) == {"k": {"$A": ["1"]}}
