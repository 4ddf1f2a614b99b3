"""Rig of the API tests: `docrelay up` as a child process, and real HTTP to its API."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from cli_rig import Cli, cli_on
from flow_tools import eventually
from prometheus_client.parser import text_string_to_metric_families

from pipeline.api.app import make_app
from pipeline.api.server import server_config
from pipeline.client import Client
from pipeline.services import Services


class Api:
    """A stack with its API.

    `client` is our client. `http` sends any request with the key, `anonymous` without one; making an HTTP client
    costs more than ten requests, so tests share these two.
    """

    def __init__(self, cli: Cli, key: str | None = None) -> None:
        self.cli = cli
        self.key = key
        self.url = self.announced()
        self.client = Client(self.url, key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=60)
        self.anonymous = httpx.Client(base_url=self.url, timeout=60)

    def announced(self, service: str = "api") -> str:
        """The URL of a service that `up` has printed last."""
        addresses: list[str] = []

        def said() -> bool:
            addresses[:] = re.findall(
                rf"{service} is ready: (\S+)", self.cli.folder.with_name(f"{self.cli.folder.name}.up").read_text()
            )
            return bool(addresses)

        assert eventually(said)
        return addresses[-1]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    @property
    def pid(self) -> int:
        with self.cli.services() as services:
            return int(bytes(services.redis.get("docrelay:ready:api") or b"").split()[0])

    def kill(self) -> None:
        """Kill the API; `up` starts it again, on another port, as none is set."""
        before, pid = self.url, self.pid
        os.kill(pid, signal.SIGKILL)
        self.follow(before)

    def follow(self, before: str) -> None:
        """Go on with the API that `up` starts after the one of this URL has ended."""
        assert eventually(lambda: self.announced() != before)
        self.close()
        self.__init__(self.cli, self.key)  # type: ignore[misc]

    def metrics(self, name: str) -> dict[Any, float]:
        """Values of a metric by its labels: a text, or several in the order of their names."""
        text = ""

        def is_whole() -> bool:
            # On a busy machine, a part may have had no time to answer.
            nonlocal text
            text = self.http.get("/metrics").raise_for_status().text
            return not re.search(r"^docrelay_up{.*} 0", text, re.MULTILINE)

        assert eventually(is_whole), text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        values = {tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name}
        return {key[0] if len(key) == 1 else key: value for key, value in values.items()}

    def close(self) -> None:
        self.client.close()
        self.http.close()
        self.anonymous.close()

    def submit(self, *files: Any, **options: Any) -> str:
        """Submit and wait; the job's id."""
        job = self.client.submit(*files, **options).job_id
        assert self.client.wait(job).ended
        return job

    def only(self, job: str) -> Any:
        """The only document of a job."""
        (document,) = self.client.documents(job)
        return self.client.document(document.document_id)


@contextmanager
def api_on(folder: Path, *, keyed: bool = False, up: Sequence[str] = (), **settings: Any) -> Iterator[Api]:
    """A stack with its API on its own data folder, from `docrelay up` with these options."""
    with cli_on(folder, **settings) as cli:
        key = cli.run("keys", "create", "tests", "--scope", "admin", "--json").json["key"] if keyed else None
        with cli.up(*up):
            api = Api(cli, key)
            try:
                yield api
            finally:
                api.close()


@dataclass(frozen=True)
class OtherApi:
    """One more API of a stack, in this process."""

    address: tuple[str, int]
    http: httpx.Client


@contextmanager
def with_settings(api: Api, **settings: Any) -> Iterator[OtherApi]:
    """One more API of the same stack that differs in these settings; requests to it are as real."""
    with api.cli.services() as services, socket.create_server(("127.0.0.1", 0)) as listener:
        chosen = services.settings.model_copy(update=settings)
        app = make_app(Services(chosen), embedded=True, ready=lambda: None)
        server = uvicorn.Server(server_config(app, chosen))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        host, port = listener.getsockname()
        try:
            with httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as http:
                yield OtherApi((host, port), http)
        finally:
            server.should_exit = True
            thread.join()
