"""The vector store on a Qdrant server (1.16 or newer), through qdrant-client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from qdrant_client import QdrantClient, models

from embeddings.base import Fingerprint
from pipeline.errors import StackUnavailable
from pipeline.vectorstore.base import Filter, Hit, Point, Query
from pipeline.vectorstore.checks import check_bounded, check_finite, check_name, check_query, check_space
from pipeline.vectorstore.conditions import INDEXED, MAX_SOURCES, resolve_sources
from pipeline.vectorstore.fusion import Scored, rank
from pipeline.vectorstore.qdrant_convert import (
    AlreadyThere,
    NoCollection,
    native_filter,
    native_point,
    native_queries,
    plain_point,
    translate_server_errors,
)

__all__ = ["QdrantStore", "open_qdrant"]

SPACE = "docrelay_space"
"""The key of the fingerprint in the collection's metadata, which Qdrant has since 1.16."""

BATCH = 256
"""Points per request: a server takes bodies of 32 MiB, and 256 points of 1,536 numbers are about 9."""

PAGE = 10_000


def open_qdrant(url: str, api_key: str | None = None, timeout_s: float = 30.0) -> QdrantStore:
    """Open a store on the server at `url`; nothing is sent before the first call.

    Args:
        url: with scheme and port, as in `http://127.0.0.1:6333`.
        api_key: sent with every request if given.
        timeout_s: seconds that one request may take.
    """
    seconds = max(1, round(timeout_s))
    with warnings.catch_warnings():
        # Every process and command would warn, even inside one host; docs/distributed.md says when it matters.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantStore(QdrantClient(url=url, api_key=api_key, timeout=seconds, check_compatibility=False))


