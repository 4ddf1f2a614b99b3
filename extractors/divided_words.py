"""Join the words that line ends divide, and keep the hyphens that belong to a word.

Which of the two a hyphen is, the document itself tells where it writes the word elsewhere. Where it does not, both
halves must be words of the document that it does not use as parts of closed words ("boundary-layer"), or the first
half is an English word that takes a hyphen ("strongly-coupled"). All other words are joined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["HYPHEN", "joined", "undivided"]

HYPHEN = "\ufffe"
"""Stands in a text for a hyphen at the end of a line, line break included; pdfium's own convention."""

CONNECTORS = frozenset(["und", "oder", "bzw", "sowie", "bis", "and", "or", "to", "et", "ou", "y", "o", "e"])
"""After a hanging hyphen ("Vor- und Nachteile") the next word is not its other half."""

HYPHENATED = re.compile(
    "self|well|non|all|quasi|semi|cross|high|low|long|short|full|large|small|half|double|single|zero|one|"
    "two|three|four|five|six|seven|eight|nine|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|first|second|third"
)
"""English words of number, size and kind that keep a hyphen before another word ("self-publishing")."""
CLOSED = re.compile(
    "out|over|under|up|down|on|with|any|some|every|where|there|here|fore|after|back|more|can|be|may|what|when|who|how"
)
"""English particles and pronouns that are written together with the word after them ("outbreak")."""
SYLLABLE = re.compile(
    "(?:able|al|ally|ance|ate|dom|ed|en|ence|er|est|ever|fold|ful|hood|ible|ing|ism|ist|ity|ize|less|ly|ment|most|ness|or|"
    "self|selves|ship|teen|tion|ty|ward|wise)(?:s|d|ed)?"
)
"""English endings: they follow such words and adverbs without a hyphen ("sixteen")."""

WORD = re.compile(r"\w+(?:-\w+)*")
WORD_END = re.compile(r"[^\W_]+$")
WORD_START = re.compile(r"[^\W_]+")
FRAGMENTS = re.compile(r"[\w-]*(?:\ufffe[\w-]*)+")
"""What is left of a divided word does not count as a word."""
DIVIDED = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad\u00ac][ \t]*\r?\n[ \t]*(?:\r?\n[ \t]*(?=[a-zß-öø-ÿ]{2})|(?=[^\W_]))")
"""A hyphen at the end of a line; a blank line may follow where the next one goes on in small letters."""
ADVERB = re.compile("[a-z]{2,}[^aou]ly")
"""The adjective before "ly" has no such vowel at its end: what has ("analy-", "poly-") is a syllable."""
WINDOW = 80
"""No word is longer: how far to look left and right of a hyphen."""
LONG_HALF = 3
"""A shorter half is a syllable more often than a word, even where the document has such a word."""
ENGLISH_SHARE = 0.02
"""A text is English if at least this share of its words is "the"."""


def joined(pages: list[str]) -> list[str]:
    """Join the words that stand in plain text with a hyphen at the end of a line, as OCR reads them."""
    return undivided([DIVIDED.sub(HYPHEN, page) for page in pages])


