"""The work of a job, done and left, in units of one chunk that is embedded.

Files of equal size differ a hundredfold in it. What has been read is counted. What has not been read yet is assumed to
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
"""Letters at the end of a source in which its suffix is searched; more would hold too much of the file's name."""

LONG_SUFFIXES = {
    suffix[-SUFFIX_LENGTH:]: suffix for row in BUILTIN for suffix in row.suffixes if len(suffix) > SUFFIX_LENGTH
}
"""Suffixes that are longer, by their end."""

KNOWN = {suffix for row in BUILTIN for suffix in row.suffixes}
UNKNOWN = 0.2
"""Suffixes of supported formats; the part of all other files that turns out to be text."""

UNKNOWN_KB = 500.0
"""So much of a file of any other kind counts at most: hardly any large one is text."""

TRUST_KB = 10.0
"""So many kilobytes of a kind must be read before what they held counts as much as what is usual."""

TRUST_FILES = 1.0
"""The same for how many pages of a file OCR reads, and how many files cannot be read at all."""


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """Documents of a job with the same ending of their sources and the same state: sums over them.

    Args:
        tail: the last letters of their sources, the suffix within.
        outcome: their outcome in the job; None while they are not done.
        state: the state of their attempts; None without an attempt.
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
        """Kilobytes to read, as far as they may be text."""
        return (self.bytes if self.kind in KNOWN else self.first_bytes) / 1000

    @property
    def is_over(self) -> bool:
        """Whether no work was done or will be: the documents failed, were cancelled or had not changed."""
        return self.outcome not in (None, "completed")

    @property
    def is_cut(self) -> bool:
        """Whether the number of chunks is known."""
        return self.outcome == "completed" or (self.outcome is None and self.state in ACTIVE[3:])


@dataclass(frozen=True, slots=True)
class Workload:
    """Work done and left, in chunks."""

    done: float
    left: float


def workload(groups: Iterable[DocumentGroup], more: float = 0.0) -> Workload:
    """Compute the work of a job that is done, and what is left.

    Args:
        groups: its documents.
        more: so many times as much is not ingested yet; it is assumed to be like these documents.
    """
    kinds: dict[str, list[DocumentGroup]] = defaultdict(list)
    for group in groups:
        kinds[group.kind].append(group)
    workloads = [_of_kind(kind, alike) for kind, alike in kinds.items()]
    done, left = sum(work.done for work in workloads), sum(work.left for work in workloads)
    return Workload(done, left + (done + left) * more)


def _of_kind(kind: str, groups: Sequence[DocumentGroup]) -> Workload:
    cut = [group for group in groups if group.is_cut]
    coming = [group for group in groups if not group.is_cut and not group.is_over]
    failed = sum(group.documents for group in groups if group.outcome == "failed")
    ocr_pages, chunks_per_kb = _ocr_pages(kind, [*cut, *coming]), _chunks_per_kb(kind, cut, failed)
    left = sum(map(_left, cut)) + sum(_guess(group, ocr_pages, chunks_per_kb) for group in coming)
    return Workload(sum(map(_done, groups)), left)


def _done(group: DocumentGroup) -> float:
    if group.is_over:
        return 0.0
    read = OCR_PAGE * max(group.ocr_pages - group.ocr_left, 0)
    return read + (FILE * group.documents + group.chunks - _left(group) if group.is_cut else _reading(group))


def _reading(group: DocumentGroup) -> float:
    """Work that reading has done for documents that are not cut yet: half of the fixed work of a document."""
    return FILE / 2 * group.documents if group.state == "chunking" else 0.0


def _left(group: DocumentGroup) -> float:
    if group.outcome == "completed":
        return 0.0
    return group.chunks - (1 - UPSERT) * group.embedded - UPSERT * group.upserted


def _guess(group: DocumentGroup, ocr_pages: float, chunks_per_kb: float) -> float:
    """Work left for documents that are not cut yet; once a file is read, its pages for OCR are known."""
    pages = group.ocr_left + ocr_pages * group.unread
    return FILE * group.documents - _reading(group) + OCR_PAGE * pages + chunks_per_kb * group.kilobytes


def _chunks_per_kb(kind: str, cut: Sequence[DocumentGroup], failed: int) -> float:
    usual = PER_KB.get(kind, TEXT_PER_KB)
    read_kb, chunks = sum(group.kilobytes for group in cut), sum(group.chunks for group in cut)
    files = sum(group.documents for group in cut)
    may_be_read = 1.0 if kind in KNOWN else UNKNOWN
    readable = (TRUST_FILES * may_be_read + files) / (TRUST_FILES + files + failed)
    return readable * (TRUST_KB * usual + chunks) / (TRUST_KB + read_kb)


def _ocr_pages(kind: str, groups: Sequence[DocumentGroup]) -> float:
    usual = 1.0 if kind in IMAGES else 0.0
    files, pages = sum(group.documents - group.unread for group in groups), sum(group.ocr_pages for group in groups)
    return (TRUST_FILES * usual + pages) / (TRUST_FILES + files)
