"""Snapshots that a Qdrant server makes of a collection itself: a file with its vectors and its graph.

The requests are those of Qdrant's OpenAPI document (`openapi-snapshots.ytt.yaml`); tests compare them with it, and
have not run against a server. A snapshot is of one node: of a cluster, it has what that node has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from pipeline.errors import StackUnavailable
from pipeline.vectorstore.checks import check_name

__all__ = ["QdrantSnapshots"]

TIMEOUT_S = 3600.0
"""For a request: making a snapshot of a large collection takes minutes."""


class QdrantSnapshots:
    """Makes, downloads and recovers snapshots of a server's collections."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {"api-key": api_key} if api_key else {}
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_S)

    def save(self, collection: str, path: Path) -> str:
        """Make a snapshot, download it, and remove it from the server.

        Returns:
            SHA-256 of the file.

        Raises:
            StackUnavailable: the server does not answer, refuses, or has sent other bytes than it says.
        """
        folder = f"/collections/{quote(check_name(collection), safe='')}/snapshots"
        with _explained():
            made = self._result(self._client.post(folder, params={"wait": "true"}))
            snapshot = f"{folder}/{quote(str(made['name']), safe='')}"
            try:
                checksum = self._download(snapshot, path)
            finally:
                self._client.delete(snapshot, params={"wait": "true"})
        if made.get("checksum") not in (None, checksum):
            raise StackUnavailable(f"The snapshot of {collection} has another checksum than Qdrant says.")
        return checksum

    def recover(self, collection: str, path: Path, checksum: str) -> None:
        """Make the collection what it was when the snapshot was made; it need not exist.

        Raises:
            StackUnavailable: the server does not answer, or refuses.
        """
        address = f"/collections/{quote(check_name(collection), safe='')}/snapshots/upload"
        parameters = {"wait": "true", "priority": "snapshot", "checksum": checksum}
        with _explained(), path.open("rb") as file:
            files = {"snapshot": (path.name, file, "application/octet-stream")}
            self._result(self._client.post(address, params=parameters, files=files))

    def delete_points(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points by their ids."""
        address = f"/collections/{quote(check_name(collection), safe='')}/points/delete"
        with _explained():
            self._result(self._client.post(address, params={"wait": "true"}, json={"points": list(ids)}))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _download(self, snapshot: str, path: Path) -> str:
        checksum = hashlib.sha256()
        with self._client.stream("GET", snapshot) as answer, path.open("wb") as file:
            answer.raise_for_status()
            for block in answer.iter_bytes():
                checksum.update(block)
                file.write(block)
        return checksum.hexdigest()

    def _result(self, answer: httpx.Response) -> Any:
        answer.raise_for_status()
        return answer.json()["result"]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        text = error.response.text if error.response.is_closed else ""
        raise StackUnavailable(f"Qdrant refuses a snapshot: {error.response.status_code} {text[:300]}") from error
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise StackUnavailable(f"Qdrant does not answer: {error}", "Check `qdrant_url`, and that it runs.") from error
