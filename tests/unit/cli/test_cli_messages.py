"""Messages of commands that need no stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.output import print_json

PROGRAM = str(Path(sys.executable).with_name("docrelay"))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with a data folder of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DOCRELAY_")},
        "DOCRELAY_DATA_DIR": str(folder / "data"),
        "DOCRELAY_EMBEDDING_MODEL": "hashing",
    }
    return subprocess.run([PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True)


def test_a_path_that_begins_with_a_dash_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "-dash.txt").write_text("Text.\n")

    refused = run(tmp_path, "ingest", "-dash.txt")
    without_such_a_file = run(tmp_path, "ingest", "--colour")

    assert refused.returncode == without_such_a_file.returncode == 2
    assert "write ./-dash.txt, or put -- before it" in refused.stderr
    assert "put -- before it" not in without_such_a_file.stderr


def test_try_prints_a_point_as_lines(tmp_path: Path) -> None:
    (tmp_path / "letter.md").write_text("# Harbour\n\nThe tide sensor is at the slipway.\n")

    shown = run(tmp_path, "try", "letter.md")

    assert shown.returncode == 0, shown.stderr
    assert "text/markdown, 1 page, " in shown.stdout
    assert "      line_start: 1\n" in shown.stdout
    assert '      section: ["Harbour"]\n' in shown.stdout
    assert "{'" not in shown.stdout


def test_json_holds_no_character_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    held = {"source": "a\x9b2Jb\u202ec\u2066d\u061ce\u200ff\x85g\ufeffh\U000e0041i", "text": "Grüße, 机械 \U0001f600"}

    print_json(held)

    printed = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert "Grüße, 机械 \U0001f600" in printed
    assert json.loads(printed) == held
