"""Make `ocr_folder.tar.xz` and `ocr_folder.json`: a data folder of version 0.1.0, killed in the middle of its OCR.

Made by the same commit as `first_folder.tar.xz`, in the same way, and never made again:

    git worktree add --detach /tmp/first c3ac33e
    cd /tmp/first && PYTHONPATH=/tmp/first python …/tests/data/make_ocr_folder.py

It holds three jobs, each of one document of scanned pages, some of whose OCR tasks are done: one of the default
workflow, one whose batch has a plan with options, and one whose batch has a plan with a stage and a chunker of a
plug-in (`tests/support/plugin_package`). The older version then went on with a copy of the folder: the JSON file says
with what result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import make_first_folder as first
from PIL import Image, ImageDraw, ImageFont

PLUG_IN = first.HERE.parent / "support" / "plugin_package"
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
DPI = 150
PAGES = 5

WORKFLOWS: dict[str, tuple[object, ...]] = {
    "plain": (),
    "masked": ("-w", "redacted", "--option", "mask=(hidden)", "--option", 'kinds=["iban"]'),
    "counted": ("-w", "counted"),
}
"""Options of each job by its collection."""

LINES = (
    "Page {page} in a harbour book, {name}.",
    "The lighthouse keeper counts ships on day {page}.",
    "Fees on day {page} are paid to DE89 3704 0044 0532 0130 00.",
    "Signed below.",
)
POINTS = """SELECT sum(versions.chunks) FROM versions JOIN documents ON documents.live_version_id = versions.id
    WHERE documents.collection = ?"""
OCR = """SELECT tasks.state FROM tasks JOIN batches ON batches.id = batch_id
    WHERE batches.job_id = ? AND stage = 'ocr'"""


def draw(name: str, page: int) -> Image.Image:
    """A page with large black letters, which every version of Tesseract reads in the same way."""
    image = Image.new("1", (8 * DPI, 5 * DPI), 1)
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 36)
    for number, line in enumerate(LINES):
        pen.text((DPI, DPI // 2 + 130 * number), line.format(page=page, name=name), 0, font)
    return image


def prepare() -> None:
    shutil.rmtree(first.BASE, ignore_errors=True)
    first.LOG.mkdir(parents=True)
    for name in WORKFLOWS:
        (first.SOURCES / name).mkdir(parents=True)
        pages = [draw(name, page) for page in range(1, PAGES + 1)]
        path = first.SOURCES / name / f"{name}.pdf"
        pages[0].save(path, "PDF", resolution=DPI, save_all=True, append_images=pages[1:])


def install(target: Path) -> None:
    """Put the plug-in on the path of every process."""
    copy = target.with_name("plug-in")
    shutil.copytree(PLUG_IN, copy)
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*line, "--disable-pip-version-check", "--target", target, copy], check=True)
    os.environ["PYTHONPATH"] = f"{target}{os.pathsep}{os.environ['PYTHONPATH']}"


def is_half_read(job: str) -> bool:
    states = [state for (state,) in first.rows(OCR, job)]
    return len(states) == PAGES and 0 < states.count("done") < PAGES


def interrupted() -> dict[str, str]:
    """Kill each job in the middle; without their messages, those before it stay as they are."""
    jobs = {}
    with first.own_redis() as connection:
        for name, options in WORKFLOWS.items():
            connection.flushall()
            jobs[name] = first.ingest(name, *options, "--no-wait", REDIS_URL=first.REDIS_URL)["job"]
            first.work("extract")
            first.until(partial(first.caught, partial(is_half_read, jobs[name])), 600, 0.001)
            first.kill_all()
    assert all(map(is_half_read, jobs.values()))
    return jobs


def pack(path: Path) -> None:
    for name in ("logs", "run"):
        shutil.rmtree(first.DATA / name, ignore_errors=True)
    for name in ("catalog.db", "cache.db"):
        if (first.DATA / name).exists():
            connection = sqlite3.connect(first.DATA / name)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
    line = ["tar", "--sparse", "--owner=0", "--group=0", "--numeric-owner", "-cJf", path]
    subprocess.run([*line, "-C", first.BASE, "data"], check=True)


def ended(jobs: dict[str, str]) -> dict[str, Any]:
    """What the older version made of the folder: answers by collection."""
    up = first.start("up", "up")
    finished = "SELECT 1 FROM jobs WHERE id = ? AND finished_at IS NOT NULL"
    for job in jobs.values():
        first.until(lambda job=job: first.rows(finished, job), 600)
    answers = {}
    for name, job in jobs.items():
        ((document,),) = first.rows("SELECT id FROM documents WHERE collection = ?", name)
        words = ("-c", name, "--limit", "50", "--mode", "dense")
        answers[name] = {
            "status": first.run("status", job),
            "document": first.without_times(first.run("status", document)),
            "hits": first.run("search", "harbour", *words)["hits"],
            "points": first.rows(POINTS, name)[0][0],
        }
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    return answers


def main() -> None:
    for setting in ("WATCH", "API_ROOTS", "WEBHOOK_PRIVATE"):
        del first.SETTINGS[setting]
    first.SETTINGS["OCR_GROUP_PAGES"] = "1"
    recording: dict[str, Any] = {"version": first.VERSION, "commit": first.COMMIT, "made_at": time.time()}
    recording |= {"settings": first.SETTINGS, "redis": []}
    prepare()
    install(first.BASE / "site")
    try:
        recording["interrupted"] = interrupted()
        recording["plans"] = {
            name: [plan for (plan,) in first.rows("SELECT plan FROM batches WHERE job_id = ?", job)]
            for name, job in recording["interrupted"].items()
        }
        pack(first.HERE / "ocr_folder.tar.xz")
        recording["ended"] = ended(recording["interrupted"])
    finally:
        first.kill_all()
    text = json.dumps(recording, indent=1, sort_keys=True, ensure_ascii=False)
    (first.HERE / "ocr_folder.json").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