def undivided(pages: list[str]) -> list[str]:
    """Replace each `HYPHEN` by nothing, by a hyphen, or by a hanging hyphen and a space."""
    if not any(HYPHEN in page for page in pages):
        return pages
    vocabulary = Vocabulary.of(pages)
    return [_undivided(page, vocabulary) for page in pages]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How a document writes the words that line ends divide in it.

    `counts` holds the words in one piece, with their hyphens. `parts` are the first and last parts of hyphenated
    words; `starts` and `ends` count the closed words that begin or end with a half and are longer.
    """

    counts: Counter[str]
    parts: Counter[str]
    starts: Counter[str]
    ends: Counter[str]
    english: bool

    @classmethod
    def of(cls, pages: list[str]) -> Vocabulary:
        """Count the words of the pages as far as they tell about the divided ones."""
        divided = {halves for page in pages for halves in _divided(page)}
        words = Counter(_key(match[0]) for page in pages for match in WORD.finditer(FRAGMENTS.sub(" ", page)))
        lefts = {_key(left) for left, _ in divided} | {_stem(*halves) for halves in divided}
        rights = {_key(right) for _, right in divided}
        starts, ends, parts = Counter[str](), Counter[str](), Counter[str]()
        for word in words:
            if "-" in word:
                parts.update((word.split("-")[0], word.split("-")[-1]))
                continue
            sizes = range(1, min(len(word), WINDOW))
            starts.update({word[:size] for size in sizes} & lefts)
            ends.update({word[-size:] for size in sizes} & rights)
        english = words["the"] >= ENGLISH_SHARE * words.total()
        return cls(words, parts, starts, ends, english)

    def occurrences(self, word: str) -> int:
        """How often the word stands in the document, in small letters as well if it is all capitals."""
        return self.counts[_key(word)] + (self.counts[word.lower()] if word.isupper() and len(word) > 1 else 0)


def _divided(page: str) -> Iterable[tuple[str, str]]:
    """The two halves of each word that a line end divides."""
    return (_halves(left, right) for left, right in pairwise(page.split(HYPHEN)))


def _halves(left: str, right: str) -> tuple[str, str]:
    end, start = WORD_END.search(left[-WINDOW:]), WORD_START.match(right[:WINDOW])
    return (end[0] if end else "", start[0] if start else "")


def _key(word: str) -> str:
    """The word as it stands in the middle of a sentence."""
    return word[:1].lower() + word[1:]


def _stem(left: str, right: str) -> str:
    """The whole word but for its last letter: other forms of the word begin with it."""
    return _key(left + right[:-1])


def _undivided(page: str, vocabulary: Vocabulary) -> str:
    first, *rest = page.split(HYPHEN)
    parts = [first]
    for right in rest:
        parts += [_joint(*_halves(parts[-1], right), right, vocabulary), right]
    return "".join(parts)


def _joint(left: str, right: str, following: str, vocabulary: Vocabulary) -> str:
    """What stands between the halves: nothing, a hyphen, or a hanging hyphen and a space."""
    if not left or not right:
        return "-"
    whole, hyphenated = vocabulary.occurrences(left + right), vocabulary.occurrences(f"{left}-{right}")
    if whole != hyphenated:
        return "" if whole > hyphenated else "-"
    if right in CONNECTORS and not (vocabulary.english and _is_syllable(left, right, vocabulary)):
        return "-" if following[len(right) : len(right) + 1] == "-" else "- "
    if not right[0].islower() or not left[-1].isalpha() or len(left) == 1 or len(right) == 1:
        return "-"
    return "-" if _is_compound(_key(left), right, vocabulary) else ""


def _is_syllable(left: str, right: str, vocabulary: Vocabulary) -> bool:
    """Whether what looks like a connector ends an English word ("exteri-or", "in-to")."""
    if right == "to":
        return left.lower() in {"in", "on", "un"}
    return right != "and" and not (right == "or" and vocabulary.counts[_key(left)])


def _is_compound(left: str, right: str, vocabulary: Vocabulary) -> bool:
    """Whether the hyphen belongs to a word that the document does not write elsewhere."""
    if not vocabulary.english or vocabulary.starts[_stem(left, right)]:
        return False
    if not SYLLABLE.fullmatch(right) and (HYPHENATED.fullmatch(left) or ADVERB.fullmatch(left)):
        return True
    if min(len(left), len(right)) < LONG_HALF or SYLLABLE.fullmatch(right) or CLOSED.fullmatch(left):
        return False
    alone = vocabulary.counts[left] > 0 and vocabulary.counts[right] > 0
    closed = vocabulary.starts[left] + vocabulary.ends[right]
    return alone and vocabulary.parts[left] + vocabulary.parts[right] >= closed - 1
