"""Sidecars: files with metadata, beside the files of documents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import BadSidecar
from pipeline.ingest.request import read_json
from pipeline.ingest.roots import open_within
from pipeline.ingest.walk import Candidate, source_of
from pipeline.plan import Plan

__all__ = ["sidecar_metadata", "without_sidecars"]

LARGEST_SIDECAR = 1 << 20


def without_sidecars(plan: Plan, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield the candidates without sidecars. A sidecar whose file exists is replaced by that file."""
    suffix = plan.sidecar.get("suffix")
    if not suffix:
        yield from candidates
        return
    seen: set[str] = set()
    for candidate in candidates:
        base, document = Path(str(candidate.path).removesuffix(suffix)), candidate
        if base != candidate.path and base.is_file():
            document = replace(candidate, path=base, source=source_of(base), size=base.stat().st_size, problem=None)
        if document.source not in seen:
            seen.add(document.source)
            yield document


def sidecar_metadata(plan: Plan, path: Path, within: Sequence[Path] | None = None) -> Mapping[str, Any]:
    """Read the metadata beside a file, as the plan's sidecar names it; empty if there is none.

    Args:
        plan: the job's plan.
        path: the file.
        within: folders below one of which the sidecar must lie, as its candidate says; None for anywhere.

    Raises:
        OutsideRoot: it lies outside.
        BadSidecar: it is no JSON object, or too large.
    """
    suffix = plan.sidecar.get("suffix")
    if not suffix:
        return {}
    try:
        with os.fdopen(open_within(path.with_name(path.name + suffix), within), "rb") as file:
            data = file.read(LARGEST_SIDECAR + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSidecar(f"The metadata beside the file cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_SIDECAR:
        raise BadSidecar("The metadata beside the file has more than a megabyte.")
    try:
        metadata = read_json(data)
    except (ValueError, RecursionError) as error:
        raise BadSidecar("The metadata beside the file is no JSON.") from error
    if not isinstance(metadata, dict):
        raise BadSidecar("The metadata beside the file is no JSON object.")
    return metadata
