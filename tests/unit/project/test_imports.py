"""Commands that do not embed import nothing heavy, and importing a room is light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HEAVY = {"torch", "transformers", "sentence_transformers"}
SERVICES = {"celery", "kombu", "redis", "qdrant_client", "qdrant_edge", "sqlalchemy", "alembic"}
FORMATS = {"pypdfium2", "pypdf", "docx", "pytesseract", "PIL", "lxml"}
ARRAYS = {"numpy"}
FLOW = {"celery", "kombu", "pipeline.engine.executor", "pipeline.composition.plugins"}
WEB = {"httpx", "fastapi", "pipeline.client", "pipeline.api"}
LOOKING = HEAVY | FORMATS | ARRAYS | FLOW | WEB | {"alembic", "qdrant_client", "qdrant_edge"}
"""What a command that only looks at the catalog has no use for."""

NOWHERE = "http://127.0.0.1:9"

COMMANDS = """
import json, sys
from pipeline.cli import main
seen = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["docrelay", *words]
    try:
        main()
    except SystemExit as ended:
        seen.append([ended.code or 0, sorted(sys.modules)])
print("\\0" + json.dumps(seen))
"""
IMPORTS = """
import importlib, json, sys
seen = []
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    seen.append([0, sorted(sys.modules)])
print("\\0" + json.dumps(seen))
"""

Seen = dict[Any, tuple[int, set[str]]]
"""Exit code, and the modules of the process, after each step."""

Words = tuple[str, ...]

WITHOUT_SERVER: dict[Words, tuple[int, set[str]]] = {
    ("--help",): (0, LOOKING | SERVICES | {"pydantic"}),
    ("ingest", "--help"): (0, LOOKING | SERVICES),
    ("config",): (0, LOOKING | SERVICES),
    ("config", "--json"): (0, LOOKING | SERVICES),
    ("status",): (0, LOOKING),
    ("status", "nothing"): (2, LOOKING),
    ("cancel", "nothing"): (2, LOOKING),
    ("failures", "list"): (0, LOOKING),
    ("failures", "purge"): (0, LOOKING),
    ("delete", "nothing"): (2, LOOKING),
    ("search", "nothing"): (0, LOOKING - {"qdrant_edge"}),  # it has the stemmers
    ("ingest", "/nowhere"): (2, HEAVY | FORMATS | ARRAYS | {"alembic", "pipeline.api", "pipeline.client"}),
}
"""Exit code of each command, and what it has no use for. Each one may import what those after it may."""

WITH_SERVER: list[Words] = [("status",), ("search", "nothing"), ("delete", "nothing"), ("ingest", __file__)]
ROOMS = ["extractors", "embeddings", "pipeline", "pipeline.cli", "workflows"]


def seen_by(folder: Path, code: str, steps: Sequence[str | Words], **settings: str) -> Seen:
    """Run the steps one after the other in a child process.

    A module stays imported, so what is not there after a step was imported by neither that step nor one before it:
    one start of Python says of each step what a start of its own would.
    """
    environment = {**os.environ, **settings, "DOCRELAY_DATA_DIR": str(folder / "data")}
    ended = subprocess.run(
        [sys.executable, "-c", code, json.dumps(steps)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "\0" in ended.stdout, ended.stderr
    seen = json.loads(ended.stdout.rpartition("\0")[2])
    return {step: (status, set(modules)) for step, (status, modules) in zip(steps, seen, strict=True)}


@pytest.fixture(scope="module")
def without_server(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return seen_by(tmp_path_factory.mktemp("here"), COMMANDS, list(WITHOUT_SERVER))


@pytest.fixture(scope="module")
def with_server(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return seen_by(tmp_path_factory.mktemp("there"), COMMANDS, WITH_SERVER, DOCRELAY_SERVER=NOWHERE)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return seen_by(tmp_path_factory.mktemp("rooms"), IMPORTS, ROOMS)


@pytest.mark.parametrize("words", WITHOUT_SERVER, ids=" ".join)
def test_command_imports_only_what_it_uses(without_server: Seen, words: Words) -> None:
    status, modules = without_server[words]
    code, unused = WITHOUT_SERVER[words]
    assert status == code
    assert "typer" in modules
    assert modules & unused == set()


@pytest.mark.parametrize("words", WITH_SERVER, ids=lambda words: words[0])
def test_command_on_a_server_imports_no_engine(with_server: Seen, words: Words) -> None:
    status, modules = with_server[words]
    assert status == 3
    assert "httpx" in modules
    assert modules & (HEAVY | FORMATS | ARRAYS | FLOW) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_is_light(rooms: Seen, room: str) -> None:
    _, modules = rooms[room]
    assert room.partition(".")[0] in modules
    assert modules & (HEAVY | SERVICES | FORMATS) == set()
