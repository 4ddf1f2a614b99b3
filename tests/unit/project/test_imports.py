"""Commands that do not embed import nothing heavy, and importing a room is light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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

COMMAND = """
import json, sys
sys.argv = ["docrelay", *sys.argv[1:]]
from pipeline.cli import main
try:
    main()
except SystemExit as ended:
    print("\\0" + json.dumps([ended.code or 0, sorted(sys.modules)]))
"""
IMPORT = "import json, sys, {}; print(chr(0) + json.dumps([0, sorted(sys.modules)]))"


def imported(folder: Path, code: str, *words: str, **settings: str) -> tuple[int, set[str]]:
    """Exit code and modules of a child process."""
    environment = {**os.environ, **settings, "DOCRELAY_DATA_DIR": str(folder / "data")}
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "\0" in ended.stdout, ended.stderr
    status, modules = json.loads(ended.stdout.rpartition("\0")[2])
    return status, set(modules)


@pytest.mark.parametrize(
    ("words", "code", "unused"),
    [
        (("--help",), 0, LOOKING | SERVICES | {"pydantic"}),
        (("ingest", "--help"), 0, LOOKING | SERVICES),
        (("config",), 0, LOOKING | SERVICES),
        (("config", "--json"), 0, LOOKING | SERVICES),
        (("status",), 0, LOOKING),
        (("status", "nothing"), 2, LOOKING),
        (("cancel", "nothing"), 2, LOOKING),
        (("failures", "list"), 0, LOOKING),
        (("failures", "purge"), 0, LOOKING),
        (("delete", "nothing"), 2, LOOKING),
        (("search", "nothing"), 0, LOOKING - {"qdrant_edge"}),  # it has the stemmers
        (("ingest", "/nowhere"), 2, HEAVY | FORMATS | ARRAYS | {"alembic", "pipeline.api", "pipeline.client"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_imports_only_what_it_uses(tmp_path: Path, words: tuple[str, ...], code: int, unused: set[str]) -> None:
    status, modules = imported(tmp_path, COMMAND, *words)
    assert status == code
    assert "typer" in modules
    assert modules & unused == set()


@pytest.mark.parametrize("words", [("status",), ("search", "nothing"), ("delete", "nothing"), ("ingest", __file__)])
def test_command_on_a_server_imports_no_engine(tmp_path: Path, words: tuple[str, ...]) -> None:
    status, modules = imported(tmp_path, COMMAND, *words, DOCRELAY_SERVER=NOWHERE)
    assert status == 3
    assert "httpx" in modules
    assert modules & (HEAVY | FORMATS | ARRAYS | FLOW) == set()


@pytest.mark.parametrize("room", ["pipeline", "pipeline.cli", "extractors", "embeddings", "workflows"])
def test_importing_a_room_is_light(tmp_path: Path, room: str) -> None:
    _, modules = imported(tmp_path, IMPORT.format(room))
    assert room.partition(".")[0] in modules
    assert modules & (HEAVY | SERVICES | FORMATS) == set()
