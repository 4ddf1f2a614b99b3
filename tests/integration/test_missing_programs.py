"""A missing program or an incomplete setting is reported with its own code; a retry succeeds once it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_rig import cli_on
from flow_tools import write_documents

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
SCANS = ("crane_book_exif.jpg", "project_file_mixed.pdf")


def programs_but(name: str, folder: Path) -> Path:
    """A folder with links to every program of PATH except this one."""
    folder.mkdir()
    for directory in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in directory.iterdir() if directory.is_dir() else ():
            if program.name != name and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return folder


def codes(report: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {Path(failure["source"]).name: failure["code"] for failure in report["failures"]}


def test_scans_fail_without_tesseract_and_succeed_on_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Callable[..., None]
) -> None:
    """Scans fail, other files complete. After the installation a retry is enough: no process is restarted."""
    needs("tesseract")
    folder, real = tmp_path / "in", Path(shutil.which("tesseract") or "")
    write_documents(folder, 5)
    for name in (*SCANS, "annual_report.pdf"):
        shutil.copy(SAMPLES / name, folder)
    programs = programs_but("tesseract", tmp_path / "programs")
    monkeypatch.setenv("PATH", str(programs))
    with cli_on(tmp_path / "data") as cli, cli.up():
        report = cli.json("ingest", folder, code=1)
        assert (report["completed"], report["failed"]) == (6, 2)
        assert codes(report) == dict.fromkeys(SCANS, "ocr_unavailable")
        assert all("apt-get install tesseract-ocr" in failure["message"] for failure in report["failures"])
        (again,) = cli.json("failures", "retry", "--code", "ocr_unavailable", code=1)["jobs"]
        assert codes(again) == codes(report)

        (programs / "tesseract").symlink_to(real)
        (cured,) = cli.json("failures", "retry", "--code", "ocr_unavailable")["jobs"]
        assert (cured["documents"], cured["completed"]) == (2, 2)
        assert cli.json("failures", "list")["failures"] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "127.0.0.1:9"])
def test_incomplete_endpoint_settings_are_wrong_use(tmp_path: Path, url: str) -> None:
    """Without a dimension or a scheme the command ends with code 2 before it starts or ingests anything."""
    write_documents(tmp_path / "in", 1)
    with cli_on(tmp_path / "data", embedding_model="mine", embedding_url=url) as cli:
        for words in (("ingest", tmp_path / "in"), ("search", "anything")):
            error = cli.json(*words, code=2)["error"]
            assert (error["code"], "embedding_" in error["message"]) == ("bad_embedding_config", True)
            assert "embedding_" in error["hint"]
        assert not (tmp_path / "data" / "run" / "stack.json").exists()
        assert cli.left() == []
