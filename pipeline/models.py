"""`Models`: the embedding models of a process, each loaded when it is first used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache

import embeddings
from embeddings.base import Embedder, Fingerprint, Tokenizer
from pipeline.errors import SpaceMismatch
from pipeline.plan import IndexSpec
from pipeline.settings import Settings

__all__ = ["Models"]

MAX_LOADED = 2
"""Models in memory at once: of the index that answers, and of the index that is being built."""

CACHED_TOKENIZERS = 16


class Models:
    """The embedding models, by the spec of an index. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: OrderedDict[embeddings.EmbedderConfig, Embedder] = OrderedDict()
        self._lock = threading.Lock()
        self._facts: dict[embeddings.EmbedderConfig, embeddings.ModelInfo] = {}
        self._tokenizer = lru_cache(CACHED_TOKENIZERS)(embeddings.load_tokenizer)

    def config(self, spec: IndexSpec) -> embeddings.EmbedderConfig:
        """How the model is loaded here, with device and key of the settings. The key goes to their endpoint only."""
        settings = self._settings
        return embeddings.EmbedderConfig(
            model=spec.model,
            precision=spec.precision,
            device=settings.embedding_device,
            threads=1,
            base_url=spec.url,
            api_key=settings.embedding_api_key if spec.url == settings.embedding_url else None,
            dim=spec.dim,
            remote_code=settings.embedding_remote_code,
        )

    def has_facts(self, spec: IndexSpec) -> bool:
        """Whether the facts of the model are in memory."""
        return self.config(spec) in self._facts

    def load_facts(self, spec: IndexSpec) -> embeddings.ModelInfo:
        """The facts of the model, from memory or from its files. The model is not loaded."""
        config = self.config(spec)
        facts = self._facts.get(config)
        if facts is None:
            # Never dropped: one transaction may need the facts of the models of all collections.
            facts = self._facts[config] = embeddings.describe(config)
        return facts

    def fingerprint(self, spec: IndexSpec) -> Fingerprint:
        """The vector space of the model. The model is not loaded."""
        return self.load_facts(spec).fingerprint

    def chunk_tokens(self, spec: IndexSpec) -> int:
        """Maximum tokens of a chunk: as the spec says, but never more than the model reads."""
        return min(spec.chunk_tokens, self.load_facts(spec).max_tokens)

    def tokenizer(self, spec: IndexSpec) -> Tokenizer:
        """The tokenizer of the model. The model is not loaded."""
        return self._tokenizer(self.config(spec))

    def embedder(self, spec: IndexSpec, space: Fingerprint) -> Embedder:
        """Load the model, or return it if it is loaded; the least recently used model is dropped.

        Raises:
            SpaceMismatch: the installed model makes vectors of another space.
        """
        config = self.config(spec)
        with self._lock:
            if config not in self._loaded:
                while len(self._loaded) >= MAX_LOADED:
                    self._loaded.popitem(last=False)
                self._loaded[config] = embeddings.load(config)
            self._loaded.move_to_end(config)
            embedder = self._loaded[config]
        if embedder.fingerprint != space:
            raise SpaceMismatch(
                f"The model {space.model} that this worker finds is not the one (revision {space.revision}) "
                "that the collection was made with."
            )
        return embedder
