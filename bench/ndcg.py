"""Read judged collections and compute nDCG@10: shared code of `bench/retrieval.py`, independent of Docrelay."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log2
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

__all__ = ["Corpus", "Measure", "Search", "by_document", "evaluate", "first", "ndcg", "read_corpus"]

Search: TypeAlias = Callable[[str], Iterable[tuple[str, float]]]
"""A question to (document id, score) of chunks; a document may come often."""


Measure: TypeAlias = Callable[[list[str], dict[str, int]], float]
"""Documents, best first, and the grades of the right ones, to a figure from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents without text are left out; `judged` maps a question's id to documents and their grades."""

    name: str
    texts: dict[str, str]
    questions: dict[str, str]
    judged: dict[str, dict[str, int]]


def read_corpus(folder: Path) -> Corpus:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` of the BEIR layout."""
    texts = {row["_id"]: row["text"] for row in _rows(folder / "corpus.jsonl") if row["text"].strip()}
    questions = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    judged: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return Corpus(folder.name, texts, questions, judged)


def by_document(hits: Iterable[tuple[str, float]]) -> list[str]:
    """Documents by their best chunk, best first; of equal ones the first met."""
    best: dict[str, float] = {}
    for document, score in hits:
        best[document] = max(score, best.get(document, score))
    return sorted(best, key=lambda document: -best[document])


def ndcg(ranked: list[str], grades: dict[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain with linear gains, as trec_eval's ndcg_cut."""
    ideal = _gain(sorted(grades.values(), reverse=True)[:depth])
    return _gain([grades.get(document, 0) for document in ranked[:depth]]) / ideal if ideal else 0.0


def first(ranked: list[str], grades: dict[str, int]) -> float:
    """1 if the first document is a right one."""
    return float(bool(ranked) and grades.get(ranked[0], 0) > 0)


def evaluate(search: Search, corpus: Corpus, measure: Measure | None = None) -> float:
    """Mean of nDCG@10, or of another measure, over the questions that have a judgement."""
    measure = measure or ndcg
    return fmean(
        measure(by_document(search(text)), corpus.judged[number])
        for number, text in corpus.questions.items()
        if number in corpus.judged
    )


def _gain(grades: list[int]) -> float:
    return sum(grade / log2(rank + 2) for rank, grade in enumerate(grades))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
