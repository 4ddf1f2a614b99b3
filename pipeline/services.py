"""What the engine works with: catalog, spool, Redis, vector store, the model's facts. Opened once per process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import redis
import structlog
from redis import Redis

import embeddings
from embeddings.base import Fingerprint, Tokenizer
from extractors import EXTRACTOR_VERSION
from pipeline.catalog import Engine
from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.index.vector_cache import open_cache
from pipeline.errors import StackUnavailable
from pipeline.models import Models
from pipeline.plan import PLAIN, Plan
from pipeline.recipes import IndexSpec, extraction, recipe, spec_of
from pipeline.settings import Settings
from pipeline.spool import Spool, open_spool

if TYPE_CHECKING:
    from celery import Celery

    from pipeline.catalog.index.indexes import Index
    from pipeline.vectorstore import VectorStore

__all__ = ["PREFIX", "Services"]

PREFIX = "docrelay:"
"""Begins every key of ours in Redis."""

if not structlog.is_configured():
    # Whoever uses Docrelay as a library decides by `logging` what is shown; unconfigured, structlog prints.
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

    @cached_property
    def app(self) -> Celery:
        """The Celery application."""
        from pipeline.engine.celery_app import make_app

        return make_app(self.settings)

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


def _connect(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=15, socket_connect_timeout=5, socket_keepalive=True, health_check_interval=10
    )
