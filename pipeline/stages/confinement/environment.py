"""The environment of the process that reads files: what Python and Tesseract need, and no secret of Docrelay."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from pathlib import Path

__all__ = ["environment"]

KEPT = ("PATH", "LANG", "LANGUAGE", "TZ", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")
KEPT_PREFIXES = ("LC_", "OMP_", "PYTHON", "DOCRELAY_TEST_")
SET = {"OMP_THREAD_LIMIT": "1", "MALLOC_ARENA_MAX": "2"}


def environment(outside: Mapping[str, str], folder: Path | None) -> dict[str, str]:
    """The variables for the child.

    Args:
        outside: those of this process.
        folder: the child's own, for temporary files; None where there is no room for one.
    """
    kept = {name: value for name, value in outside.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    kept.update(SET, PYTHONPATH=os.pathsep.join(_import_paths(outside)), PYTHONSAFEPATH="1")
    if site.ENABLE_USER_SITE:
        kept["PYTHONUSERBASE"] = site.getuserbase()
    if folder is not None:
        kept |= {"TMPDIR": str(folder), "HOME": str(folder)}
    return kept


def _import_paths(outside: Mapping[str, str]) -> list[str]:
    """Where the child finds Docrelay and what the user has added: no working directory, which it does not share."""
    root = Path(__file__).absolute().parents[3]
    added = [str(Path(path).absolute()) for path in outside.get("PYTHONPATH", "").split(os.pathsep) if path]
    return added if root.name in ("site-packages", "dist-packages") else list(dict.fromkeys([str(root), *added]))
