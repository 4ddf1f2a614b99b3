"""The request for a re-index, and what it resolves to: a second index, or documents processed anew in place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embeddings.base import Fingerprint
from embeddings.errors import BadConfig, ModelUnavailable
from embeddings.known_models import find
from pipeline.catalog import Connection
from pipeline.catalog.documents import lookup
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents
from pipeline.catalog.reindex.reindexes import Options
from pipeline.errors import BadRequest, Conflict, UnknownId
from pipeline.ingest.request import Line, MediaType
from pipeline.ingest.walk import source_of_path
from pipeline.names import ANALYSER, COLLECTION
from pipeline.plan import IndexSpec
from pipeline.search import resolve_media_types
from pipeline.services import Services

__all__ = ["ReindexRequest", "ResolvedRequest", "options_of", "reindex_request_of", "resolve"]


EPOCH = datetime.fromtimestamp(0, UTC)
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

Text = Annotated[Line, Field(min_length=1, max_length=4096)]
SourcePath = Annotated[
    Text,
    Field(
        json_schema_extra={"pattern": r"^(/|[A-Za-z][A-Za-z0-9+.-]*:)[^\x00-\x1f\x7f]*$"}, examples=["/srv/documents"]
    ),
]
"""An absolute path, or the URI of an upload."""


class ReindexRequest(BaseModel):
    """A request of the user for a re-index. None keeps what the collection has, or selects every document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str | None = Field(None, pattern=COLLECTION, description="collection; by default that of the settings")
    model: Text | None = Field(None, description="embedding model of the new index")
    dim: int | None = Field(
        None, ge=1, le=65_536, description="numbers of a vector, for a model at an endpoint that is not known here"
    )
    chunk_tokens: int | None = Field(None, ge=16, le=8192, description="tokens of a chunk at most, in the new index")
    re_extract: bool = Field(False, description="read the files again, instead of taking the kept texts")
    path: SourcePath | None = Field(None, description="only this source, or those below this folder; an absolute path")
    media_type: MediaType | None = Field(None, description="only documents of this type: a media type, or a suffix")
    before: datetime | None = Field(None, description="only documents last written before this time")
    extractor: Text | None = Field(None, description="only documents read by this version of the extractors")
    code: Text | None = Field(None, description="only documents that failed with this code")
    outdated: bool = Field(
        False, description="only documents read by an earlier version of Docrelay; their files are read again"
    )
    priority: int = Field(1, ge=1, le=10, description="priority, 1 to 10; 1 leaves everything else first")
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="documents a minute at most")
    allow_failed: bool = Field(False, description="switch even if documents failed; they are not searchable then")


def reindex_request_of(**fields: Any) -> ReindexRequest:
    """A request from options of the command line.

    Raises:
        BadRequest: a field is wrong.
    """
    try:
        return ReindexRequest(**fields)
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadRequest(f"The re-index cannot be meant so: {problems}.", "See: docrelay reindex --help") from error


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """A request applied to a collection: its live index; spec and vector space of the new index; and the options."""

    live: Index
    spec: IndexSpec
    space: Fingerprint
    options: Options

    @property
    def in_place(self) -> bool:
        """Whether documents are only processed anew in the live index, without a second one."""
        return self.options.scoped


def resolve(services: Services, connection: Connection, request: ReindexRequest) -> ResolvedRequest:
    """Apply a request to its collection.

    Raises:
        UnknownId: there is no such collection, no such document, or no such model.
        Conflict: parts of the request exclude each other, or nothing would change.
        BadRequest: a part of it is wrong.
    """
    name = request.collection or services.settings.collection
    live = indexes.live(connection, name)
    if live is None:
        raise UnknownId(f"There is no collection {name}.", "See what there is with: docrelay status")
    spec = _spec(services, request, live)
    options = _spelled(connection, name, options_of(services, request))
    resolved = ResolvedRequest(live, spec, _space(services, spec), options)
    if resolved.in_place and not missing_documents.list_selected(connection, name, resolved.options, limit=1):
        which = "is outdated" if resolved.options.outdated else "is meant by this"
        raise UnknownId(f"No document of the collection {name} {which}.")
    changed = (resolved.space, services.cutting(spec), spec.analyser) != (
        live.fingerprint,
        services.cutting(live.spec),
        live.spec.analyser,
    )
    if resolved.in_place and changed:
        raise Conflict(
            "A model or a chunk size is one of the whole collection.", "Leave out what narrows the documents down."
        )
    if not (changed or request.re_extract or resolved.in_place):
        raise Conflict(
            f"The collection {name} is made so already: {live.fingerprint.model}, chunks of {spec.chunk_tokens} "
            "tokens at most.",
            "Name another --model or --chunk-tokens; or read the files again with --re-extract.",
        )
    return resolved


