"""Search: the best chunks for a question, of exactly one version of each document.

request       what a search is asked for, checked, and the indexes that answer
retrieval     hits of one index, of the version that the catalog shows
answer        hits of all collections that are asked, in one order
groups        hits by document
highlights    where the words of the question stand in a hit
"""

from __future__ import annotations

from pipeline.search.answer import answer, search
from pipeline.search.request import Question, SearchOptions, find_indexes, resolve_media_types

__all__ = ["Question", "SearchOptions", "answer", "find_indexes", "resolve_media_types", "search"]
