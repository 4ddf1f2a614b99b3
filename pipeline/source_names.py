"""Names of sources as users type them.

One name can be spelled in two ways: macOS writes "Ü" of a file name as "U" and a combining mark (NFD), keyboards and
most other systems write one character (NFC). Both are the same name here. A name that exists is that name, whatever
signs of a pattern it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

__all__ = ["ascii_prefix", "composed", "is_exact", "literals", "marks", "matcher", "select", "spelling_of"]

RUN = re.compile("[A-JL-Za-z0-9._~/-]+")
"""Characters that every spelling of a name has: in NFC, U+212A becomes a K."""

MOST_LITERALS = 4

CHOICE = re.compile(r"\[!?\]?[^\]]*\]|[*?]")
"""A choice of characters in a pattern, or a sign for any."""


def composed(name: str) -> str:
    """The name in NFC, in which names are compared."""
    return name if name.isascii() else normalize("NFC", name)


def is_exact(name: str) -> bool:
    """Whether `name` is a whole URI without wildcards: it can only match itself."""
    return name.isascii() and "://" in name and not any(mark in name for mark in "*?[")


def select(sources: Iterable[str], globs: Iterable[str]) -> list[str]:
    """Return the sources that at least one name or pattern means, sorted.

    `*` also crosses folders. A name or pattern that does not start at the root may begin at any folder: `*.pdf`,
    `reports/*` and `letter.txt` all match `file:///home/me/reports/letter.txt` or files like it.

    A name that a source has means this source and is no pattern; where a source matches with the brackets of a
    pattern taken as they are written, brackets are no choice of characters.
    """
    known = {source: _names(source) for source in sources}
    chosen: set[str] = set()
    for glob in globs:
        name = composed(glob).removeprefix("./")
        found = ({source for source, names in known.items() if is_meant(names, name)} for is_meant in READINGS)
        chosen |= next(filter(None, found), set())
    return sorted(chosen)


def matcher(sources: Iterable[str], glob: str) -> Callable[[str], bool]:
    """Return whether one of these sources is meant, as `select` has it; the sources are read once and not kept."""
    name = composed(glob).removeprefix("./")
    first = len(READINGS) - 1
    for source in sources:
        names = _names(source)
        first = next((place for place in range(first) if READINGS[place](names, name)), first)
        if not first:
            break
    return lambda source: READINGS[first](_names(source), name)


def literals(glob: str) -> tuple[str, ...]:
    """The longest texts that every source has that a name or pattern means, unless it has percent signs."""
    name = composed(glob).removeprefix("./")
    runs = {run for part in CHOICE.split(name) for run in RUN.findall(part)}
    return tuple(sorted(runs, key=lambda run: (-len(run), run))[:MOST_LITERALS])


def marks(glob: str) -> tuple[str, ...]:
    """The signs of a pattern in a name: a source that has none of them can be meant by the pattern alone."""
    return tuple(mark for mark in "*?[" if mark in glob)


def spelling_of(source: str, name: str) -> str | None:
    """How a source spells a path or URI that is its own name or that of a folder above it; None if it is neither."""
    depth = name.rstrip("/").count("/") + 1
    beginning = "/".join(source.split("/")[:depth])
    return beginning if composed(beginning) == composed(name.rstrip("/")) else None


def ascii_prefix(name: str) -> str:
    """What every spelling of the name begins with."""
    whole = composed(name)
    return whole[: next((index for index, char in enumerate(whole) if not char.isascii()), len(whole))]


def _names(source: str) -> tuple[str, ...]:
    """What a source is called: the URI, and its path as users write it, without scheme, host and percent signs."""
    path = source
    # Brackets after `://`, as in `upload://[draft].pdf`, are no address to urlsplit, which raises ValueError.
    with suppress(ValueError):
        parts = urlsplit(source) if "://" in source else None
        path = unquote(parts.path) if parts and parts.scheme else source
    return tuple(dict.fromkeys((composed(path), composed(source))))


def _has_name(names: tuple[str, ...], name: str) -> bool:
    return any(known == name or known.endswith(f"/{name}") for known in names)


def _matches_brackets(names: tuple[str, ...], pattern: str) -> bool:
    return "[" in pattern and _matches_pattern(names, pattern.replace("[", "[[]"))


def _matches_pattern(names: tuple[str, ...], pattern: str) -> bool:
    return any(fnmatchcase(known, wanted) for known in names for wanted in (pattern, f"*/{pattern}"))


READINGS = (_has_name, _matches_brackets, _matches_pattern)
"""What a name that a user types may mean; the first reading by which a source is meant counts."""
