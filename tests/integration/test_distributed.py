"""Distributed by URL: the services of docker-compose.yml as processes that share queues, catalog, spool and store."""

from __future__ import annotations

import json
import shutil
import signal
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa
from distributed_rig import BACKING, PATIENCE_S, ROOT, SCALE, WORKERS, Cluster, cluster
from flow_tools import eventually, write_documents
from postgres_server import Postgres

from pipeline.catalog.database.schema import batches, tasks
from pipeline.gates_for_tests import WORKED

pytest_plugins = ("postgres_fixture",)

SAMPLES = (
    "annual_report.pdf",
    "delivery_note_cp1252.txt",
    "invoice_wrong_suffix.txt",
    "letter_scan.png",
    "minutes_utf16.txt",
    "salaries_encrypted.pdf",
    "staff_handbook.docx",
    "tide_sensor.md",
    "truncated.pdf",
    "zero_bytes.txt",
)
GENERATED = 14
PLANTED = {"Quicksilver Heron": ("annual_report.pdf", 3), "Löwenzahnblüte": ("delivery_note_cp1252.txt", None)}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), postgres) as running_cluster:
        yield running_cluster
        codes = running_cluster.stop()
        # uvicorn ends its work and then by the signal itself, as servers do.
        assert codes.pop("api-1") == -signal.SIGTERM
        assert set(codes.values()) == {0}


def expected() -> dict[str, str]:
    table = tomllib.loads((ROOT / "samples" / "planted.toml").read_text("utf-8"))
    outcomes = {file["name"]: file["expected"] for file in table["file"] if file["name"] in SAMPLES}
    return outcomes | ({} if shutil.which("tesseract") else {"letter_scan.png": "ocr_unavailable"})


def test_every_service_is_healthy(services: Cluster) -> None:
    """Each becomes healthy after its start, as the health check of a container is repeated too."""
    hosts = [*BACKING, *(f"{name}-1" for name in WORKERS), "api-1"]
    assert [host for host in hosts if not eventually(partial(services.is_healthy, host))] == []
    assert not services.is_healthy("embed-9")


def test_environment_names_no_service_host(services: Cluster) -> None:
    values = [value for name in SCALE for value in services.environment(name, "x").values()]
    assert not any(address in value for address in services.ports for value in values)


def test_settings_without_a_variable_come_from_the_file_among_the_secrets(services: Cluster) -> None:
    out, _ = services.run("notify", "list", "--json").communicate(timeout=PATIENCE_S)
    assert [rule["name"] for rule in json.loads(out)["rules"]] == ["operators"]
    assert not any("a-token" in value for name in SCALE for value in services.environment(name, "x").values())


def test_no_password_stands_in_the_environment_or_the_arguments(services: Cluster) -> None:
    words = [services.secret(name) for name in ("redis_password", "postgres_password", "qdrant_api_key")]
    for host in [f"{name}-1" for name in SCALE] + ["redis"]:
        process = psutil.Process(services.running[host].pid)
        shown = [*process.cmdline(), *process.environ().values()]
        assert [text for text in shown if any(word in text for word in words)] == [], host


def test_files_become_searchable_while_workers_are_killed(services: Cluster, tmp_path: Path) -> None:
    letters = write_documents(tmp_path / "letters", GENERATED, words=600)
    samples = [ROOT / "samples" / "documents" / name for name in SAMPLES]
    with services.rig() as rig:
        services.gates.close("extract", "embed" + WORKED, "upsert" + WORKED)
        command = services.run("ingest", *map(str, [*letters, *samples]), "--json")
        for host in ("extract-1", "extract-2"):
            services.gates.arrived("extract", part=host)
        services.gates.open("extract")
        killed = [services.kill_in_the_act(rig, stage) for stage in ("embed", "upsert")]
        assert [host.rpartition("-")[0] for host in killed] == ["embed", "upsert"]
        report = json.loads(command.communicate(timeout=PATIENCE_S)[0])
        assert command.returncode == 1
        assert rig.codes(report["job"]) == expected() | {letter.name: "completed" for letter in letters}
        rig.assert_at_rest(report["job"])
        rig.assert_exact()
        assert report["chunks"] == len(rig.stored())
        extracting = rig.rows(sa.select(tasks.c.runner).where(tasks.c.stage == "extract"))
        assert {row.runner.rpartition("@")[0] for row in extracting} == {"extract-1", "extract-2"}
    for planted, (name, page) in PLANTED.items():
        [hit, *_] = services.answer("search", planted)["hits"]
        assert planted in hit["text"]
        assert (Path(hit["source"]).name, hit["page_start"]) == (name, page)
    for host in killed:
        services.start(host)
    again = services.answer("ingest", *map(str, letters))
    assert (again["unchanged"], again["embedded"]) == (GENERATED, 0)


def test_documents_complete_after_redis_lost_everything(services: Cluster, tmp_path: Path) -> None:
    """It holds hints: what is due is published again from the catalog."""
    letters = write_documents(tmp_path / "more", 8, words=1000, seed=2)
    with services.rig() as rig, services.gates.closed("upsert"):
        command = services.run("ingest", *map(str, letters), "--json")
        embedded = sa.select(tasks.c.id).join(batches, batches.c.id == tasks.c.batch_id)
        embedded = embedded.where(tasks.c.stage == "embed", tasks.c.state == "done", batches.c.state == "active")
        services.gates.arrived("upsert")
        assert eventually(lambda: rig.messages().get("upsert"))
        assert rig.rows(embedded)
        rig.services.redis.flushall()
        services.gates.open("upsert")
        report = json.loads(command.communicate(timeout=PATIENCE_S)[0])
        assert report["completed"] == len(letters)
        rig.assert_at_rest(report["job"])
        rig.assert_exact()


def test_a_file_in_the_folder_becomes_searchable_by_the_api(services: Cluster) -> None:
    letter = "The harbour master keeps the Amber Narwhal in the northern dock. " * 8
    (services.documents / "letter.txt").write_text(letter)
    api = f"http://127.0.0.1:{services.api_port}"
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {services.key}"}, timeout=60) as client:

        def hits() -> list[dict[str, Any]]:
            answer = client.post("/v1/search", json={"query": "Amber Narwhal"}).raise_for_status()
            return [hit for hit in answer.json()["hits"] if "Amber Narwhal" in hit["text"]]

        assert eventually(hits)
        assert {Path(hit["source"]).name for hit in hits()} == {"letter.txt"}
        by_path = client.post("/v1/jobs", json={"paths": [str(services.documents)]}).raise_for_status()
        assert eventually(lambda: client.get(f"/v1/jobs/{by_path.json()['job_id']}").json()["unchanged"] == 1)
    assert httpx.get(f"{api}/v1/status").status_code == 401
