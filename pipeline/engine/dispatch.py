"""Which function does a stage's work."""

from __future__ import annotations

from functools import partial

from pipeline.engine.executor import Stage
from pipeline.engine.process import Runtime
from pipeline.stages import chunk, custom, embed, extract, finalize, ocr, upsert

__all__ = ["body_of"]


def body_of(here: Runtime, stage: str) -> Stage:
    """What a stage does, in this process; what the engine does not know is somebody's own."""
    bodies: dict[str, Stage] = {
        "extract": partial(extract.work, sandbox=here.sandbox),
        "ocr": partial(ocr.work, sandbox=here.sandbox),
        "chunk": chunk.work,
        "embed": embed.work,
        "upsert": upsert.work,
        "finalize": finalize.work,
    }
    return bodies.get(stage, custom.work)
