"""A Prometheus of the tests' own: Debian's program, a temporary folder, a free port of the loopback.

It runs the project's own configuration and alerts, with other targets and shorter times.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from flow_tools import eventually
from postgres_server import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
WINDOW = "40s"
"""Takes the place of the minutes over which rates are taken."""


class Prometheus:
    """A running server that scrapes every second."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.use_key(key)
        (folder / "alerts.yml").write_text(shortened(ALERTS.read_text()))
        self._port = free_port()
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}/api/v1", timeout=60)

    def use_key(self, key: str) -> None:
        """Send this key with each scrape from now on."""
        (self._folder / "key").write_text(key)

    def scrape(self, *targets: str) -> None:
        """Scrape these targets, `HOST:PORT`, from now on."""
        config: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (job,) = config["scrape_configs"]
        job["authorization"]["credentials_file"] = str(self._folder / "key")
        job["static_configs"] = [{"targets": list(targets)}]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    @contextmanager
    def running(self) -> Iterator[Prometheus]:
        """Run the server for a block."""
        with (self._folder / "out").open("w") as out:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder}/prometheus.yml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=out,
                stderr=out,
            )
            try:
                assert eventually(self._answers), (self._folder / "out").read_text()
                yield self
            finally:
                self._process.terminate()
                self._process.wait(30)
                self._http.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression; it must be valid."""
        answer = self._http.get("/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return rows

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self._http.get("/alerts").raise_for_status().json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _answers(self) -> bool:
        try:
            return bool(self._http.get("/query", params={"query": "up"}).is_success)
        except httpx.TransportError:
            return False


def shortened(rules: str) -> str:
    """Alerts that fire at once, with rates over a short window."""
    without_pause = re.sub(r"\n +for: \w+", "", rules)
    return re.sub(r"\[(15m|1h)\]", f"[{WINDOW}]", without_pause)
