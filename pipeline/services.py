"""`Services`: catalog, spool, Redis, vector store and models of a process, each opened when it is first used."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import redis
import structlog
from redis import Redis

import embeddings
from embeddings.base import Fingerprint, Tokenizer
from extractors import EXTRACTOR_VERSION
from extractors.options import OcrMode, Options
from pipeline.catalog import Engine
from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.documents import restoring
from pipeline.catalog.index.vector_cache import open_cache
from pipeline.disk.temporary_folder import TemporaryFolder, remove_abandoned, tmp_of
from pipeline.errors import StackUnavailable
from pipeline.models import Models
from pipeline.names import PREFIX
from pipeline.plan import (
    CHUNKER_VERSION,
    EARLIER_CHUNKERS,
    PLAIN,
    IndexSpec,
    Plan,
    earlier_extractions,
    extraction,
    recipe,
    spec_of,
)
from pipeline.settings import Settings
from pipeline.spool import Spool, open_spool

if TYPE_CHECKING:
    from pipeline.catalog.documents.versions import SameRecipes
    from pipeline.catalog.index.indexes import Index
    from pipeline.vectorstore import VectorStore

__all__ = ["Models", "Services", "wait_for_news"]

Singleton = TypeVar("Singleton")
T = TypeVar("T")

if not structlog.is_configured():
    # A program that uses Docrelay as a library decides by `logging` what is shown; unconfigured, structlog prints.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


class ModelFactsMissing(Exception):
    """A transaction needs the facts of a model that this process has not read yet. `spec` names the model."""

    def __init__(self, spec: IndexSpec) -> None:
        super().__init__(f"The facts of the model {spec.model} are not in memory.")
        self.spec = spec


@dataclass(frozen=True)
class Services:
    """All services that stages and entry points use, each opened when it is first used."""

    settings: Settings
    owner: bool = False
    """Whether this process owns the vectors of the data folder (embedded mode)."""

    @cached_property
    def catalog(self) -> Engine:
        """The catalog: the durable record of jobs, documents and tasks."""
        engine = open_catalog(self.settings.database_url or sqlite_url(self.settings.data_dir))
        restoring.refuse_unfinished(engine)
        return engine

    @cached_property
    def cache(self) -> Engine:
        """The vector cache."""
        return open_cache(self.catalog, self.settings.data_dir)

    @cached_property
    def spool(self) -> Spool:
        """The spool: originals, kept texts and intermediate files."""
        return open_spool(self.settings.spool_url, self.settings.data_dir)

    @cached_property
    def drafts(self) -> Path:
        """A local folder for files that intake is copying; it goes with this process, else with the next one."""
        remove_abandoned(tmp_of(self.settings.data_dir))
        folder = TemporaryFolder(tmp_of(self.settings.data_dir), "drafts-")
        folder.goes_with(self)
        return folder.path

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

    def singleton(self, make: Callable[[Settings], Singleton]) -> Singleton:
        """Return the one object that `make` returns for these settings: for a room above that keeps state with them."""
        if make not in self._singletons:
            self._singletons[make] = make(self.settings)
        value: Singleton = self._singletons[make]
        return value

    @cached_property
    def _singletons(self) -> dict[Any, Any]:
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
        """The embedding models of all indexes."""
        return Models(self.settings)

    @cached_property
    def named(self) -> set[str]:
        """Collections whose alias this process has already set or seen in the vector store."""
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
        """The vector space of new collections. No model is loaded."""
        return self.models.fingerprint(self.spec)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model for new collections."""
        return self.models.tokenizer(self.spec)

    @cached_property
    def chunk_tokens(self) -> int:
        """Maximum tokens of a chunk in new collections."""
        return self.models.chunk_tokens(self.spec)

    @property
    def extraction(self) -> str:
        """Name of what decides the text of a file by the settings: `extraction_of` without a mode."""
        return self.extraction_of(None)

    def extraction_of(self, ocr: OcrMode | None) -> str:
        """Name of what decides the text of a file: version and settings of the extractors, with this OCR mode."""
        return extraction(self.settings, ocr)

    def options_of(self, ocr: OcrMode | None) -> Options:
        """Options of the extractors for a document; `ocr` in place of that setting."""
        options = self.settings.options
        return options if ocr is None else replace(options, ocr=ocr)

    def cutting(self, spec: IndexSpec, plan: Plan = PLAIN) -> tuple[int, int]:
        """Maximum tokens of a chunk and tokens of overlap: of the plan, else of the index."""
        tokens = plan.cutting.get("tokens", spec.chunk_tokens)
        return self.models.chunk_tokens(replace(spec, chunk_tokens=tokens)), plan.cutting.get(
            "overlap", spec.overlap_tokens
        )

    def recipe(self, index: Index, reading: str | None = None, plan: Plan = PLAIN) -> str:
        """Name of what decides the points of an index besides the content: extraction, plan, chunking, vector space."""
        return recipe(reading or self.extraction, self.cutting(index.spec, plan), index.fingerprint.id, plan.mark)

    def same_recipes(self, index: Index, ocr: OcrMode | None, plan: Plan = PLAIN) -> SameRecipes:
        """Recipes by which an unchanged file counts as unchanged in a job that asks for this OCR mode.

        These are the recipe of today and those of earlier versions of extractors and chunker under the same settings:
        a new version makes documents outdated, but does not read them again. A job without a mode leaves documents as
        they are for which a user asked for one.
        """
        cutting = self.cutting(index.spec, plan)

        def recipes(mode: OcrMode | None) -> frozenset[str]:
            names = (self.extraction_of(mode), *earlier_extractions(self.settings, mode))
            pairs = itertools.product(names, (CHUNKER_VERSION, *EARLIER_CHUNKERS))
            return frozenset(recipe(name, cutting, index.fingerprint.id, plan.mark, version) for name, version in pairs)

        return {mode: recipes(ocr or mode) for mode in (None, *get_args(OcrMode))}

    def known_recipe(self, index: Index, reading: str | None = None, plan: Plan = PLAIN) -> str:
        """The recipe, computed from what is in memory alone: for a transaction that holds the write lock.

        Raises:
            ModelFactsMissing: the facts of the index's model are not in memory. `with_model_facts` loads them.
        """
        if not self.models.has_facts(index.spec):
            raise ModelFactsMissing(index.spec)
        return self.recipe(index, reading, plan)

    def with_model_facts(self, transaction: Callable[[], T]) -> T:
        """Run a transaction; when it misses the facts of a model, load them without a lock and run it again.

        Raises:
            ModelUnavailable: the files of the model cannot be read, or its hub cannot be reached.
        """
        while True:
            try:
                return transaction()
            except ModelFactsMissing as error:
                self.models.load_facts(error.spec)

    def reading_of(self, ocr: OcrMode | None) -> str:
        """Name of the way files are read: the same file, read in the same way, fails in the same way."""
        return sha256(repr((EXTRACTOR_VERSION, self.options_of(ocr))).encode()).hexdigest()[:32]

    @contextmanager
    def follow(self, job_id: str) -> Iterator[Any]:
        """Subscribe to what `announce` says of a job, for `wait_for_news`."""
        with self.redis.pubsub(ignore_subscribe_messages=True) as news:
            news.subscribe(f"{PREFIX}news:{job_id}")
            yield news

    def announce(self, job_id: str) -> None:
        """Notify the followers of a job that the catalog has changed."""
        try:
            self.redis.publish(f"{PREFIX}news:{job_id}", b"")
        except redis.RedisError:
            # Followers also read the status on their own.
            return


def _connect(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=15, socket_connect_timeout=5, socket_keepalive=True, health_check_interval=10
    )


def wait_for_news(news: Any, seconds: float) -> None:
    """Wait for one message, and drop those that came with it."""
    try:
        news.get_message(timeout=seconds)
        while news.get_message(timeout=0) is not None:
            continue
    except redis.ConnectionError:
        # Redis may be restarting; `stack.check` finds out whether it has ended.
        time.sleep(seconds)
