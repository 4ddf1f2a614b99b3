"""The stages, one file each: pure functions, and `work`, which loads for them and stores what they give."""

from __future__ import annotations

from functools import partial

from pipeline.flow import Stage
from pipeline.runtime import Runtime
from pipeline.stages import chunk, embed, extract, finalize, ocr, upsert

__all__ = ["bodies"]


def bodies(here: Runtime) -> dict[str, Stage]:
    """What each stage does, in this process."""
    return {
        "extract": partial(extract.work, sandbox=here.sandbox),
        "ocr": partial(ocr.work, sandbox=here.sandbox),
        "chunk": chunk.work,
        "embed": embed.work,
        "upsert": upsert.work,
        "finalize": finalize.work,
    }
