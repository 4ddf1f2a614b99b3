"""Models' own tokenizers, loaded without the models: neither torch nor transformers is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embeddings.base import Tokenizer
from embeddings.errors import ModelUnavailable
from embeddings.known_models import outside
from embeddings.sources import Source

__all__ = ["CautiousTokenizer", "FileTokenizer", "WordTokenizer", "tokenizer_of"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\w{1,16}|[^\w\s]")
_CAUTIOUS = re.compile(r"[A-Za-z]{1,3}|[!-~\u00a1-\u024f]|(\S)")


class FileTokenizer:
    """The tokenizer in a model's `tokenizer.json`, with truncation and padding switched off.

    `prefix` is what the embedder puts before every passage: it takes room too, so it counts among the
    special tokens.
    """

    def __init__(self, file: Path, prefix: str = "") -> None:
        from tokenizers import Tokenizer as Backend

        # One process per core is fastest, and threads would not survive a fork.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        if not file.is_file():
            raise ModelUnavailable(f"The model in {file.parent} has no tokenizer.json.")
        try:
            self._backend: Any = Backend.from_file(str(file))
        except Exception as error:  # the library raises a bare Exception for a file that it cannot read
            raise ModelUnavailable(f"The tokenizer {file} cannot be read: {error}") from error
        self._backend.no_truncation()
        self._backend.no_padding()
        self._prefix = prefix

    @property
    def special_tokens(self) -> int:
        """How many tokens are added to every text."""
        return self.count([""])[0]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, nothing cut."""
        batch = [encodable(self._prefix + text) for text in texts]
        return [len(encoding) for encoding in self._backend.encode_batch_fast(batch)]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text` in order, special tokens left out."""
        spans: list[tuple[int, int]] = self._backend.encode(encodable(text), add_special_tokens=False).offsets
        return spans


class WordTokenizer:
    """Words of up to 16 letters and single other signs: the hashing embedder's tokens."""

    special_tokens = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [len(self.offsets(text)) for text in texts]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text` in order."""
        return [match.span() for match in _WORD.finditer(text)]


class CautiousTokenizer:
    """Approximates an unknown tokenizer of an endpoint: it counts too many tokens rather than too few.

    Three ASCII letters are one token (English text has four to five), each digit, sign and letter of an
    extended Latin alphabet is one, any other character two.
    """

    def __init__(self, prefix: str = "") -> None:
        self.special_tokens = 2 + len(self.offsets(prefix))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, nothing cut."""
        return [len(self.offsets(text)) + self.special_tokens for text in texts]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text` in order; two tokens of one character share its span."""
        return [match.span() for match in _CAUTIOUS.finditer(text) for _ in range(2 if match[1] else 1)]


def encodable(text: str) -> str:
    """The text with lone surrogates, which no encoding can carry, as U+FFFD; offsets stay."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def tokenizer_of(source: Source, prefix: str = "") -> Tokenizer:
    """The tokenizer of a found model; `prefix` counts as added to every text.

    Raises:
        ModelUnavailable: its tokenizer.json is missing or damaged.
    """
    if source.model.kind == "hashing":
        return WordTokenizer()
    own = outside().models.get(source.model.name) if source.model.kind == "outside" else None
    if own is not None and own.tokenizer is not None:
        tokenizer: Tokenizer = own.tokenizer()
        return tokenizer
    if source.folder is None:
        return CautiousTokenizer(prefix)
    return FileTokenizer(source.folder / "tokenizer.json", prefix)
