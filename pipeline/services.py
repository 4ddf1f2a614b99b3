"""What the engine works with: catalog, spool, Redis, vector store, the model's facts. Opened once per process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import redis
import structlog
from redis import Redis

import embeddings
from embeddings.base import Embedder, Fingerprint, Tokenizer
from extractors import EXTRACTOR_VERSION
from pipeline.catalog import Engine
from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.index.vector_cache import open_cache
from pipeline.errors import SpaceMismatch, StackUnavailable
from pipeline.names import PREFIX
from pipeline.plan import PLAIN, IndexSpec, Plan, extraction, recipe, spec_of
from pipeline.settings import Settings
from pipeline.spool import Spool, open_spool

if TYPE_CHECKING:
    from pipeline.catalog.index.indexes import Index
    from pipeline.vectorstore import VectorStore

__all__ = ["Models", "Services"]

Held = TypeVar("Held")

if not structlog.is_configured():
    # A program that uses Docrelay as a library decides by `logging` what is shown; unconfigured, structlog prints.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


@dataclass(frozen=True)
class Services:
    """Everything a stage or a door needs, each part opened when it is first used."""

    settings: Settings
    owner: bool = False
    """Whether this process owns the vectors of the data folder (embedded mode)."""

    @cached_property
    def catalog(self) -> Engine:
        """The durable record."""
        return open_catalog(self.settings.database_url or sqlite_url(self.settings.data_dir))

    @cached_property
    def cache(self) -> Engine:
        """The vector cache."""
        return open_cache(self.catalog, self.settings.data_dir)

    @cached_property
    def spool(self) -> Spool:
        """Intermediate artifacts."""
        return open_spool(self.settings.spool_url, self.settings.data_dir)

    @cached_property
    def drafts(self) -> Path:
        """A local folder for files that are being copied in."""
        folder = self.settings.data_dir / "spool" / "drafts"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @cached_property
    def redis(self) -> Redis:
        """Redis, with every wait bounded."""
        if self.settings.redis_url is None:
            raise StackUnavailable
        return _connect(self.settings.redis_url)

    @cached_property
    def broker(self) -> Redis | None:
        """The Redis that holds the messages; None where the broker is no Redis."""
        url = self.settings.broker_url
        if url is None:
            return self.redis
        return _connect(url.replace("redis+socket:", "unix:", 1)) if url.startswith("redis") else None

    def held(self, make: Callable[[Settings], Held]) -> Held:
        """What `make` gives for these settings, made once: for a room above that keeps something open with them."""
        if make not in self._held:
            self._held[make] = make(self.settings)
        held: Held = self._held[make]
        return held

    @cached_property
    def _held(self) -> dict[Any, Any]:
        return {}

    @cached_property
    def store(self) -> VectorStore:
        """The vector store: the server, the data folder's own engine, or the process that owns that."""
        from pipeline.vectorstore import open_store

        url = self.settings.qdrant_url
        if url is not None or self.owner:
            return open_store(self.settings.data_dir / "vectors", url=url, api_key=self.settings.qdrant_api_key)
        from pipeline.vectorstore.remote import RemoteStore

        return RemoteStore(self.redis)

    @cached_property
    def models(self) -> Models:
        """The models of all indexes."""
        return Models(self.settings)

    @cached_property
    def named(self) -> set[str]:
        """Collections of which this process knows that the vector store knows their names."""
        return set()

    @cached_property
    def spec(self) -> IndexSpec:
        """What new collections are made with."""
        return spec_of(self.settings)

    @cached_property
    def embedder_config(self) -> embeddings.EmbedderConfig:
        """Which model new collections are made with, how precise, where."""
        return self.models.config(self.spec)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The space of new collections; no model is loaded for it."""
        return self.models.fingerprint(self.spec)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model for new collections."""
        return self.models.tokenizer(self.spec)

    @cached_property
    def chunk_tokens(self) -> int:
        """Tokens of a chunk at most in new collections."""
        return self.models.chunk_tokens(self.spec)

    @cached_property
    def extraction(self) -> str:
        """What decides the text of a file: extractors and how they are set."""
        return extraction(self.settings)

    def cutting(self, spec: IndexSpec, plan: Plan = PLAIN) -> tuple[int, int]:
        """Tokens of a chunk at most, and how many it repeats: as the plan says, else as the index is made."""
        tokens = plan.cutting.get("tokens", spec.chunk_tokens)
        return self.models.chunk_tokens(replace(spec, chunk_tokens=tokens)), plan.cutting.get(
            "overlap", spec.overlap_tokens
        )

    def recipe(self, index: Index, reading: str | None = None, plan: Plan = PLAIN) -> str:
        """What besides the content decides the points of an index: extraction, the plan, chunking, vector space."""
        return recipe(reading or self.extraction, self.cutting(index.spec, plan), index.fingerprint.id, plan.mark)

    @cached_property
    def reading(self) -> str:
        """The way in which files are read; the same file read in the same way fails in the same way."""
        return sha256(repr((EXTRACTOR_VERSION, self.settings.options)).encode()).hexdigest()[:32]

    def announce(self, job_id: str) -> None:
        """Hint to everyone who follows the job that there is news in the catalog."""
        try:
            self.redis.publish(f"{PREFIX}news:{job_id}", b"")
        except redis.RedisError:
            # A hint only: followers also look by themselves.
            return


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


def _connect(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=15, socket_connect_timeout=5, socket_keepalive=True, health_check_interval=10
    )
