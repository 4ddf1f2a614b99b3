"""A stack with the plug-in `tests/support/plugin_package` installed, and the calls that its tests make."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Cli, cli_on
from flow_rig import FlowRig

from pipeline import stack
from pipeline.vectorstore.base import Filter

PACKAGE = Path(__file__).parent / "plugin_package"


def install(target: Path) -> None:
    """Install the package with pip into a separate folder."""
    copy = target.with_name(f"{target.name}-source")
    subprocess.run(["cp", "-r", str(PACKAGE), str(copy)], check=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--target", str(target), str(copy)]
    subprocess.run(command, check=True)


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """The package on the path of every process that is started within."""
    target = folder / "site"
    install(target)
    with pytest.MonkeyPatch.context() as patch:
        known = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", f"{target}{os.pathsep}{known}" if known else str(target))
        yield target


@dataclass
class Composed:
    """`docrelay up` with the package, and both rigs on it."""

    cli: Cli
    rig: FlowRig

    def ingest(self, *paths: Path, workflow: str, collection: str, code: int = 0) -> Any:
        """Report of `docrelay ingest --json`."""
        return self.cli.json("ingest", *map(str, paths), "-w", workflow, "-c", collection, code=code)

    @contextmanager
    def options(self, workflow: str, **values: Any) -> Iterator[None]:
        """Parameters of a workflow, as a settings file has them."""
        file = self.cli.folder / "docrelay.toml"
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        file.write_text("\n".join([f"[workflow_options.{workflow}]", *lines, ""]), "utf-8")
        try:
            yield
        finally:
            file.unlink()

    def payloads(self, collection: str) -> list[dict[str, Any]]:
        """Payloads of all live points."""
        return self.rig.services.store.read(collection, Filter(live=True), 1000)


@contextmanager
def composed(folder: Path, **settings: Any) -> Iterator[Composed]:
    """A stack with the package installed, up and ready."""
    with installed(folder), cli_on(folder / "data", **settings) as cli, cli.up(), stack.peek(cli.settings) as attached:
        assert attached is not None
        yield Composed(cli, FlowRig(attached))
