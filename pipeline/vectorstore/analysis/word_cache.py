"""What was found for words before: a bounded cache for each combination of languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LONGEST", "WordCache"]

LONGEST = 40
"""Letters of a word that is kept."""

Row = TypeVar("Row")


class WordCache(Generic[Row]):
    """Results of a function of a word and languages. When it is full, it is emptied and filled anew.

    `lru_cache` finds a row in three times the time: it makes and hashes a key of word and languages.
    """

    def __init__(self, compute: Callable[[str, tuple[str, ...]], Row], size: int) -> None:
        self._compute = compute
        self._size = size
        self._kept = 0
        self._rows: dict[tuple[str, ...], _Rows[Row]] = {}

    def rows(self, languages: tuple[str, ...]) -> _Rows[Row]:
        """The rows of these languages by word; a word that is new is computed."""
        found = self._rows.get(languages)
        if found is None:
            found = self._rows[languages] = _Rows(self, languages)
        return found

    def add(self, word: str, languages: tuple[str, ...]) -> Row:
        """Compute the row of a word, and keep it unless the word is long."""
        row = self._compute(word, languages)
        if len(word) <= LONGEST:
            if self._kept >= self._size:
                self._empty()
            self._kept += 1
            self.rows(languages)[word] = row
        return row

    def _empty(self) -> None:
        for rows in list(self._rows.values()):  # another thread may add a language meanwhile
            rows.clear()
        self._kept = 0


class _Rows(dict[str, Row]):
    def __init__(self, cache: WordCache[Row], languages: tuple[str, ...]) -> None:
        super().__init__()
        self._cache = cache
        self._languages = languages

    def __missing__(self, word: str) -> Row:
        return self._cache.add(word, self._languages)
