"""Tesseract that fails, and a disk without room: each has its own code, and unread pages are read another time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_rig import Cli, cli_on

import extractors
from extractors import Options
from extractors.errors import OcrFailed

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
SCAN, MIXED = "letter_scan.png", "project_file_mixed.pdf"


class Tesseract:
    """The real one behind a script, which fails on every picture as long as it is broken."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "broken"
        self.folder = folder / "bin"
        self.folder.mkdir()
        script = self.folder / "tesseract"
        real = shutil.which("tesseract")
        script.write_text(f'#!/bin/sh\n[ -e {self.mark} ] && [ "${{1#--}}" = "$1" ] && exit 1\nexec {real} "$@"\n')
        script.chmod(0o755)
        self.mark.touch()

    def mend(self) -> None:
        self.mark.unlink()


@pytest.fixture
def broken(tmp_path: Path, needs: object, monkeypatch: pytest.MonkeyPatch) -> Tesseract:
    needs("tesseract")  # type: ignore[operator]
    tesseract = Tesseract(tmp_path)
    monkeypatch.setenv("PATH", str(tesseract.folder), prepend=":")
    return tesseract


def test_page_on_which_ocr_fails_is_not_counted_as_empty(broken: Tesseract) -> None:
    with pytest.raises(OcrFailed, match="Tesseract failed"):
        extractors.read(SAMPLES / SCAN)
    mixed = extractors.read(SAMPLES / MIXED)
    assert [page.origin for page in mixed.pages].count("unread") == 2
    assert len([warning for warning in mixed.warnings if "could not be read by OCR" in warning]) == 2
    broken.mend()
    assert "unread" not in [page.origin for page in extractors.read(SAMPLES / MIXED).pages]


def test_ocr_time_limit_is_named_in_the_error(needs: object) -> None:
    needs("tesseract")  # type: ignore[operator]
    with pytest.raises(OcrFailed, match="ocr_timeout_s"):
        extractors.read(SAMPLES / SCAN, Options(ocr_timeout_s=0.01))


def test_full_disk_in_ocr_does_not_fail_the_file(needs: object, tmp_path: Path) -> None:
    needs("tesseract")  # type: ignore[operator]
    program = """
import resource, signal, sys
from pathlib import Path
from extractors import Options
from pipeline.stages.sandbox import NoRoom, Sandbox

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sandbox = Sandbox(2048)
try:
    sandbox.ocr(Path(sys.argv[1]), [1], Options(), 60)
except NoRoom as error:
    print("no room:", error)
sandbox.close()
"""
    done = subprocess.run([sys.executable, "-c", program, SAMPLES / SCAN], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("no room: "), done.stderr


def test_document_failed_in_ocr_is_read_when_ingested_again(broken: Tesseract, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in (SCAN, MIXED):
        shutil.copy(SAMPLES / name, folder)
    with cli_on(tmp_path / "data") as cli, cli.up():
        first = cli.json("ingest", folder, code=1)
        assert (first["completed"], first["pages_failed"], first["incomplete"]) == (1, 2, 1)
        assert [failure["code"] for failure in first["failures"]] == ["ocr_failed"]
        assert "Page 2 could not be read by OCR" in shown(cli, MIXED)
        status = cli.json("status", id_of(cli, MIXED))
        assert (status["incomplete"], status["missing"]) == (True, ["Pages 2, 4 could not be read by OCR."])
        assert "Not in the text:\n  Pages 2, 4 could not be read by OCR." in cli.quick("status", status["id"]).out
        again = cli.quick("ingest", folder).out
        assert "2 pages could not be read" in again
        assert "1 completed, 1 of them incomplete, 1 failed" in again
        broken.mend()
        second = cli.json("ingest", folder)
        assert (second["completed"], second["unchanged"], second["pages_failed"]) == (2, 0, 0)
        assert second["incomplete"] == 0
        mended = cli.json("status", status["id"])
        assert (mended["incomplete"], mended["missing"]) == (False, [])
        assert "could not be read" not in shown(cli, MIXED)
        third = cli.json("ingest", folder)
        assert (third["completed"], third["unchanged"], third["embedded"]) == (0, 2, 0)


def id_of(cli: Cli, name: str) -> str:
    """The id of the document of a file."""
    (hit,) = [hit for hit in cli.json("search", "ferry", "--limit", "50")["hits"] if hit["source"].endswith(name)][:1]
    return str(hit["document_id"])


def shown(cli: Cli, name: str) -> str:
    """What `docrelay status` says of the document of a file."""
    return cli.quick("status", id_of(cli, name)).out
