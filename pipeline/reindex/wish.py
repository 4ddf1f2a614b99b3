"""What somebody wants of a re-index, and what it comes to: an index made otherwise, or documents done anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.engine import Connection

from embeddings.base import Fingerprint
from embeddings.errors import ModelUnavailable
from embeddings.registry import find
from pipeline.catalog import indexes
from pipeline.catalog.indexes import Index
from pipeline.catalog.reindexes import Options
from pipeline.errors import BadRequest, Conflict, UnknownId
from pipeline.recipes import Making
from pipeline.services import Services

__all__ = ["Target", "Wish", "options_of", "target_of", "wish_of"]


Words = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""What people write on one line."""


class Wish(BaseModel):
    """A re-index as it is asked for; None takes what the collection has, or means any document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="collection; by default that of the settings"
    )
    model: Words | None = Field(None, description="embedding model of the new index")
    chunk_tokens: int | None = Field(None, ge=16, le=8192, description="tokens of a chunk at most, in the new index")
    re_extract: bool = Field(False, description="read the files again, instead of taking the kept texts")
    path: Words | None = Field(None, description="only this source, or those below this folder")
    media_type: Words | None = Field(None, description="only documents of this media type")
    before: datetime | None = Field(None, description="only documents last written before this time")
    extractor: Words | None = Field(None, description="only documents read by this version of the extractors")
    code: Words | None = Field(None, description="only documents that failed with this code")
    priority: int = Field(1, ge=1, le=10, description="priority, 1 to 10; 1 leaves everything else first")
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="documents a minute at most")
    allow_failed: bool = Field(False, description="switch even if documents failed; they are not searchable then")


def wish_of(**fields: Any) -> Wish:
    """A wish from what was typed.

    Raises:
        BadRequest: a field is wrong.
    """
    try:
        return Wish(**fields)
    except ValidationError as error:
        told = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadRequest(f"The re-index cannot be meant so: {told}.", "See: docrelay reindex --help") from error


@dataclass(frozen=True, slots=True)
class Target:
    """What a wish comes to: the live index, how the new one is made, and what is done."""

    live: Index
    making: Making
    space: Fingerprint
    options: Options

    @property
    def in_place(self) -> bool:
        """Whether documents are only done anew in their own index."""
        return self.options.scoped


def target_of(services: Services, connection: Connection, wish: Wish) -> Target:
    """What the wish comes to.

    Raises:
        UnknownId: there is no such collection, or no such model to be had.
        BadRequest: it asks for what does not go together, or for nothing.
    """
    name = wish.collection or services.settings.collection
    live = indexes.live(connection, name)
    if live is None:
        raise UnknownId(f"There is no collection {name}.", "See what there is with: docrelay status")
    making = _making(services, wish, live)
    target = Target(live, making, _space(services, making), options_of(services, wish))
    changed = (target.space, _cutting(services, making)) != (live.fingerprint, _cutting(services, live.making))
    if target.in_place and changed:
        raise Conflict(
            "A model or a chunk size is one of the whole collection.", "Leave out what narrows the documents down."
        )
    if not (changed or wish.re_extract or target.in_place):
        raise Conflict(
            f"The collection {name} is made so already: {live.fingerprint.model}, chunks of {making.chunk_tokens} "
            "tokens at most.",
            "Name another --model or --chunk-tokens; or read the files again with --re-extract.",
        )
    return target


def _space(services: Services, making: Making) -> Fingerprint:
    try:
        return services.models.fingerprint(making)
    except ModelUnavailable as error:
        raise UnknownId(error.message, error.hint) from error


def options_of(services: Services, wish: Wish) -> Options:
    """The wish as the catalog keeps it."""
    moment = wish.before
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Options(
        re_extract=wish.re_extract,
        allow_failed=wish.allow_failed,
        priority=wish.priority,
        per_minute=wish.per_minute,
        path=wish.path,
        media_type=wish.media_type,
        before=moment.timestamp() if moment is not None else None,
        extractor=wish.extractor,
        code=wish.code,
        soak_s=services.settings.reindex_soak_s,
    )


def _making(services: Services, wish: Wish, live: Index) -> Making:
    """As the collection is made, but for what the wish changes; one that was never re-indexed follows the settings."""
    narrowed = options_of(services, wish).scoped
    making = live.making if live.pinned or narrowed else services.making
    changes: dict[str, Any] = {}
    if wish.model is not None and wish.model != making.model:
        changes = {"model": wish.model, **_where(services, wish.model)}
    if wish.chunk_tokens is not None:
        changes["chunk_tokens"] = wish.chunk_tokens
        if making.overlap_tokens >= wish.chunk_tokens // 2:
            changes["overlap_tokens"] = wish.chunk_tokens // 8
    return replace(making, **changes)


def _where(services: Services, model: str) -> dict[str, Any]:
    """A model that the settings name is where they say; else a known one that can runs here, the others at the URL."""
    settings, known = services.settings, find(model)
    here = known is not None and known.kind != "http" and model != settings.embedding_model
    if here or settings.embedding_url is None:
        return {"url": None, "dim": None, "precision": settings.embedding_precision}
    return {"url": settings.embedding_url, "dim": settings.embedding_dim, "precision": settings.embedding_precision}


def _cutting(services: Services, making: Making) -> tuple[int, int]:
    return services.models.chunk_tokens(making), making.overlap_tokens
