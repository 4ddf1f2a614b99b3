"""Measure how long after a cancel in the middle of OCR nothing of the job is at work any more.

    python bench/cancel_ocr.py [--trials 20]

A scan of eight dense pages is ingested; one to three seconds after OCR has begun its job is cancelled. Timed is until
no task and no message of it is left, and no process that the workers have started uses the processor.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from flow_rig import FlowRig, stack_on
from flow_tools import eventually

from pipeline.task_manager import TaskManager

PAGES, LINES, WORDS = 8, 75, 22
BUSY_PERCENT = 20
LOOK_S = 0.2


def main() -> None:
    """Cancel one scan after the other, and print the percentiles."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=20)
    trials = options.parse_args().trials
    with (
        tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name,
        stack_on(Path(name) / "data", dead_after_s=8.0) as rig,
    ):
        seconds = sorted(cancelled(rig, Path(name) / f"{seed}.tif", seed) for seed in range(trials))
    middle, high = seconds[trials // 2], seconds[max(int(trials * 0.95) - 1, 0)]
    print(f"{trials} cancels: p50 {middle:.2f} s, p95 {high:.2f} s, longest {seconds[-1]:.2f} s")


def cancelled(rig: FlowRig, path: Path, seed: int) -> float:
    """Seconds from the cancel of a scan that is being read until nothing is at work on it."""
    chance = random.Random(seed)
    write_pages(path, chance)
    job = rig.submit(path, collection="scans")
    assert eventually(lambda: any(task.stage == "ocr" and task.state == "running" for task in rig.tasks_of(job)))
    time.sleep(chance.uniform(1, 3))
    began = time.monotonic()
    TaskManager(rig.services).cancel(job)
    assert eventually(lambda: is_at_rest(rig, job)), rig.describe(job)
    return time.monotonic() - began


def is_at_rest(rig: FlowRig, job: str) -> bool:
    """Whether no task and no message is left, and nothing that the workers have started computes."""
    if rig.messages() or any(task.state != "done" for task in rig.tasks_of(job)):
        return False
    started = [child for process in rig.processes("extract") for child in process.children(recursive=True)]
    return not any(child.cpu_percent(LOOK_S) > BUSY_PERCENT for child in started)


def write_pages(path: Path, chance: random.Random) -> None:
    """A scan of dense pages at 300 dots an inch, each of which Tesseract reads for seconds."""
    font, pages = ImageFont.load_default(size=28), []
    for _ in range(PAGES):
        page = Image.new("L", (2480, 3508), 255)
        for line in range(LINES):
            words = ("".join(chance.choices(string.ascii_lowercase, k=chance.randint(3, 9))) for _ in range(WORDS))
            ImageDraw.Draw(page).text((150, 120 + line * 44), " ".join(words), fill=0, font=font)
        pages.append(page)
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")


if __name__ == "__main__":
    main()
