"""Globs over source URIs, resolved to the exact sources that a collection holds.

No engine filters by glob. It is resolved against the distinct sources instead (a facet over the keyword index:
20,000 points with 2,000 sources in 30 ms), so that counts, deletes and limits stay exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

__all__ = ["is_exact", "matches", "select"]


def is_exact(glob: str) -> bool:
    """Whether `glob` is a whole URI without wildcards: it can only match itself."""
    return "://" in glob and not any(mark in glob for mark in "*?[")


def matches(source: str, glob: str) -> bool:
    """Whether a glob matches a source URI.

    `*` also crosses folders. A glob that does not start at the root may begin at any folder: `*.pdf`,
    `reports/*` and `letter.txt` all match `file:///home/me/reports/letter.txt` or files like it.
    A source always matches itself, whatever wildcards its name holds.
    """
    glob = glob.removeprefix("./")
    if glob in (source, "*"):
        return True
    path = _path(source)
    return any(fnmatchcase(text, pattern) for text in (path, source) for pattern in (glob, f"*/{glob}"))


def select(sources: Iterable[str], globs: Iterable[str]) -> list[str]:
    """Return the sources that at least one glob matches, sorted."""
    wanted = tuple(globs)
    return sorted({source for source in sources if any(matches(source, glob) for glob in wanted)})


def _path(source: str) -> str:
    """The path as users write it: without scheme, host and percent signs."""
    parts = urlsplit(source)
    return unquote(parts.path) if parts.scheme and "://" in source else source
