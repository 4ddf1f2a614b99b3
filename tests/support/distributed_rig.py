"""Runs docker-compose.yml without containers: each service a process with the command and environment of the file.

What a container engine would give is put in its place: host names become ports of the loopback, volumes and secrets
become folders, a container's host name becomes a worker's `--name`. Redis is the real one with the file's own options,
PostgreSQL is the real one, and Qdrant is the stand-in under tests/support until a server can be had.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
import sqlalchemy as sa
from compose_file import load
from flow_rig import FlowRig, marked
from flow_tools import eventually, kill_all
from forked_commands import run_in_fork
from gates import FOLDER, Gates
from postgres_server import PASSWORD, Postgres, find_binaries, free_port

from pipeline.catalog.database.schema import tasks
from pipeline.engine.liveness import node_of
from pipeline.gates_for_tests import WORKED
from pipeline.settings import CONFIG_VARIABLE, ENV_PREFIX, FILE_SUFFIX, Settings

ROOT = Path(__file__).parents[2]
MARK = "DOCRELAY_TEST_FLOW"
PATIENCE_S = 240
STAND_IN = Path(__file__).with_name("qdrant_stand_in.py")
CHOSEN = {"DOCRELAY_EMBEDDING_MODEL": "hashing", "DOCRELAY_EXTRACT_PROCESSES": "1"}
"""What a user would write into .env."""

QUICK = {
    "DOCRELAY_CHUNK_BATCH_SIZE": "8",
    "DOCRELAY_BATCH_DOCUMENTS": "4",
    "DOCRELAY_RECONCILE_S": "1",
    "DOCRELAY_NICENESS": "1",
}
"""What a user would write into an override file: small batches, so that all have work; faults are looked for often;
workers that do not give way to all else on the machine, or they would be taken for dead."""


RULE = """
[[notify]]
name = "operators"
events = ["backup.failed"]
to = ["slack+https://hooks.example.org/a-token"]
"""
"""What a user would write into secrets/docrelay.toml."""


class Cluster:
    """The services of the file as they run."""

    def __init__(self, folder: Path, postgres: Postgres, extra: Mapping[str, str]) -> None:
        self.folder, self.postgres, self.extra = folder, postgres, extra
        self.mark = uuid4().hex
        self.gates = Gates(folder / "gates")
        self.services: dict[str, Any] = load(ROOT / "docker-compose.yml", CHOSEN)["services"]
        self.ports = {"redis:6379": free_port(), "qdrant:6333": free_port(), "postgres:5432": postgres.port}
        self.api_port, self.key = free_port(), ""
        self.database = postgres.create().rpartition("/")[2]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.documents = folder / "documents"
        self.documents.mkdir()
        self._write_secrets()
        self.places = {
            "/run/secrets/": f"{folder}/secrets/",
            "/documents": str(self.documents),
            "/models": str(folder / "models"),
            "/spool": str(folder / "spool"),
        }

    # What a container engine would do

    def environment(self, service: str, host: str) -> dict[str, str]:
        """The environment of the file, on this machine."""
        programs = Path(sys.executable).parent
        own = {} if service in BACKING else {"DOCRELAY_API_PORT": str(self.api_port), **self.extra}
        said = {**self.services[service].get("environment", {}), **own}
        places = {**self.places, "/data": str(self.folder / host)}
        return {
            **{name: self._here(_moved(value, places)) for name, value in said.items()},
            "PATH": f"{programs}:{find_binaries()}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder / host),
            MARK: self.mark,
            FOLDER: str(self.gates.folder),
        }

    def start_backing(self, stack: ExitStack) -> None:
        """Redis by the file's own command, and the stand-in with the file's own key."""
        port, data = self.ports["redis:6379"], self.folder / "redis"
        data.mkdir()
        places = {**self.places, "/tmp/": f"{data}/"}
        line = [_moved(word, places) for word in self.services["redis"]["command"]]
        line += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
        self._spawn("redis", line, self.environment("redis", "redis"))
        key = self.secret("qdrant_api_key")
        line = [sys.executable, str(STAND_IN), "--port", str(self.ports["qdrant:6333"]), "--api-key", key]
        self._spawn("qdrant", line, self.environment("qdrant", "qdrant"))
        stack.callback(self.kill_all)
        for name in BACKING:
            assert eventually(lambda name=name: self.is_healthy(name), pause=0.2), f"{name} is not healthy"

    def start(self, host: str) -> None:
        """Start a container of a service: `embed-2` is the second one of embed."""
        service = host.rpartition("-")[0]
        line = [_moved(word, self.places) for word in self.services[service]["command"]]
        line += ["--name", host] if service in WORKERS else []
        self._spawn(host, line, self.environment(service, host))

    def stop(self) -> dict[str, int]:
        """Stop what is ours as `docker compose stop` does; exit codes by name."""
        self.gates.open()
        ours = {host: process for host, process in self.running.items() if host not in BACKING}
        for process in ours.values():
            process.send_signal(signal.SIGTERM)
        return {host: process.wait(120) for host, process in ours.items()}

    def kill(self, host: str) -> None:
        """SIGKILL for all that runs in the container."""
        process = self.running.pop(host)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        kill_all(marked(self.mark, self.folder))

    def is_healthy(self, host: str) -> bool:
        """Whether the health check of the service succeeds."""
        service = host if host in BACKING else host.rpartition("-")[0]
        kind, *line = self.services[service]["healthcheck"]["test"]
        line = ["sh", "-c", *line] if kind == "CMD-SHELL" else line
        line = [self._probe(word) for word in line] + (["-p", str(self.postgres.port)] if service == "postgres" else [])
        if service not in BACKING and line[-1] == "worker":
            assert line[0] == "python"
            return run_in_fork([*line[1:], "--name", host], self.environment(service, host), Path("/")).code == 0
        environment = self.environment(service, host)
        return subprocess.run(line, env=environment, cwd="/", capture_output=True, check=False).returncode == 0

    def run(self, *line: str) -> subprocess.Popen[bytes]:
        """`docker compose run --rm docrelay ...`"""
        service = self.services["docrelay"]
        environment = self.environment("docrelay", "command")
        return subprocess.Popen(
            [*service["entrypoint"], *line], env=environment, cwd=self.folder, stdout=subprocess.PIPE
        )

    def answer(self, *line: str) -> Any:
        """What a command prints as JSON."""
        ended = run_in_fork([*line, "--json"], self.environment("docrelay", "command"), self.folder)
        assert ended.code in (0, 1), ended
        return ended.json

    # Values that the tests read

    def secret(self, name: str) -> str:
        """What is in a file of the folder of secrets."""
        return (self.folder / "secrets" / name).read_text()

    def settings(self) -> Settings:
        """The settings of the services."""
        environment = self.environment("docrelay", "test")
        chosen = {name: value for name, value in environment.items() if name.startswith(ENV_PREFIX) and value}
        no_settings = {MARK, FOLDER, CONFIG_VARIABLE}
        chosen = {name.removeprefix(ENV_PREFIX).lower(): chosen[name] for name in chosen.keys() - no_settings}
        named = {name: chosen.pop(name) for name in list(chosen) if name.endswith(FILE_SUFFIX)}
        return Settings(**chosen, **{n.removesuffix(FILE_SUFFIX): Path(path).read_text() for n, path in named.items()})

    @contextmanager
    def rig(self) -> Iterator[FlowRig]:
        """The same settings as the services', for reading what they did."""
        rig = FlowRig(self.settings(), self.gates)
        try:
            yield rig
        finally:
            rig.services.catalog.dispose()
            rig.services.store.close()
            rig.services.redis.close()

    def kill_in_the_act(self, rig: FlowRig, stage: str) -> str:
        """SIGKILL for a worker that has done a task of this stage and not committed it; its host name.

        The gate behind the stage's work is to be closed before; it is open afterwards.
        """
        at_work = self.gates.arrived(stage + WORKED)[0]
        query = sa.select(tasks.c.runner).where(tasks.c.id == at_work.visitor, tasks.c.state == "running")
        assert [node_of(row.runner) for row in rig.rows(query)] == [at_work.node]
        self.kill(at_work.part)
        self.gates.open(stage + WORKED)
        return at_work.part

    def _spawn(self, host: str, line: Sequence[str], environment: dict[str, str]) -> None:
        home = self.folder / host
        home.mkdir(exist_ok=True)
        with (self.folder / f"{host}.out").open("ab") as out:
            self.running[host] = subprocess.Popen(
                line, env=environment, cwd=home, stdout=out, stderr=out, start_new_session=True
            )

    def _write_secrets(self) -> None:
        """Those of a user who writes a rule, with addresses of this machine and the password of the tests' server."""
        folder = self.folder / "secrets"
        subprocess.run([ROOT / "deploy/make-secrets", folder], check=True)
        (folder / "postgres_password").write_text(PASSWORD)
        (folder / "database_url").unlink()
        subprocess.run([ROOT / "deploy/make-secrets", folder], check=True)
        (folder / "docrelay.toml").write_text(RULE)
        for url in (folder / "redis_url", folder / "database_url"):
            url.write_text(self._here(url.read_text()))

    def _here(self, value: str) -> str:
        for address, port in self.ports.items():
            value = value.replace(address, f"127.0.0.1:{port}")
        return re.sub(r"(?<=:\d{5}/)docrelay$", self.database, value)

    def _probe(self, word: str) -> str:
        """A probe inside a container knows its service's own port."""
        word = _moved(word, self.places).replace("redis-cli", f"redis-cli -p {self.ports['redis:6379']}")
        word = word.replace("127.0.0.1:8372", f"127.0.0.1:{self.api_port}")
        return word.replace("127.0.0.1/6333", f"127.0.0.1/{self.ports['qdrant:6333']}")


