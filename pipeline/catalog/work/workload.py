"""How much work a job is, done and left, in units of one chunk that is embedded.

Files of equal size differ a hundredfold in it. What has been read is counted. What has not been read yet is taken to
be like what has been read of its kind, which is its suffix, and as long as there is little of that, like what is usual
for such files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from extractors.registry import BUILTIN
from pipeline.names import ACTIVE

__all__ = ["LONG_SUFFIXES", "SUFFIX_LENGTH", "UNKNOWN_KB", "DocumentGroup", "Workload", "workload"]

FILE = 0.4
"""Work of a document whatever it holds: what is done for it took 17 ms, embedding a chunk 47 ms (two cores, MiniLM)."""

OCR_PAGE = 100.0
"""Work of a page that OCR reads: 4.6 s of a core where a chunk took 47 ms."""

UPSERT = 0.1
"""Part of a chunk's work that is left when it is embedded."""

TEXT_PER_KB = 1.5
"""Chunks of a kilobyte of plain text, and of what is like it."""

IMAGES = tuple(suffix for row in BUILTIN if row.media_types[0].startswith("image/") for suffix in row.suffixes)
"""Files that are one page for OCR."""

PER_KB = {".pdf": 0.1, ".docx": 0.05, **dict.fromkeys(IMAGES, 0.01)}
"""Chunks of a kilobyte where a file holds more than its text."""

SUFFIX_LENGTH = 6
"""Letters at the end of a source in which its suffix is looked for; with more, too much of names would be in them."""

LONG_SUFFIXES = {
    suffix[-SUFFIX_LENGTH:]: suffix for row in BUILTIN for suffix in row.suffixes if len(suffix) > SUFFIX_LENGTH
}
"""Suffixes that are longer, by their end."""

KNOWN = {suffix for row in BUILTIN for suffix in row.suffixes}
UNKNOWN = 0.2
"""Suffixes of formats that are read here; how many of all other files turn out to be text."""

UNKNOWN_KB = 500.0
"""So much of a file of any other kind counts at most: hardly any large one is text."""

TRUST_KB = 10.0
"""So many kilobytes of a kind must be read before what they held counts as much as what is usual."""

TRUST_FILES = 1.0
"""The same for how many pages of a file OCR reads, and how many files cannot be read at all."""


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """Documents of a job that have the same ending and are as far: sums over them.

    Args:
        tail: the last letters of their sources, the suffix within.
        outcome: what came of them in the job; None while they are under way.
        state: that of their attempts; None without one.
        documents: how many; `unread` of these, whose pages are not known.
        bytes: size of their files; `first_bytes` with at most `UNKNOWN_KB` of each.
        chunks: how many were cut; `embedded` and `upserted` of these.
        ocr_pages: pages that OCR reads or has read in this job, as far as known; `ocr_left` of these.
    """

    tail: str
    outcome: str | None
    state: str | None
    documents: int
    unread: int
    bytes: int
    first_bytes: int
    chunks: int
    embedded: int
    upserted: int
    ocr_pages: int
    ocr_left: int

    @property
    def kind(self) -> str:
        """The suffix of the files, in small letters."""
        tail = self.tail.lower()
        return LONG_SUFFIXES.get(tail) or PurePath("x" + tail).suffix

    @property
    def kilobytes(self) -> float:
        """What there is to read, as far as it may be text."""
        return (self.bytes if self.kind in KNOWN else self.first_bytes) / 1000

    @property
    def is_over(self) -> bool:
        """Whether nothing was done, or will be: what failed, was given up or had not changed."""
        return self.outcome not in (None, "completed")

    @property
    def is_cut(self) -> bool:
        """Whether it is known how many chunks there are."""
        return self.outcome == "completed" or (self.outcome is None and self.state in ACTIVE[3:])


@dataclass(frozen=True, slots=True)
class Workload:
    """Work done and left, in chunks."""

    done: float
    left: float


def workload(piles: Iterable[DocumentGroup], more: float = 0.0) -> Workload:
    """What is done of a job, and what is left of it.

    Args:
        piles: its documents.
        more: so many times as much is not taken in yet; taken to be like what is.
    """
    kinds: dict[str, list[DocumentGroup]] = defaultdict(list)
    for pile in piles:
        kinds[pile.kind].append(pile)
    found = [_of_kind(kind, of_kind) for kind, of_kind in kinds.items()]
    done, left = sum(one.done for one in found), sum(one.left for one in found)
    return Workload(done, left + (done + left) * more)


def _of_kind(kind: str, piles: Sequence[DocumentGroup]) -> Workload:
    cut = [pile for pile in piles if pile.is_cut]
    coming = [pile for pile in piles if not pile.is_cut and not pile.is_over]
    failed = sum(pile.documents for pile in piles if pile.outcome == "failed")
    ocr_pages, chunks_per_kb = _ocr_pages(kind, [*cut, *coming]), _chunks_per_kb(kind, cut, failed)
    left = sum(map(_left, cut)) + sum(_guess(pile, ocr_pages, chunks_per_kb) for pile in coming)
    return Workload(sum(map(_done, piles)), left)


def _done(pile: DocumentGroup) -> float:
    if pile.is_over:
        return 0.0
    read = OCR_PAGE * max(pile.ocr_pages - pile.ocr_left, 0)
    return read + (FILE * pile.documents + pile.chunks - _left(pile) if pile.is_cut else _reading(pile))


def _reading(pile: DocumentGroup) -> float:
    """What reading has done of documents that are not cut yet: half of what is done for any."""
    return FILE / 2 * pile.documents if pile.state == "chunking" else 0.0


def _left(pile: DocumentGroup) -> float:
    if pile.outcome == "completed":
        return 0.0
    return pile.chunks - (1 - UPSERT) * pile.embedded - UPSERT * pile.upserted


def _guess(pile: DocumentGroup, ocr_pages: float, chunks_per_kb: float) -> float:
    """What is left of documents that are not cut yet; once a file is read, its pages for OCR are known."""
    pages = pile.ocr_left + ocr_pages * pile.unread
    return FILE * pile.documents - _reading(pile) + OCR_PAGE * pages + chunks_per_kb * pile.kilobytes


def _chunks_per_kb(kind: str, cut: Sequence[DocumentGroup], failed: int) -> float:
    usual = PER_KB.get(kind, TEXT_PER_KB)
    read_kb, chunks = sum(pile.kilobytes for pile in cut), sum(pile.chunks for pile in cut)
    files = sum(pile.documents for pile in cut)
    may_be_read = 1.0 if kind in KNOWN else UNKNOWN
    readable = (TRUST_FILES * may_be_read + files) / (TRUST_FILES + files + failed)
    return readable * (TRUST_KB * usual + chunks) / (TRUST_KB + read_kb)


def _ocr_pages(kind: str, piles: Sequence[DocumentGroup]) -> float:
    usual = 1.0 if kind in IMAGES else 0.0
    files, pages = sum(pile.documents - pile.unread for pile in piles), sum(pile.ocr_pages for pile in piles)
    return (TRUST_FILES * usual + pages) / (TRUST_FILES + files)
