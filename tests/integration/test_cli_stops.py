"""`docrelay` without a stack that runs already: stopping, being killed, going on, and what cannot be started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from cli_rig import Cli, cli_on, until
from flow_tools import cmdline, eventually, write_documents

from embeddings.sources import resolve
from pipeline.catalog.database.schema import documents, jobs, submissions, versions
from pipeline.gates_for_tests import INTAKE, SUPERVISOR
from pipeline.stack import Launch, processes, running
from pipeline.stack.folder import Folder, open_log
from pipeline.stack.state import read

TAKEN = sa.select(submissions.c.job_id)
FILES = 12
"""Intake takes them in two groups."""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    with cli_on(tmp_path / "data") as rig:
        yield rig


def ends_unfinished(cli: Cli) -> bool:
    """Whether the stack ends while no task may begin; the gate opens when no other task would begin.

    The beat process is stopped after all other processes, and ends at once.
    """
    assert eventually(lambda: not any("beat" in cmdline(process) for process in cli.left()))
    cli.gates.open("extract")
    return cli.gone()


def test_job_continues_after_ctrl_c(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", FILES, words=40, seed=21)
    cli.gates.close(INTAKE, "extract")
    command = cli.start("ingest", tmp_path / "in", "--json")
    cli.gates.arrived(INTAKE)
    command.send_signal(signal.SIGINT)
    stopped = cli.end(command)
    assert (stopped.code, stopped.out) == (130, ""), stopped
    job = str(cli.rows(sa.select(jobs.c.id))[0].id)
    assert f"docrelay status {job} --follow" in stopped.err
    assert "Traceback" not in stopped.err
    recorded = len(cli.rows(TAKEN))
    assert 0 < recorded < FILES
    assert "run the same command again" in stopped.err
    assert ends_unfinished(cli)
    cli.gates.open()
    # Ctrl-C while following, before the workers are up, is no different.
    cli.gates.close("extract")
    follower = cli.start("status", job, "--follow")
    assert until(lambda: running(cli.settings) and running(cli.settings).usable, follower)
    follower.send_signal(signal.SIGINT)
    assert cli.end(follower).code == 130
    assert ends_unfinished(cli)
    with cli.held():
        followed = cli.json("status", job, "--follow")
        assert (followed["completed"], followed["documents"]) == (recorded, recorded)
        again = cli.json("ingest", tmp_path / "in")
        assert (again["unchanged"], again["completed"]) == (recorded, FILES - recorded)
    assert cli.gone()


def test_job_continues_after_a_killed_ingest(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", FILES, words=40, seed=22)
    cli.gates.close(INTAKE)
    command = cli.start("ingest", tmp_path / "in", "--json")
    cli.gates.arrived(INTAKE)
    command.kill()
    assert cli.end(command).code == -signal.SIGKILL
    assert cli.gone()
    (job,) = cli.rows(sa.select(jobs))
    assert (job.intake_done, job.finished_at) == (False, None)
    # No process will ingest the rest any more: the job ends by itself with what it has.
    followed = cli.run("status", job.id, "--follow", "--json")
    assert followed.code == 0, followed
    assert 0 < followed.json["completed"] == followed.json["documents"] == len(cli.rows(TAKEN)) < FILES
    live = sa.select(sa.func.sum(versions.c.chunks)).join(documents, documents.c.live_version_id == versions.c.id)
    assert followed.json["chunks"] == cli.rows(live)[0][0]
    assert cli.gone()


def test_ingest_goes_on_after_its_stack_was_killed(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", FILES, words=40, seed=23)
    cli.gates.close(INTAKE)
    command = cli.start("ingest", tmp_path / "in", "--json")
    cli.gates.arrived(INTAKE)
    former = running(cli.settings)
    assert former is not None
    psutil.Process(former.pid).kill()
    assert until(lambda: not psutil.pid_exists(former.pid) or running(cli.settings) is None, command)
    cli.gates.open()
    ended = cli.end(command)
    assert ended.code == 0, ended
    assert (ended.json["documents"], ended.json["completed"]) == (FILES, FILES)
    assert len(cli.rows(sa.select(jobs))) == 1
    assert cli.gone()


def test_status_and_cancel_without_a_stack(cli: Cli, tmp_path: Path) -> None:
    empty = cli.quick("status")
    assert (empty.code, empty.out) == (0, "Nothing was ingested yet. Begin with: docrelay ingest PATH\n")
    assert cli.json("status")["queues"] is None
    assert cli.json("failures", "list")["failures"] == []
    retried = cli.json("failures", "retry")
    assert (retried["jobs"], retried["documents"]) == ([], 0)
    write_documents(tmp_path / "in", FILES, words=40, seed=23)
    cli.gates.close("extract")
    job = cli.json("ingest", tmp_path / "in", "--no-wait")["job"]
    assert ends_unfinished(cli)
    status = cli.json("status", job)
    assert (status["state"], status["documents"]) == ("running", FILES)
    assert cli.json("cancel", job[:6])["cancelled"] == FILES - status["completed"]
    assert cli.json("status", job)["state"] == "cancelled"
    # It has ended: following it starts nothing.
    followed = cli.quick("status", job, "--follow", "--json")
    assert (followed.code, json.loads(followed.out)["cancelled"]) == (1, FILES - status["completed"])
    assert cli.left() == []


# What cannot be reached or started


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_unreachable_services_end_a_command_with_a_code(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 1)
    unreachable = {"DOCRELAY_REDIS_URL": f"redis://:secret@127.0.0.1:{closed_port()}/0"}
    wrong = {"DOCRELAY_REDIS_URL": "nonsense"}
    file = tmp_path / "file"
    file.write_text("")
    in_a_file = {"DOCRELAY_DATA_DIR": str(file / "data")}
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "catalog.db").write_bytes(b"this is no database " * 100)
    cases = [
        (("ingest", tmp_path / "in"), unreachable),
        (("ingest", tmp_path / "in"), wrong),
        (("worker", "extract"), {}),
        (("ingest", tmp_path / "in"), in_a_file),
        (("status",), in_a_file),
        (("status",), {"DOCRELAY_DATA_DIR": str(torn)}),
    ]
    for words, environment in cases:
        run = cli.run if environment is unreachable else cli.quick  # a process of its own once; else a fork
        ended = run(*words, env=environment)
        assert (ended.code, ended.out) == (3, ""), (words, environment, ended)
        assert ended.err.startswith("error stack_unavailable: "), ended
        assert "Traceback" not in ended.err
        assert "secret" not in ended.err
    assert cli.rows(sa.select(jobs.c.id)) == []


def test_missing_model_is_wrong_use(cli: Cli, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 1)
    (tmp_path / "model").mkdir()
    ended = cli.quick("ingest", tmp_path / "in", env={"DOCRELAY_EMBEDDING_MODEL": str(tmp_path / "model")})
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert cli.left() == []


@contextmanager
def embed_worker_alone(cli: Cli) -> Iterator[None]:
    """A supervisor that commands find in the block, and that starts Redis and the embed worker when the block ends."""
    specs = tuple(spec for spec in processes(cli.settings) if spec.name == "embed-1")
    launch = Launch(str(cli.folder), specs)
    folder = Folder(cli.folder)
    folder.create()
    cli.gates.close(SUPERVISOR)
    with (
        open_log(folder.log("supervisor")) as log,
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.stack.supervisor"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=cli.environment,
        ) as supervisor,
    ):
        assert supervisor.stdin is not None
        try:
            with supervisor.stdin:
                supervisor.stdin.write(launch.to_json().encode())
            cli.gates.arrived(SUPERVISOR)
            yield
        finally:
            cli.gates.open(SUPERVISOR)


def test_stack_whose_workers_cannot_load_the_model_is_reported(cli: Cli, tmp_path: Path) -> None:
    """Redis is there, but the workers cannot load their model: its weights are cut off."""
    write_documents(tmp_path / "in", 1)
    model = resolve("all-MiniLM-L6-v2").folder
    assert model is not None
    shutil.copytree(model, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    with (model / "model.safetensors").open("rb") as weights:
        (tmp_path / "model" / "model.safetensors").write_bytes(weights.read(1000))
    cli.chosen["embedding_model"] = str(tmp_path / "model")
    printed = tmp_path / "printed"
    with embed_worker_alone(cli), printed.open("w") as err:
        command = cli.start("ingest", tmp_path / "in", stderr=err)
        assert until(lambda: "Starting the stack" in printed.read_text(), command)
    assert cli.end(command).code == 3
    text = printed.read_text()
    said = text.splitlines()
    assert [line for line in said if "ends again and again before it is ready" in line and "cannot work:" in line], said
    state = read(Folder(cli.folder).state_file)
    assert state is not None
    # An exit as unusable counts for more than one: the worker gets one more try.
    assert [process.restarts for process in state.processes if process.name == "embed-1"] == [2]
    assert "superuser" not in text
    assert "Traceback" not in text
    assert cli.gone()


@pytest.mark.parametrize("words", ["search x --limit 0", "ingest", "status --no-such-option", "no-such-command"])
def test_wrong_use_is_reported_in_json(cli: Cli, words: str) -> None:
    ended = cli.quick(*words.split(), "--json")
    assert (ended.code, ended.json["error"].keys()) == (2, {"code", "message", "hint"}), ended
    assert ended.json["error"]["code"] == "bad_request"
    assert ended.err


# Settings


def test_config_shows_values_and_origins(cli: Cli, tmp_path: Path) -> None:
    cli.folder.mkdir()
    (cli.folder / "docrelay.toml").write_text('ocr_dpi = 200\nlog_level = "debug"\npasswords = ["hush,hush"]\n')
    environment = {
        "DOCRELAY_LOG_LEVEL": "error",
        "DOCRELAY_QDRANT_API_KEY": "hush",
        "DOCRELAY_DATABASE_URL": "postgresql://me:hush@db.example/docs?sslpassword=hush",
        "DOCRELAY_REDIS_URL": "redis://:hu/sh@cache.example:6379/0",
        "DOCRELAY_EMBEDDING_URL": "https://user:hush@models.example/v1",
        "DOCRELAY_OCR_LANGUAGES": "",
    }
    shown = [cli.quick(*words, env=environment) for words in (("config",), ("config", "--json"))]
    for ended in shown:
        assert ended.code == 0
        assert "hush" not in ended.out + ended.err
        assert "sh@" not in ended.out
    settings = shown[1].json
    assert settings["ocr_dpi"] == {"value": 200, "origin": "file"}
    assert settings["log_level"] == {"value": "error", "origin": "environment"}
    assert settings["ocr_languages"] == {"value": "deu+eng", "origin": "default"}
    assert settings["data_dir"] == {"value": str(cli.folder), "origin": "environment"}
    assert settings["database_url"]["value"].startswith("postgresql://me:********@db.example/docs")
    assert settings["redis_url"]["value"] == "redis://:********@cache.example:6379/0"
    assert cli.left() == []


@pytest.mark.parametrize(
    ("environment", "file", "message"),
    [
        ({"DOCRELAY_COLOUR": "red"}, "", "there is no such setting"),
        ({"DOCRELAY_PRIORITY": "11"}, "", "priority"),
        ({}, "colour = 'red'", "there is no such setting"),
        ({}, "priority = ", "cannot be read"),
        ({"DOCRELAY_CONFIG": "/nowhere/docrelay.toml"}, "", "does not exist"),
    ],
)
def test_config_refuses_unknown_and_invalid_settings(
    cli: Cli, environment: dict[str, str], file: str, message: str
) -> None:
    cli.folder.mkdir()
    (cli.folder / "docrelay.toml").write_text(file)
    ended = cli.quick("config", env=environment)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_output_works_in_another_encoding(cli: Cli, tmp_path: Path) -> None:
    """A terminal or a pipe that is not UTF-8 gets escapes; JSON stays JSON."""
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    cli.folder.mkdir()
    (cli.folder / "docrelay.toml").write_text('workflow = "Größe"\n', "utf-8")
    assert cli.run("config", "--json", env=environment).json["workflow"]["value"] == "Größe"
    assert "Gr\\xf6\\xdfe" in cli.run("config", env=environment).out


def test_output_into_a_closed_pipe_ends_without_traceback(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = cli.end(cli.start("config", stdout=writing))
    os.close(writing)
    assert ended.code in (0, 1)
    assert "Traceback" not in ended.err
