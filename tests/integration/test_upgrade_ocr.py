"""A data folder of version 0.1.0, killed while scanned pages were read by OCR: today's code goes on with it.

What version 0.1.0 itself made of the folder is recorded beside it; the result of today is compared with that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cli_rig import PATIENCE_S, Cli, cli_on
from first_folder import FirstFolder, first_folder, same
from flow_tools import eventually
from plugin_rig import installed

PAGES = 5
PLANS = "SELECT plan FROM batches WHERE job_id = ? AND plan IS NOT NULL"
OCR_TASKS = """SELECT tasks.id, tasks.starts, tasks.state FROM tasks JOIN batches ON batches.id = batch_id
    WHERE batches.job_id = ? AND stage = 'ocr'"""
FINISHED = "SELECT count(*) FROM events WHERE job_id = ? AND kind = 'job.finished'"

STEPS = {"plain": [], "masked": ["redact"], "counted": ["count_words"]}
"""Stages in the stored plan of each scan's batch, by collection; those of `counted` come from a plug-in."""


@dataclass(frozen=True)
class Upgraded:
    """Today's stack on the folder, and the OCR tasks that were done before: {task: number of its starts}."""

    folder: FirstFolder
    cli: Cli
    done_before: dict[str, dict[str, int]]


def done_tasks(folder: FirstFolder, collection: str) -> dict[str, int]:
    """OCR tasks of a job that are done: {task: number of its starts}."""
    tasks = folder.rows(OCR_TASKS, folder.recorded["interrupted"][collection])
    assert len(tasks) == PAGES
    return {task: starts for task, starts, state in tasks if state == "done"}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    base = tmp_path_factory.mktemp("ocr")
    with installed(base), first_folder(base, name="ocr_folder", sources=False) as folder:
        done_before = {collection: done_tasks(folder, collection) for collection in STEPS}
        with cli_on(folder.data, **folder.settings) as cli, cli.up():
            yield Upgraded(folder, cli, done_before)


@pytest.mark.parametrize("collection", STEPS)
def test_interrupted_ocr_is_completed_with_the_recorded_result(upgraded: Upgraded, collection: str) -> None:
    folder, cli = upgraded.folder, upgraded.cli
    job, recorded = folder.recorded["interrupted"][collection], folder.recorded["ended"][collection]
    assert eventually(lambda: folder.finished(job), PATIENCE_S), cli.json("status", job)
    assert same(recorded["status"], cli.json("status", job)) == []
    assert recorded["status"]["state"] == "completed"
    assert folder.value(FINISHED, job) == 1
    assert same(recorded["document"], cli.json("status", recorded["document"]["id"])) == []
    hits = cli.json("search", "harbour", "-c", collection, "--limit", "50", "--mode", "dense")["hits"]
    was, now = (sorted(answer, key=lambda hit: str(hit["chunk_id"])) for answer in (recorded["hits"], hits))
    assert same(was, now) == []
    assert cli.count(collection=collection) == recorded["points"] == len(hits)


@pytest.mark.parametrize("collection", STEPS)
def test_finished_ocr_pages_are_not_read_again(upgraded: Upgraded, collection: str) -> None:
    before, job = upgraded.done_before[collection], upgraded.folder.recorded["interrupted"][collection]
    assert 0 < len(before) < PAGES
    assert eventually(lambda: upgraded.folder.finished(job), PATIENCE_S)
    after = done_tasks(upgraded.folder, collection)
    assert len(after) == PAGES
    assert {task: after[task] for task in before} == before


@pytest.mark.parametrize("collection", STEPS)
def test_stored_plan_of_a_batch_is_unchanged(upgraded: Upgraded, collection: str) -> None:
    folder, job = upgraded.folder, upgraded.folder.recorded["interrupted"][collection]
    plans = [plan for (plan,) in folder.rows(PLANS, job)]
    assert plans == [plan for plan in folder.recorded["plans"][collection] if plan is not None]
    steps = [step for plan in map(json.loads, plans) for step in (*plan["documents"], *plan["chunks"])]
    assert [step["stage"] for step in steps] == STEPS[collection]
