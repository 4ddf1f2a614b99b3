"""The cache of words: it computes a word once, is bounded, and keeps languages apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.vectorstore.analysis.word_cache import LONGEST, WordCache

WORDS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([("en",), ("de",), ("en", "de")])), max_size=60)


class Computed(list[tuple[str, tuple[str, ...]]]):
    """Which words were computed, in order."""

    def row(self, word: str, languages: tuple[str, ...]) -> str:
        self.append((word, languages))
        return f"{word} in {languages}"


@given(WORDS, st.integers(1, 9))
def test_a_cache_of_any_size_gives_what_the_function_gives(asked: list[tuple[str, tuple[str, ...]]], size: int) -> None:
    computed = Computed()
    cache = WordCache(computed.row, size)

    assert [cache.rows(languages)[word] for word, languages in asked] == [f"{word} in {ls}" for word, ls in asked]
    assert sum(len(cache.rows(languages)) for languages in {languages for _, languages in asked}) <= size
    if size >= len(set(asked)):
        assert len(computed) == len(set(asked))


def test_a_long_word_is_not_kept() -> None:
    computed = Computed()
    rows = WordCache(computed.row, 10).rows(("en",))

    for word in ("x" * (LONGEST + 1), "x" * (LONGEST + 1), "y" * LONGEST, "y" * LONGEST):
        assert rows[word].startswith(word)
    assert [word[0] for word, _ in computed] == ["x", "x", "y"]