def _moved(value: str, places: Mapping[str, str]) -> str:
    """A text with the folders of a container where they are here."""
    pattern = rf"(?<![\w/.])({'|'.join(map(re.escape, places))})"
    return re.sub(pattern, lambda match: places[match[1]], value)


BACKING = ("redis", "qdrant", "postgres")
WORKERS = {"extract": 2, "embed": 2, "upsert": 2, "finalize": 1, "beat": 1}
SCALE = {**WORKERS, "api": 1, "watch": 1}
"""`docker compose up --scale extract=2 --scale embed=2 --scale upsert=2`"""


@contextmanager
def cluster(folder: Path, postgres: Postgres, **extra: str) -> Iterator[Cluster]:
    """All services of the file, healthy; when the block ends, nothing of them is left.

    Args:
        folder: everything lies in it.
        postgres: the server.
        extra: variables added to the environment of our services.
    """
    folder.mkdir(exist_ok=True)
    started = Cluster(folder, postgres, {**QUICK, **extra})
    with ExitStack() as stack:
        started.start_backing(stack)
        started.key = started.answer("keys", "create", "test", "--scope", "admin", "--scope", "read")["key"]
        for service, number in SCALE.items():
            for index in range(number):
                started.start(f"{service}-{index + 1}")
        client = redis.Redis.from_url(started.secret("redis_url"))
        stack.callback(client.close)
        working = sum(WORKERS.values()) - 1
        assert eventually(lambda: len(list(client.scan_iter("docrelay:alive:*"))) == working, pause=0.1), (
            started.running
        )
        assert eventually(lambda: client.exists("docrelay:ready:api"), pause=0.1)
        yield started
