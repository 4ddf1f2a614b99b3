"""`docrelay backup` beside a stack that works, killed and finished; `docrelay restore`, and the work that goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cli_rig import Cli, cli_on
from flow_rig import FlowRig
from flow_tools import eventually, write_documents, write_scan

from pipeline.catalog.database.schema import documents, versions
from pipeline.gates_for_tests import BACKUP

LIVE = sa.select(documents.c.source, versions.c.content_sha256, versions.c.id).join(
    versions, versions.c.id == documents.c.live_version_id
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Cli]:
    with cli_on(tmp_path / "here") as rig:
        yield rig


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Cli]:
    with cli_on(tmp_path / "there") as rig:
        yield rig


def acknowledged(cli: Cli) -> set[tuple[str, ...]]:
    """Source, content and version of every document that a reader sees."""
    return {tuple(row) for row in cli.rows(LIVE)}


def test_a_backup_beside_a_job_is_exact_and_the_job_goes_on_where_it_is_restored(
    here: Cli, there: Cli, tmp_path: Path, needs: Callable[..., None]
) -> None:
    needs("tesseract")
    letters = write_documents(tmp_path / "in", 6)
    (tmp_path / "scans").mkdir()
    write_scan(tmp_path / "scans" / "scan.png", 7)  # one: it holds one of the two processes that extract
    with here.held():
        assert here.json("ingest", tmp_path / "in")["completed"] == 6
        here.gates.close("ocr", BACKUP)
        job = here.json("ingest", tmp_path / "scans", "--no-wait")["job"]
        here.gates.arrived("ocr")

        killed = here.start("backup", tmp_path / "killed")
        os.kill(here.gates.arrived(BACKUP)[0].pid, signal.SIGKILL)
        assert here.end(killed).code == -signal.SIGKILL
        refused = there.quick("restore", tmp_path / "killed", "--json")
        assert (refused.code, refused.json["error"]["code"]) == (2, "backup_unusable")
        assert "incomplete" in refused.json["error"]["message"]

        taken = here.start("backup", tmp_path / "taken", "--json")
        here.gates.arrived(BACKUP)
        letters[0].write_text("Another letter about a lighthouse.", "utf-8")
        (tmp_path / "in" / "new.txt").write_text("A letter that came in the middle.", "utf-8")
        assert here.json("ingest", letters[0], tmp_path / "in" / "new.txt")["completed"] == 2
        here.json("delete", letters[1])
        at_the_moment = acknowledged(here)
        here.gates.open(BACKUP)
        ended = here.end(taken)
        assert ended.code == 0, ended
        report = ended.json
        here.json("delete", letters[2])
        assert at_the_moment - acknowledged(here)
        here.gates.open("ocr")

    assert (report["documents"], report["unfinished_jobs"], report["missing_points"]) == (6, 1, 0)
    restored = there.json("restore", tmp_path / "taken")
    assert (restored["documents"], restored["points"]) == (6, report["points"])
    assert acknowledged(there) == at_the_moment
    again = there.quick("restore", tmp_path / "taken", "--json")
    assert (again.code, again.json["error"]["code"]) == (2, "conflict")
    with there.held():
        # The first command that uses the stack starts it, and the job goes on.
        assert there.json("ingest", tmp_path / "in" / "new.txt")["unchanged"] == 1
        assert eventually(lambda: there.json("status", job)["state"] == "completed"), there.json("status", job)
        assert there.json("status", job)["completed"] == 1
        assert there.search_names("lighthouse", "documents") == {letters[0].name, "scan.png"}
        with there.services() as services:
            FlowRig(services.settings, there.gates).assert_exact()