def _space(services: Services, spec: IndexSpec) -> Fingerprint:
    try:
        return services.models.fingerprint(spec)
    except ModelUnavailable as error:
        raise UnknownId(error.message, error.hint) from error
    except BadConfig as error:
        raise BadRequest(
            f"How many numbers a vector of the model {spec.model} has is not known.", "Say so with --dim."
        ) from error


def options_of(services: Services, request: ReindexRequest) -> Options:
    """The request as the catalog stores it.

    Raises:
        BadRequest: a path that is not absolute, a type that no format has.
    """
    before = request.before
    if before is not None and before.tzinfo is None:
        before = before.replace(tzinfo=UTC)
    return Options(
        re_extract=request.re_extract or request.outdated,
        allow_failed=request.allow_failed,
        priority=request.priority,
        per_minute=request.per_minute,
        path=None if request.path is None else _source(request.path),
        media_types=None if request.media_type is None else resolve_media_types([request.media_type]),
        before=None if before is None else (before - EPOCH).total_seconds(),
        extractor=request.extractor,
        code=request.code,
        outdated=request.outdated,
        soak_s=services.settings.reindex_soak_s,
    )


def _spelled(connection: Connection, collection: str, options: Options) -> Options:
    """The options, with the path as sources of the collection spell it."""
    known = [] if options.path is None else lookup.spellings(connection, collection, options.path)
    return replace(options, path=known[0]) if known else options


def _source(path: str) -> str:
    """The source that intake gives to a file of this path. A URI is a source already."""
    if URI.match(path):
        return path
    if not path.startswith("/"):
        raise BadRequest(f"The path {path} is not absolute.", "Name the whole path, from / on.")
    return source_of_path(path)


def _spec(services: Services, request: ReindexRequest, live: Index) -> IndexSpec:
    """The live index's spec with the request's changes. A collection that was never re-indexed follows the settings."""
    in_place = options_of(services, request).scoped
    spec = live.spec if live.pinned or in_place else services.spec
    if not in_place:
        spec = replace(spec, analyser=ANALYSER)
    changes: dict[str, Any] = {}
    if request.model is not None and request.model != spec.model:
        changes = {"model": request.model, **_endpoint(services, request.model)}
    if request.dim is not None:
        if changes.get("url", spec.url) is None:
            raise Conflict("The dimension is that of the model, which runs here.", "Leave out --dim.")
        changes["dim"] = request.dim
    if request.chunk_tokens is not None:
        changes["chunk_tokens"] = request.chunk_tokens
        if spec.overlap_tokens >= request.chunk_tokens // 2:
            changes["overlap_tokens"] = request.chunk_tokens // 8
    return replace(spec, **changes)


def _endpoint(services: Services, model: str) -> dict[str, Any]:
    """Where a model runs: here, or at the settings' URL.

    The settings' own model runs where they say. Of other models a known local one runs here, the others at the URL.
    """
    settings, facts = services.settings, find(model)
    is_local = facts is not None and facts.kind != "http" and model != settings.embedding_model
    if is_local or settings.embedding_url is None:
        return {"url": None, "dim": None, "precision": settings.embedding_precision}
    # The setting `embedding_dim` is the dimension of the settings' own model.
    dim = settings.embedding_dim if model == settings.embedding_model else None
    return {"url": settings.embedding_url, "dim": dim, "precision": settings.embedding_precision}
