"""No file brings a reader down: each hostile one ends within limits, with a code, and touches nothing else."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import hostile_archives
import hostile_pdfs
import pytest
from hostile import HOSTILE, HostileCase
from limited_process import read_limited

READ_BY_EXTRACTORS = [case for case in HOSTILE if case.kind in {"content", "name"}]
NEEDS_OCR = {"png, blank, within limits", "pdf with a huge page", "pdf with a huge picture", "tiff in a loop"}
SECRET = "canary-of-the-outside-4c1f"


def _skip_without_tesseract(case: HostileCase) -> None:
    if case.name in NEEDS_OCR and shutil.which("tesseract") is None and not os.environ.get("CI"):
        pytest.skip("tesseract is not installed")


@pytest.mark.parametrize("case", READ_BY_EXTRACTORS, ids=lambda case: case.name)
def test_hostile_file_ends_with_an_accepted_code(case: HostileCase, tmp_path: Path) -> None:
    _skip_without_tesseract(case)
    path = case.build(tmp_path)
    ending = read_limited(path)
    assert ending.outcome in case.expected, ending.text[:200]
    assert ending.network == ()
    assert "root:x:0" not in ending.text


def test_every_hostile_case_has_a_unique_name() -> None:
    names = [case.name for case in HOSTILE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("build", [hostile_archives.xxe_docx, hostile_archives.xxe_footnote_docx])
def test_external_entity_never_reaches_the_text(build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(SECRET)
    ending = read_limited(build(tmp_path, outside.as_uri()))
    assert ending.outcome in {"completed", "corrupt"}
    assert SECRET not in ending.text


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """Counts in `asked` what is fetched from it."""
    with HTTPServer(("127.0.0.1", 0), Listener) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


class Listener(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)


@pytest.mark.parametrize("build", [hostile_archives.remote_docx, hostile_archives.remote_type_docx])
def test_remote_references_are_not_followed(
    build: Callable[[Path, str], Path], server: HTTPServer, tmp_path: Path
) -> None:
    """A listener sees what the audit hook cannot: a fetch by libxml2 itself."""
    Listener.asked.clear()
    ending = read_limited(build(tmp_path, f"http://127.0.0.1:{server.server_port}/"))
    assert ending.outcome in {"completed", "corrupt"}
    assert Listener.asked == []


def test_a_harmless_file_completes_under_the_same_limits(tmp_path: Path) -> None:
    ending = read_limited(hostile_pdfs.plain_pdf(tmp_path))
    assert ending.outcome == "completed"
    assert "Plain Sanderling" in ending.text