class QdrantStore:
    """A `VectorStore` on a Qdrant client: a server's, or the client's own `:memory:`.

    Any number of processes may share a server. Every write waits until it is applied. A server that cannot answer
    now is `StackUnavailable`.
    """

    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def ensure(self, collection: str, fingerprint: Fingerprint) -> None:
        """Create the collection with its payload indexes, or check that it holds this space.

        Raises:
            BadRequest: the name cannot name a collection.
            SpaceMismatch: the collection's vectors live in another space, or nothing says in which.
            StackUnavailable: the server cannot be reached, or is too old to keep a fingerprint.
        """
        with translate_server_errors(check_name(collection)):
            info = self._info(collection) or self._create(collection, fingerprint)
            check_space(collection, _space(info), fingerprint)
            for field in INDEXED.keys() - info.payload_schema.keys():
                self._client.create_payload_index(collection, field, models.PayloadSchemaType(INDEXED[field]))

    def collections(self) -> dict[str, Fingerprint]:
        """Every collection that Docrelay made, and the space of its vectors."""
        with translate_server_errors():
            names = [description.name for description in self._client.get_collections().collections]
        infos = {name: self._info(name) for name in names}
        spaces = {name: _space(info) for name, info in infos.items() if info}
        return {name: space for name, space in spaces.items() if space}

    def drop(self, collection: str) -> None:
        """Remove the collection, if it exists."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            self._client.delete_collection(collection)

    def aliases(self) -> dict[str, str]:
        """Return every alias with the collection that it stands for."""
        with translate_server_errors():
            return {alias.alias_name: alias.collection_name for alias in self._client.get_aliases().aliases}

    def set_alias(self, alias: str, collection: str) -> None:
        """Set another name of a collection, in one step.

        Raises:
            BadRequest: there is no such collection, or one that has the alias as its own name.
        """
        with translate_server_errors(check_name(alias)):
            creation = models.CreateAlias(collection_name=check_name(collection), alias_name=alias)
            deletion = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            steps = [deletion] if alias in self.aliases() else []
            self._client.update_collection_aliases([*steps, models.CreateAliasOperation(create_alias=creation)])

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Store the points durably; equal ids are overwritten.

        Raises:
            BadRequest: the collection was never created, or a vector holds NaN or infinity.
            SpaceMismatch: a vector of another length.
        """
        check_finite(points)
        with translate_server_errors(check_name(collection)):
            for start in range(0, len(points), BATCH):
                batch = [native_point(point) for point in points[start : start + BATCH]]
                self._client.upsert(collection, batch, wait=True)

    def count(self, collection: str, where: Filter) -> int:
        """Count the points that match, exactly; 0 if the collection does not exist."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            if exact := self._exact(collection, where):
                return self._client.count(collection, native_filter(exact), exact=True).count
        return 0

    def ids(self, collection: str, where: Filter) -> list[str]:
        """Return the ids of all matching points, in no order."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            if exact := self._exact(collection, where):
                return list(self._scroll(collection, native_filter(exact)))
        return []

    def read(self, collection: str, where: Filter, limit: int) -> list[dict[str, Any]]:
        """Return payloads of up to `limit` matching points, each with its point's `id`, in no order."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            if exact := self._exact(collection, where):
                page, _ = self._client.scroll(
                    collection, native_filter(exact), limit=limit, with_payload=True, with_vectors=False
                )
                return [{**(record.payload or {}), "id": str(record.id)} for record in page]
        return []

    def scroll(
        self, collection: str, where: Filter, limit: int, after: str | None = None, *, vectors: bool = True
    ) -> tuple[list[Point], str | None]:
        """Return a page of the matching points with their vectors, and what to ask for the next page with."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            if exact := self._exact(collection, where):
                page, following = self._client.scroll(
                    collection, native_filter(exact), limit=limit, offset=after, with_payload=True, with_vectors=vectors
                )
                return [plain_point(record) for record in page], str(following) if following is not None else None
        return [], None

    def set_aside(self, collection: str) -> str | None:
        """Do nothing: a server opens its collections itself."""
        check_name(collection)
        return None

    def set_payload(self, collection: str, payload: dict[str, Any], where: Filter, key: str | None = None) -> None:
        """Set these payload fields, or these fields of the object under `key`, on every matching point; others stay."""
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            exact = self._exact(collection, where)
            if exact and payload:
                self._client.set_payload(collection, payload, native_filter(exact), key=key, wait=True)

    def delete(self, collection: str, where: Filter) -> None:
        """Remove every matching point.

        Raises:
            ValueError: the filter is empty.
        """
        check_bounded(where)
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            if exact := self._exact(collection, where):
                self._client.delete(collection, models.FilterSelector(filter=native_filter(exact)), wait=True)

    def search(self, collection: str, query: Query) -> list[Hit]:
        """Return the best `query.limit` points, best first; none if the collection does not exist.

        Raises:
            ValueError: the query does not bring the vector its mode needs.
            SpaceMismatch: its dense vector has another length than the collection's.
        """
        check_query(query)
        with suppress(NoCollection), translate_server_errors(check_name(collection)):
            exact = self._exact(collection, query.where)
            requests = native_queries(query, exact) if exact else {}
            if requests:
                answers = self._client.query_batch_points(collection, [*requests.values()])
                rankings = {
                    ranking: [(str(point.id), point.score) for point in answer.points]
                    for ranking, answer in zip(requests, answers, strict=True)
                }
                return self._hits(
                    collection, rank(query.mode, rankings, query.limit, query.dense_share, query.least_cosine)
                )
        return []

    def maintain(self) -> None:
        """Do nothing: a server maintains itself."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _hits(self, collection: str, ranked: Sequence[Scored]) -> list[Hit]:
        """Read the payloads of ranked points; a point that was deleted meanwhile is left out."""
        if not ranked:
            return []
        records = self._client.retrieve(collection, [point for point, _ in ranked], with_payload=True)
        payloads = {str(record.id): record.payload or {} for record in records}
        return [Hit(point, score, payloads[point]) for point, score in ranked if point in payloads]

    def _info(self, collection: str) -> models.CollectionInfo | None:
        with suppress(NoCollection), translate_server_errors(collection):
            return self._client.get_collection(collection)
        return None

    def _create(self, collection: str, fingerprint: Fingerprint) -> models.CollectionInfo:
        with suppress(AlreadyThere), translate_server_errors(collection):
            self._client.create_collection(
                collection,
                vectors_config={"dense": models.VectorParams(size=fingerprint.dim, distance=models.Distance.COSINE)},
                sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata={SPACE: asdict(fingerprint)},
            )
            return _check_metadata(self._client.get_collection(collection))
        return self._client.get_collection(collection)

    def _exact(self, collection: str, where: Filter) -> Filter | None:
        return resolve_sources(where, lambda rest: self._sources(collection, rest))

    def _sources(self, collection: str, where: Filter) -> list[str]:
        response = self._client.facet(
            collection, "source", facet_filter=native_filter(where), limit=MAX_SOURCES, exact=True
        )
        return [str(hit.value) for hit in response.hits]

    def _scroll(self, collection: str, where: models.Filter) -> Iterator[str]:
        offset = None
        while True:
            page, offset = self._client.scroll(
                collection, where, limit=PAGE, offset=offset, with_payload=False, with_vectors=False
            )
            yield from (str(record.id) for record in page)
            if offset is None:
                return


def _space(info: models.CollectionInfo) -> Fingerprint | None:
    written = (info.config.metadata or {}).get(SPACE)
    return Fingerprint(**written) if written else None


def _check_metadata(info: models.CollectionInfo) -> models.CollectionInfo:
    if _space(info) is None:
        raise StackUnavailable(
            "The Qdrant server is older than 1.16 and forgets what a collection's vectors mean.",
            "Upgrade the Qdrant server to 1.16 or newer.",
        )
    return info
