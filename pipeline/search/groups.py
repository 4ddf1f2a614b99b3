"""Hits by document: the best passage of each, with further passages of the same document below it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.results import Hit, Passage

__all__ = ["SHOWN", "by_document"]

SHOWN = 3
"""Further passages that a hit lists, at most."""


def by_document(hits: Sequence[Hit]) -> list[Hit]:
    """Put hits of the same document together, in the order of their best passages.

    Returns:
        The best hit of each document; `passages` counts those of the document among the hits.
    """
    passages: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        passages.setdefault((hit.collection, hit.document_id), []).append(hit)
    return [_group(best, further) for best, *further in passages.values()]


def _group(best: Hit, further: Sequence[Hit]) -> Hit:
    shown = [Passage(**{name: getattr(hit, name) for name in Passage.model_fields}) for hit in further[:SHOWN]]
    return best.model_copy(update={"passages": 1 + len(further), "further": shown})
