"""Map a stage's name to the function that runs it in this worker. Stages of plug-ins come from the registry."""

from __future__ import annotations

from functools import partial

from pipeline.engine.process import Runtime
from pipeline.stages import chunk, custom, embed, extract, finalize, ocr, upsert
from pipeline.stages.done import Work

__all__ = ["work_of"]


def work_of(process: Runtime, stage: str) -> Work:
    """Return the function that runs a stage in this process; declared stages share one, which finds them by name."""
    built_in: dict[str, Work] = {
        "extract": partial(extract.work, sandbox=process.sandbox),
        "ocr": partial(ocr.work, sandbox=process.sandbox),
        "chunk": chunk.work,
        "embed": embed.work,
        "upsert": upsert.work,
        "finalize": finalize.work,
    }
    return built_in.get(stage, custom.work)
