"""The models that a process works with: each index has its own, and few of them fit into memory at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache

import embeddings
from embeddings.base import Embedder, Fingerprint, Tokenizer
from pipeline.errors import SpaceMismatch
from pipeline.recipes import IndexSpec
from pipeline.settings import Settings

__all__ = ["Models"]

HELD = 2
"""Models in memory at once: that of the index which answers, and that of the one which is being built."""

KNOWN = 16


class Models:
    """Finds models by what an index is made with; may be asked from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: OrderedDict[embeddings.EmbedderConfig, Embedder] = OrderedDict()
        self._lock = threading.Lock()
        self._describe = lru_cache(KNOWN)(embeddings.describe)
        self._tokenizer = lru_cache(KNOWN)(embeddings.load_tokenizer)

    def config(self, spec: IndexSpec) -> embeddings.EmbedderConfig:
        """How the model is loaded here: device and key are the settings'; the key goes to their endpoint only."""
        settings = self._settings
        return embeddings.EmbedderConfig(
            model=spec.model,
            precision=spec.precision,
            device=settings.embedding_device,
            threads=1,
            base_url=spec.url,
            api_key=settings.embedding_api_key if spec.url == settings.embedding_url else None,
            dim=spec.dim,
        )

    def fingerprint(self, spec: IndexSpec) -> Fingerprint:
        """The space of the vectors that the model makes; it is not loaded for it."""
        return self._describe(self.config(spec)).fingerprint

    def chunk_tokens(self, spec: IndexSpec) -> int:
        """Tokens of a chunk at most: as asked for, but never more than the model reads."""
        return min(spec.chunk_tokens, self._describe(self.config(spec)).max_tokens)

    def tokenizer(self, spec: IndexSpec) -> Tokenizer:
        """The model's own tokenizer, without the model."""
        return self._tokenizer(self.config(spec))

    def embedder(self, spec: IndexSpec, space: Fingerprint) -> Embedder:
        """The model itself; the one that was not used for longest is let go.

        Raises:
            SpaceMismatch: the model that is found here makes vectors of another space.
        """
        config = self.config(spec)
        with self._lock:
            if config not in self._held:
                while len(self._held) >= HELD:
                    self._held.popitem(last=False)
                self._held[config] = embeddings.load(config)
            self._held.move_to_end(config)
            found = self._held[config]
        if found.fingerprint != space:
            raise SpaceMismatch(
                f"The model {space.model} that this worker finds is not the one (revision {space.revision}) "
                "that the collection was made with."
            )
        return found
