"""Numbers of pages in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

__all__ = ["page_list"]

SHOWN_RANGES = 20
"""So many ranges of pages are named in one sentence at most."""


def page_list(numbers: Iterable[int]) -> str:
    """Name pages: "Page 3", "Pages 3, 5-7"."""
    ordered = sorted(set(numbers))
    starts = [ordered[0], *(after for before, after in pairwise(ordered) if after != before + 1)]
    ends = [*(before for before, after in pairwise(ordered) if after != before + 1), ordered[-1]]
    ranges = [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    more = f" and {len(ordered)} in all" if len(ranges) > SHOWN_RANGES else ""
    return f"{'Page' if len(ordered) == 1 else 'Pages'} {', '.join(ranges[:SHOWN_RANGES])}{more}"
