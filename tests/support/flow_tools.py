"""Small things that the tests of the flow need: documents to ingest, bounded waiting, stopping a process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import redis
from PIL import Image, ImageDraw, ImageFont


def write_documents(folder: Path, number: int, words: int = 120, seed: int = 1) -> list[Path]:
    """Small texts of invented words, each different from all others."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    known = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(2000)]
    paths = [folder / f"letter-{position:03}.txt" for position in range(number)]
    for position, path in enumerate(paths):
        text = " ".join(chance.choices(known, k=chance.randint(words // 2, words * 3 // 2)))
        path.write_text(f"Letter {position} of series {seed}. {text}\n", "utf-8")
    return paths


def write_scan(path: Path, number: int) -> None:
    """A picture of two lines, which OCR reads in a moment."""
    image = Image.new("L", (1000, 200), 255)
    text = f"The keeper of lighthouse {number} writes down\nwho passed in the night before."
    ImageDraw.Draw(image).text((40, 40), text, fill=0, font=ImageFont.load_default(size=32), spacing=20)
    image.save(path)


def eventually(what: Callable[[], object], seconds: float = 120.0, pause: float = 0.05) -> bool:
    """Whether the condition becomes true within a limit that only a hang reaches.

    Polling takes a tenth of one core at most: what is waited for runs on the same cores.
    """
    deadline = time.monotonic() + seconds
    while (began := time.monotonic()) < deadline:
        # A connection fails while Redis itself is being killed.
        with suppress(redis.exceptions.ConnectionError):
            if what():
                return True
        time.sleep(max(pause, min(9 * (time.monotonic() - began), 1.0)))
    return bool(what())


def kill_all(found: Iterable[psutil.Process]) -> None:
    """Kill processes that were found a moment ago: one may have ended since."""
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@contextmanager
def writes_on(path: Path) -> Iterator[None]:
    """A thread writes to a file all the time."""

    def write() -> None:
        with path.open("a") as file:
            file.write("and on ")

    with repeated(write, 0.004):
        yield


@contextmanager
def repeated(action: Callable[[], object], pause_s: float) -> Iterator[None]:
    """A thread does this again and again, as long as the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(pause_s):
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def lives(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cmdline(process: psutil.Process) -> list[str]:
    """The process's command line; empty if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
