"""Stages: one that fails as the text says, one that counts words, one that leaves out chunks."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from pipeline import About, Chunk, Document, stage


@stage(queue="trouble")
def trouble(document: Document, about: About, *, hold: str = "") -> Document:
    """Fail, wait or die as the text says; it waits as long as the file `hold` is there."""
    while hold and Path(hold).exists():
        time.sleep(0.02)
    if "please-raise" in document.text:
        raise ValueError("I do not like this document")
    if "please-exit" in document.text:
        sys.exit(3)
    if "give-nothing" in document.text:
        return None  # type: ignore[return-value]
    if "please-die-once" in document.text:
        mark = Path(about.source + ".died")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif "please-die" in document.text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "come-later" in document.text:
        mark = Path(about.source + ".tried")
        if not mark.exists():
            mark.touch()
            raise ConnectionError("not yet")
    return document.rewritten(
        lambda text: [(at, at + 3, "dog") for at in range(len(text)) if text.startswith("cat", at)]
    )


@stage(queue="words")
def count_words(chunks: list[Chunk], about: About, *, at_least: int = 0) -> list[Chunk]:
    """Add the number of words; chunks with fewer than `at_least` words are left out."""
    counted = [replace(chunk, metadata={"words": len(chunk.text.split()), "of": about.title}) for chunk in chunks]
    return [chunk for chunk in counted if chunk.metadata["words"] >= at_least]
