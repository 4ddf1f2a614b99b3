"""Search: the best chunks for a question, of exactly one version of each document.

The modules, in the order of their work: `request` (what is asked, checked, and the indexes that answer), `vectors` (of
the question, in parts if it is long), `retrieval` (hits of one index), `candidates` (of all collections and parts),
`reranking`, `groups` (hits by document), `highlights`, and `answer`, which calls them.
"""

from __future__ import annotations

from pipeline.search.answer import answer, search
from pipeline.search.request import Question, SearchOptions, find_indexes, metadata_of, resolve_media_types

__all__ = ["Question", "SearchOptions", "answer", "find_indexes", "metadata_of", "resolve_media_types", "search"]
