"""Tables of commands: off a terminal a cell is never folded, on a terminal an id stays whole."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from pipeline.cli import documents, output
from pipeline.results import DocumentList, DocumentSummary

IDS = ["1928e898-de7b-5c56-abdb-4bae545196e8", "7e76c350-c6b0-5b91-bd69-8df35577638b"]
FOLDER = "/srv/documents/a folder with a long name/and another one below it"


def listed() -> DocumentList:
    return DocumentList(
        documents=[
            DocumentSummary(
                id=name,
                collection="documents",
                source=f"{FOLDER}/{name}.pdf",
                tags=[],
                state="completed",
                media_type="application/pdf",
                title="Letter",
                size=100,
                chunks=1,
                outdated=False,
                incomplete=False,
                has_original=None,
            )
            for name in IDS
        ],
        next=None,
    )


def test_off_a_terminal_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    documents._print(listed())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=3) for line in lines[:2]] == [
        [name, "completed", "documents", f"{FOLDER}/{name}.pdf"] for name in IDS
    ]
    assert len(lines) == 3


def test_an_id_stays_on_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=StringIO(), force_terminal=True, width=80, soft_wrap=True, highlight=False, markup=False)
    monkeypatch.setattr(output, "out", terminal)
    monkeypatch.setattr(documents, "out", terminal)
    documents._print(listed())
    assert isinstance(terminal.file, StringIO)
    shown = terminal.file.getvalue()
    assert all(name in shown for name in IDS)
