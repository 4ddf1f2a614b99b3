"""The OCR mode of a job, from the command line and the API: it stays with its documents."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api
from cli_rig import Cli, cli_on

MIXED = Path(__file__).parents[2] / "samples" / "documents" / "project_file_mixed.pdf"
"""Pages 2 and 4 are pictures, pages 1 and 3 have text."""


@pytest.fixture
def file(needs: object, tmp_path: Path) -> Path:
    needs("tesseract")  # type: ignore[operator]
    (tmp_path / "files").mkdir()
    return Path(shutil.copy(MIXED, tmp_path / "files" / "mixed.pdf"))


def status(cli: Cli, collection: str = "documents") -> dict[str, Any]:
    """Status of the only document of a collection."""
    (listed,) = cli.json("documents", "-c", collection)["documents"]
    shown: dict[str, Any] = cli.json("status", listed["id"])
    return shown


def pages(shown: dict[str, Any]) -> tuple[int, int, int]:
    """Pages whose text is from the text layer, from OCR, and empty ones."""
    return shown["pages_text"], shown["pages_ocr"], shown["pages_empty"]


def test_mode_of_a_job_is_kept_by_retries_reindexes_and_later_jobs(file: Path, tmp_path: Path) -> None:
    with cli_on(tmp_path / "data") as cli, cli.held():
        off = cli.json("ingest", file, "--ocr", "off")
        assert (off["completed"], off["incomplete"], off["pages_failed"]) == (1, 1, 0)
        shown = status(cli)
        assert (shown["ocr"], pages(shown)) == ("off", (2, 0, 2))
        assert shown["missing"], "pages that are not read are named"
        assert "2, 4" in shown["missing"][0]

        assert cli.json("ingest", file.parent)["unchanged"] == 1, "a job without a mode leaves it as it is"
        assert cli.json("ingest", file, "--ocr", "auto")["completed"] == 1
        shown = status(cli)
        assert (shown["ocr"], pages(shown), shown["missing"]) == ("auto", (2, 2, 0), [])
        assert any(text.startswith("Pages 2, 4: Read by OCR: ") for text in shown["page_warnings"])
        assert "How pages were read:\n  Pages 2, 4: Read by OCR: " in cli.quick("status", shown["id"]).out

        assert cli.json("ingest", file, "--ocr", "force")["completed"] == 1
        assert pages(status(cli)) == (0, 4, 0)
        again = cli.json("reindex", "--re-extract", "--path", str(file))
        assert again["state"] == "done"
        shown = status(cli)
        assert (shown["ocr"], pages(shown)) == ("force", (0, 4, 0))
        assert cli.json("ingest", file)["unchanged"] == 1

        file.write_bytes(b"%PDF-1.7\nbroken")
        assert cli.json("ingest", file, "--ocr", "off", code=1)["failures"][0]["code"] == "corrupt"
        shutil.copy(MIXED, file)
        (retried,) = cli.json("failures", "retry")["jobs"]
        assert retried["completed"] == 1
        assert cli.json("status", retried["job"])["ocr"] == "off"
        assert pages(status(cli)) == (2, 0, 2)

        tried = cli.json("try", file, "--ocr", "off")["stages"][0]["document"]
        assert "2, 4" in str(tried["warnings"])
        assert cli.json("ingest", file, "--ocr", "sometimes", code=2)["error"]["code"] == "bad_request"


def test_mode_of_uploads_and_paths(file: Path, tmp_path: Path) -> None:
    with cli_on(tmp_path / "data", api_roots=(str(file.parent),)) as cli, cli.up():
        api = Api(cli)
        try:
            job = api.client.wait(api.client.submit(file, ocr="off", collection="sent").job_id)
            assert (job.ocr, job.completed, job.incomplete) == ("off", 1, 1)
            job = api.client.wait(api.client.submit(file, collection="sent").job_id)
            assert (job.ocr, job.unchanged) == (None, 1)
            assert pages(status(cli, "sent")) == (2, 0, 2)
            job = api.client.wait(api.client.submit_paths(str(file), ocr="force", collection="named").job_id)
            assert (job.ocr, job.completed) == ("force", 1)
            assert pages(status(cli, "named")) == (0, 4, 0)
            (listed,) = api.client.all_documents(incomplete=True)
            detail = api.client.document(listed.id)
            assert detail.receipt.incomplete
            assert detail.receipt.missing == detail.missing != []
            remote = cli.json("documents", "--server", api.url, "--incomplete")["documents"]
            assert [row["id"] for row in remote] == [listed.id]
        finally:
            api.close()
