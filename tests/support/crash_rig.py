"""Runs a table of crashes in one stack: in each cell one document's task dies at one point of one stage.

Each cell is a job of one document; the order to die names the job, so that no cell disturbs another one, and all cells
run at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from gates import gates_of
from history import History, read_history
from PIL import Image, ImageDraw, ImageFont

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.gates_for_tests import COMMITTED, HISTORY, PUBLISHED, RETURNED, WORKED
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.submit import plan_for
from pipeline.ingest.walk import walk
from pipeline.plan import PLAIN
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec

CLAIMED = ""
POINTS = {
    "claim": CLAIMED, "work": WORKED, "commit": COMMITTED, "publishing one": PUBLISHED, "result": RETURNED,
}  # fmt: skip
POOLED = ("extract", "ocr", "redact", "chunk")
"""Stages whose worker has a pool: its process and the whole worker may die. The others have one process."""
SOLO = ("embed", "upsert", "finalize")
WORDS = 240


@dataclass(frozen=True)
class Cell:
    """Who dies in which stage after what; `kind` is the kind of document: a text, a scan, one of a declared stage."""

    stage: str
    after: str
    who: str
    kind: str = "text"

    def __str__(self) -> str:
        return f"{self.stage} after {self.after}, {self.who}" + (f", {self.kind}" if self.kind == "scan" else "")

    @property
    def gate(self) -> str:
        return self.stage + POINTS[self.after]


KINDS = {"ocr": "scan", "redact": "redacted"}


def cells() -> list[Cell]:
    """The whole table. finalize publishes nothing, and extract publishes several messages only for a scan.

    First those in which the only store worker dies: it starts again while the others go on.
    """
    table = [
        Cell(stage, after, who, KINDS.get(stage, "text"))
        for stage in (*SOLO[::-1], *POOLED)
        for after in POINTS
        for who in (("process", "worker") if stage in POOLED else ("worker",))
        if (stage, after) != ("finalize", "publishing one")
    ]
    return [*table, *(Cell("extract", "publishing one", who, "scan") for who in ("process", "worker"))]


@dataclass
class Crashes:
    """What came of the table."""

    rig: FlowRig
    history: History
    jobs: dict[str, str]
    outcomes: dict[str, dict[str, int]]
    starts: dict[str, dict[str, int]]
    unused: list[str] = field(default_factory=list)
    restarts: int = 0


def several_workers(number: int) -> Any:
    """A stack with so many workers of one process each for extract, and two for embed: a death stops one of them."""

    def arrange(settings: Settings, specs: list[ProcessSpec]) -> Launch:
        extract = next(spec for spec in specs if spec.name == "extract")
        more = [
            replace(extract, name=f"extract-{index}", command=(*extract.command[:-1], f"extract-{index}"))
            for index in range(number)
        ]
        rest = [spec for spec in specs if spec is not extract]
        # Each of them dies again and again here, sometimes before the supervisor has seen that it was ready.
        return Launch(str(settings.data_dir), (*more, *rest), restart_delay_s=0.005, max_failed_starts=1000)

    return arrange


@contextmanager
def crash_stack(folder: Path, **settings: Any) -> Iterator[FlowRig]:
    """A stack for the table, with its history beside its data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Any] = {
        "chunk_tokens": 64, "chunk_overlap_tokens": 0, "chunk_batch_size": 2, "ocr_group_pages": 1, "window": 50,
        "extract_processes": 1, "embed_processes": 2, "max_starts": 3, "dead_after_s": 8.0, "heartbeat_s": 0.5,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HISTORY, str(folder / "history"))
        with stack_on(folder / "data", launch=several_workers(3), **{**chosen, **settings}) as rig:
            yield rig
            rig.services.catalog.dispose()


def run_table(rig: FlowRig, folder: Path, table: Sequence[Cell], seconds: float = 600.0) -> Crashes:
    """Run all cells and wait until the stack is at rest."""
    orders, known = {}, {}
    paths = write_documents(folder / "in", len(table), words=WORDS, seed=4)
    for number, (cell, path) in enumerate(zip(table, paths, strict=True)):
        job = open_job(rig, cell)
        known[str(cell)] = job
        orders[str(cell)] = rig.gates.kill(cell.gate, cell.who, job)
        ingest_files(rig.services, job, list(walk([_file(cell, path, number)], 1 << 30, rig.settings.data_dir)))
    outcomes = {name: rig.wait(job, seconds) for name, job in known.items()}
    for job in known.values():
        rig.assert_at_rest(job)
    starts = {name: most_starts(rig, job) for name, job in known.items()}
    assert eventually(lambda: rig.state().level == "ready")
    return Crashes(
        rig=rig,
        history=read_history(gates_of(rig.settings.data_dir).with_name("history")),
        jobs=known,
        outcomes=outcomes,
        starts=starts,
        unused=[name for name, order in orders.items() if order.exists()],
        restarts=sum(process.restarts for process in rig.state().processes),
    )


def most_starts(rig: FlowRig, job: str) -> dict[str, int]:
    """The most starts of a task by stage."""
    most: dict[str, int] = {}
    for row in rig.tasks_of(job):
        most[row.stage] = max(row.starts, most.get(row.stage, 0))
    return most


def open_job(rig: FlowRig, cell: Cell) -> str:
    """Open a job for the cell: one of the workflow `redacted` for the declared stage."""
    plan = plan_for(rig.services, "redacted", None) if cell.kind == "redacted" else PLAIN
    with writing(rig.services.catalog) as connection:
        job = Job("documents", "redacted" if plan.own else "ingest", 5, plan)
        return jobs.create(connection, job, uuid4().hex[:8], 1000).id


def _file(cell: Cell, path: Path, number: int) -> Path:
    return _write_fax(path.with_suffix(".tif"), number) if cell.kind == "scan" else path


def _write_fax(path: Path, number: int) -> Path:
    """A picture of two pages with a line each, so that its OCR is two tasks."""
    pages = []
    for page in ("one", "two"):
        image = Image.new("L", (700, 90), 255)
        font = ImageFont.load_default(size=32)
        ImageDraw.Draw(image).text((30, 25), f"The keeper of lighthouse {number} on day {page}", fill=0, font=font)
        pages.append(image)
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path
