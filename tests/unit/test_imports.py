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

COMMAND = """
import json, sys
sys.argv = ["docrelay", *sys.argv[1:]]
from pipeline.cli import main
try:
    main()
except SystemExit as ended:
    print("\\0" + json.dumps([ended.code or 0, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
IMPORT = "import json, sys, {}; print(chr(0) + json.dumps([0, sorted({{n.partition('.')[0] for n in sys.modules}})]))"


def imported(folder: Path, code: str, *words: str) -> tuple[int, set[str]]:
    """Exit code and top-level modules of a child process."""
    environment = {**os.environ, "DOCRELAY_DATA_DIR": str(folder / "data")}
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "\0" in ended.stdout, ended.stderr
    status, modules = json.loads(ended.stdout.rpartition("\0")[2])
    return status, set(modules)


@pytest.mark.parametrize(
    "words", [("--help",), ("ingest", "--help"), ("status",), ("failures", "list"), ("config",), ("config", "--json")]
)
def test_command_that_does_not_embed_imports_no_model_library(tmp_path: Path, words: tuple[str, ...]) -> None:
    status, modules = imported(tmp_path, COMMAND, *words)
    assert status == 0
    assert "typer" in modules
    assert modules & HEAVY == set()


def test_help_imports_no_service(tmp_path: Path) -> None:
    assert imported(tmp_path, COMMAND, "--help")[1] & (SERVICES | FORMATS) == set()


@pytest.mark.parametrize("room", ["pipeline", "pipeline.cli", "extractors", "embeddings", "workflows"])
def test_importing_a_room_is_light(tmp_path: Path, room: str) -> None:
    _, modules = imported(tmp_path, IMPORT.format(room))
    assert room.partition(".")[0] in modules
    assert modules & (HEAVY | SERVICES | FORMATS) == set()
