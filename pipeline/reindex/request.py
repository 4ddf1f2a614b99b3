"""What somebody wants of a re-index, and what it comes to: an index made otherwise, or documents done anew."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embeddings.base import Fingerprint
from embeddings.errors import BadConfig, ModelUnavailable
from embeddings.registry import find
from pipeline.catalog import Connection
from pipeline.catalog.index import indexes, missing
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.index.reindexes import Options
from pipeline.errors import BadRequest, Conflict, UnknownId
from pipeline.ingest.request import Line, MediaType
from pipeline.ingest.walk import source_of
from pipeline.plan import IndexSpec
from pipeline.search import named_types
from pipeline.services import Services

__all__ = ["ReindexRequest", "Target", "options_of", "reindex_request_of", "target_of"]


EPOCH = datetime.fromtimestamp(0, UTC)
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

Words = Annotated[Line, Field(min_length=1, max_length=4096)]
Whole = Annotated[
    Words,
    Field(
        json_schema_extra={"pattern": r"^(/|[A-Za-z][A-Za-z0-9+.-]*:)[^\x00-\x1f\x7f]*$"}, examples=["/srv/documents"]
    ),
]
"""An absolute path; the URI of an upload is taken too."""


class ReindexRequest(BaseModel):
    """A re-index as it is asked for; None takes what the collection has, or means any document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="collection; by default that of the settings"
    )
    model: Words | None = Field(None, description="embedding model of the new index")
    dim: int | None = Field(
        None, ge=1, le=65_536, description="numbers of a vector, for a model at an endpoint that is not known here"
    )
    chunk_tokens: int | None = Field(None, ge=16, le=8192, description="tokens of a chunk at most, in the new index")
    re_extract: bool = Field(False, description="read the files again, instead of taking the kept texts")
    path: Whole | None = Field(None, description="only this source, or those below this folder; an absolute path")
    media_type: MediaType | None = Field(None, description="only documents of this type: a media type, or a suffix")
    before: datetime | None = Field(None, description="only documents last written before this time")
    extractor: Words | None = Field(None, description="only documents read by this version of the extractors")
    code: Words | None = Field(None, description="only documents that failed with this code")
    priority: int = Field(1, ge=1, le=10, description="priority, 1 to 10; 1 leaves everything else first")
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="documents a minute at most")
    allow_failed: bool = Field(False, description="switch even if documents failed; they are not searchable then")


def reindex_request_of(**fields: Any) -> ReindexRequest:
    """A wish from what was typed.

    Raises:
        BadRequest: a field is wrong.
    """
    try:
        return ReindexRequest(**fields)
    except ValidationError as error:
        told = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadRequest(f"The re-index cannot be meant so: {told}.", "See: docrelay reindex --help") from error


@dataclass(frozen=True, slots=True)
class Target:
    """What a wish comes to: the live index, how the new one is made, and what is done."""

    live: Index
    spec: IndexSpec
    space: Fingerprint
    options: Options

    @property
    def in_place(self) -> bool:
        """Whether documents are only done anew in their own index."""
        return self.options.scoped


def target_of(services: Services, connection: Connection, wish: ReindexRequest) -> Target:
    """What the wish comes to.

    Raises:
        UnknownId: there is no such collection, no document that is meant, or no such model to be had.
        BadRequest: it asks for what does not go together, or for nothing.
    """
    name = wish.collection or services.settings.collection
    live = indexes.live(connection, name)
    if live is None:
        raise UnknownId(f"There is no collection {name}.", "See what there is with: docrelay status")
    spec = _spec(services, wish, live)
    target = Target(live, spec, _space(services, spec), options_of(services, wish))
    if target.in_place and not missing.wanted(connection, name, target.options, limit=1):
        raise UnknownId(f"No document of the collection {name} is meant by this.")
    changed = (target.space, _cutting(services, spec)) != (live.fingerprint, _cutting(services, live.spec))
    if target.in_place and changed:
        raise Conflict(
            "A model or a chunk size is one of the whole collection.", "Leave out what narrows the documents down."
        )
    if not (changed or wish.re_extract or target.in_place):
        raise Conflict(
            f"The collection {name} is made so already: {live.fingerprint.model}, chunks of {spec.chunk_tokens} "
            "tokens at most.",
            "Name another --model or --chunk-tokens; or read the files again with --re-extract.",
        )
    return target


def _space(services: Services, spec: IndexSpec) -> Fingerprint:
    try:
        return services.models.fingerprint(spec)
    except ModelUnavailable as error:
        raise UnknownId(error.message, error.hint) from error
    except BadConfig as error:
        raise BadRequest(
            f"How many numbers a vector of the model {spec.model} has is not known.", "Say so with --dim."
        ) from error


def options_of(services: Services, wish: ReindexRequest) -> Options:
    """The wish as the catalog keeps it.

    Raises:
        BadRequest: a path that is not absolute, a type that no format has.
    """
    moment = wish.before
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Options(
        re_extract=wish.re_extract,
        allow_failed=wish.allow_failed,
        priority=wish.priority,
        per_minute=wish.per_minute,
        path=None if wish.path is None else _source(wish.path),
        media_types=None if wish.media_type is None else named_types([wish.media_type]),
        before=None if moment is None else (moment - EPOCH).total_seconds(),
        extractor=wish.extractor,
        code=wish.code,
        soak_s=services.settings.reindex_soak_s,
    )


def _source(path: str) -> str:
    """The path as intake names sources; a URI stands for itself."""
    if URI.match(path):
        return path
    if not path.startswith("/"):
        raise BadRequest(f"The path {path} is not absolute.", "Name the whole path, from / on.")
    return source_of(Path(os.path.abspath(path)))  # noqa: PTH100 - as intake names it


def _spec(services: Services, wish: ReindexRequest, live: Index) -> IndexSpec:
    """As the collection is made, but for what the wish changes; one that was never re-indexed follows the settings."""
    narrowed = options_of(services, wish).scoped
    spec = live.spec if live.pinned or narrowed else services.spec
    changes: dict[str, Any] = {}
    if wish.model is not None and wish.model != spec.model:
        changes = {"model": wish.model, **_where(services, wish.model)}
    if wish.dim is not None:
        if changes.get("url", spec.url) is None:
            raise Conflict("The dimension is that of the model, which runs here.", "Leave out --dim.")
        changes["dim"] = wish.dim
    if wish.chunk_tokens is not None:
        changes["chunk_tokens"] = wish.chunk_tokens
        if spec.overlap_tokens >= wish.chunk_tokens // 2:
            changes["overlap_tokens"] = wish.chunk_tokens // 8
    return replace(spec, **changes)


def _where(services: Services, model: str) -> dict[str, Any]:
    """A model that the settings name is where they say; else a known one that can runs here, the others at the URL."""
    settings, known = services.settings, find(model)
    here = known is not None and known.kind != "http" and model != settings.embedding_model
    if here or settings.embedding_url is None:
        return {"url": None, "dim": None, "precision": settings.embedding_precision}
    # The dimension that is set is that of the model which is set.
    dim = settings.embedding_dim if model == settings.embedding_model else None
    return {"url": settings.embedding_url, "dim": dim, "precision": settings.embedding_precision}


def _cutting(services: Services, spec: IndexSpec) -> tuple[int, int]:
    return services.models.chunk_tokens(spec), spec.overlap_tokens
