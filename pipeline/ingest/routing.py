"""What intake does for a workflow's first words: routes to collections by the kind of file, and metadata beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from extractors.errors import ExtractError
from extractors.options import Options
from extractors.sniff import sniff
from pipeline.errors import BadSidecar
from pipeline.ingest.request import read_json
from pipeline.ingest.roots import open_within
from pipeline.ingest.walk import Candidate, source_of
from pipeline.plan import Plan

__all__ = ["media_type_of", "routed_collection", "sidecar_metadata", "without_sidecars"]

LARGEST_SIDECAR = 1 << 20


def routed_collection(plan: Plan, media_type: str | None) -> str | None:
    """The collection that the plan's route names for this kind of file; None for the job's own."""
    for pattern, collection in plan.route.get("collections", {}).items():
        if media_type is not None and fnmatchcase(media_type, pattern):
            return str(collection)
    otherwise = plan.route.get("otherwise")
    return str(otherwise) if otherwise else None


def media_type_of(source: str, content: bytes | Path, options: Options) -> str | None:
    """What a file is by its content; its name decides between kinds of text. None for what cannot be read anyway."""
    with tempfile.TemporaryDirectory(prefix="docrelay-") as folder:
        named = Path(folder) / f"file{PurePath(source).suffix[:16]}"
        if isinstance(content, Path):
            named.symlink_to(content.absolute())
        else:
            named.write_bytes(content)
        try:
            return sniff(named, options)
        except (ExtractError, OSError):
            return None


def without_sidecars(plan: Plan, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """The candidates, sidecars left out: one that is named stands for the file that it lies beside."""
    suffix = plan.sidecar.get("suffix")
    if not suffix:
        yield from candidates
        return
    seen: set[str] = set()
    for one in candidates:
        base = Path(str(one.path).removesuffix(suffix))
        found = one
        if base != one.path and base.is_file():
            found = replace(one, path=base, source=source_of(base), size=base.stat().st_size, problem=None)
        if found.source not in seen:
            seen.add(found.source)
            yield found


def sidecar_metadata(plan: Plan, path: Path, within: Sequence[Path] | None = None) -> Mapping[str, Any]:
    """The metadata that lies beside a file, as the plan's sidecar names it; empty where there is none.

    Args:
        plan: the job's plan.
        path: the file.
        within: folders that its sidecar must not lead out of, as its candidate says.

    Raises:
        OutsideRoot: it does.
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
        told = read_json(data)
    except (ValueError, RecursionError) as error:
        raise BadSidecar("The metadata beside the file is no JSON.") from error
    if not isinstance(told, dict):
        raise BadSidecar("The metadata beside the file is no JSON object.")
    return told
