"""Snapshots of a Qdrant server in a backup: the requests have the shapes of Qdrant's OpenAPI document.

The server here is a stand-in, which is not Qdrant: it keeps the points of a snapshot as JSON, and checks each request
against `SHAPES`.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import warnings
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from backup_rig import Deployment, embedded
from qdrant_client import models
from qdrant_stand_in import Handler, StandIn, failure

from pipeline.backup import back_up, restore
from pipeline.errors import BadRequest, StackUnavailable
from pipeline.settings import Settings
from pipeline.vectorstore.qdrant_snapshots import QdrantSnapshots

SHAPES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/collections/{collection_name}/snapshots"): {"query": {"wait"}, "body": None},
    ("GET", "/collections/{collection_name}/snapshots/{snapshot_name}"): {"query": set(), "body": None},
    ("DELETE", "/collections/{collection_name}/snapshots/{snapshot_name}"): {"query": {"wait"}, "body": None},
    ("POST", "/collections/{collection_name}/snapshots/upload"): {
        "query": {"wait", "priority", "checksum"},
        "body": "multipart/form-data",
    },
}
"""Paths, query parameters and bodies of Qdrant's `openapi-snapshots.ytt.yaml`, as far as they are used."""


def shape_of(method: str, path: str) -> dict[str, Any] | None:
    """The shape of a request; a path that is all literal goes before one with a name."""
    for (wanted, template), shape in sorted(SHAPES.items(), key=lambda item: not item[0][1].endswith("upload")):
        if wanted == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return shape
    return None


class SnapshotHandler(Handler):
    """The stand-in with snapshots."""

    snapshots: dict[str, bytes]
    refuses = False
    wrong_checksum = False
    seen: list[tuple[str, str]]

    def respond(self) -> None:
        url = urlsplit(self.path)
        if "/snapshots" not in url.path:
            super().respond()
            return
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        shape = shape_of(self.command, url.path)
        type(self).seen.append((self.command, url.path))
        query = parse_qs(url.query)
        if (
            shape is None
            or not query.keys() <= shape["query"]
            or self.headers.get_content_type() != (shape["body"] or "text/plain")
        ):
            self.send(400, failure(f"the OpenAPI document has no such request: {self.command} {self.path}"))
        elif self.refuses:
            self.send(500, failure("No space left"))
        else:
            self.answer(url.path.split("/")[2], url.path.rpartition("/")[2], raw, query)

    def answer(self, name: str, last: str, raw: bytes, query: dict[str, list[str]]) -> None:
        with self.stand_in.lock:
            if self.command == "GET":
                self.send_bytes(self.snapshots[last])
            elif self.command == "DELETE":
                self.send(200, {"result": self.snapshots.pop(last) is not None, "status": "ok", "time": 0.0})
            elif last == "upload":
                self.recover(name, raw, query)
            else:
                self.send(200, {"result": self.make(name).model_dump(), "status": "ok", "time": 0.0})

    def make(self, name: str) -> models.SnapshotDescription:
        client = self.stand_in.client
        page, _ = client.scroll(name, limit=10_000, with_vectors=True)
        config = client.get_collection(name).config
        data = {"config": config.model_dump(mode="json"), "points": [record.model_dump(mode="json") for record in page]}
        content = json.dumps(data).encode()
        file = f"{name}-{len(self.snapshots)}.snapshot"
        self.snapshots[file] = content
        checksum = "0" * 64 if self.wrong_checksum else hashlib.sha256(content).hexdigest()
        return models.SnapshotDescription(name=file, creation_time=None, size=len(content), checksum=checksum)

    def recover(self, name: str, raw: bytes, query: dict[str, list[str]]) -> None:
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        (part,) = BytesParser().parsebytes(head + raw).get_payload()
        assert part.get_param("name", header="content-disposition") == "snapshot"
        content = part.get_payload(decode=True)
        assert query["checksum"] == [hashlib.sha256(content).hexdigest()]
        assert query["priority"] == ["snapshot"]
        data = json.loads(content)
        parameters = data["config"]["params"]
        client = self.stand_in.client
        client.delete_collection(name)
        client.create_collection(
            name,
            vectors_config={key: models.VectorParams(**value) for key, value in parameters["vectors"].items()},
            sparse_vectors_config={
                key: models.SparseVectorParams(**value) for key, value in parameters["sparse_vectors"].items()
            },
            metadata=data["config"]["metadata"],
        )
        points = [models.PointStruct(id=p["id"], vector=p["vector"], payload=p["payload"]) for p in data["points"]]
        client.upsert(name, points)
        self.send(200, {"result": True, "status": "ok", "time": 0.0})

    def send_bytes(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = respond  # noqa: N815 - the names are http.server's


class Server:
    """A stand-in on a port of its own."""

    def __init__(self) -> None:
        class Own(SnapshotHandler):
            stand_in = StandIn(None, None)
            snapshots: dict[str, bytes] = {}  # noqa: RUF012 - of this server alone
            seen: list[tuple[str, str]] = []  # noqa: RUF012

        self.handler = Own
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Own)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        pair = Server(), Server()
        yield pair
        for server in pair:
            server.close()


def deployed(folder: Path, server: Server) -> Deployment:
    return Deployment(Settings(data_dir=folder, embedding_model="hashing", qdrant_url=server.url))


@pytest.mark.parametrize("refuses", [False, True])
def test_a_restore_from_a_snapshot_ends_at_the_moment_of_the_backup(
    servers: tuple[Server, Server], tmp_path: Path, refuses: bool
) -> None:
    """Documents change before and after the snapshot is made; the points of the backup correct it."""
    first, second = servers
    here = deployed(tmp_path / "here", first)
    for number in range(4):
        here.put(f"/docs/{number}.txt", f"words {number}", f"more words {number}")

    def act(line: str) -> None:
        if line.startswith("Snapshot"):
            here.put("/docs/0.txt", "replaced before the snapshot")

    report = back_up(here.services, tmp_path / "backup", act, qdrant_snapshots=True)
    before = here.seen()
    here.close()
    assert not first.handler.snapshots, "none is left on the server"
    assert (tmp_path / "backup" / "snapshots" / "documents~1").is_file()

    second.handler.refuses = refuses
    there = deployed(tmp_path / "there", second)
    restored = restore(there.settings, tmp_path / "backup")

    assert second.handler.seen == [("POST", "/collections/documents~1/snapshots/upload")]
    assert restored.points == report.points == len(there.points()) == 7
    assert there.seen() == before
    there.close()


def test_points_of_a_snapshot_that_are_not_of_the_moment_are_removed_and_the_missing_ones_added(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    first, second = servers
    here = deployed(tmp_path / "here", first)
    here.put("/docs/kept.txt", "kept")
    here.put("/docs/old.txt", "old words", "more old words")
    back_up(here.services, tmp_path / "early", qdrant_snapshots=True)
    here.put("/docs/old.txt", "new words")
    here.put("/docs/new.txt", "came later")
    back_up(here.services, tmp_path / "late", qdrant_snapshots=True)
    before = here.seen()
    here.close()
    # As if it had been made long before the moment.
    (tmp_path / "early" / "snapshots" / "documents~1").replace(tmp_path / "late" / "snapshots" / "documents~1")
    from pipeline.backup.folder import BackupFolder

    BackupFolder(tmp_path / "late").mark.touch()
    BackupFolder(tmp_path / "late").finish({})

    there = deployed(tmp_path / "there", second)
    restore(there.settings, tmp_path / "late")

    assert there.seen() == before
    assert len(there.points()) == 3
    there.close()


def test_a_snapshot_with_another_checksum_is_refused(servers: tuple[Server, Server], tmp_path: Path) -> None:
    first, _ = servers
    here = deployed(tmp_path / "here", first)
    here.put("/docs/a.txt", "words")
    first.handler.wrong_checksum = True

    with pytest.raises(StackUnavailable, match="another checksum"):
        back_up(here.services, tmp_path / "backup", qdrant_snapshots=True)
    here.close()


def test_without_a_server_there_are_no_snapshots(tmp_path: Path) -> None:
    here = embedded(tmp_path / "here")

    with pytest.raises(BadRequest, match="no Qdrant server"):
        back_up(here.services, tmp_path / "backup", qdrant_snapshots=True)

    assert not (tmp_path / "backup").exists()
    snapshots = QdrantSnapshots("http://127.0.0.1:9")
    with pytest.raises(StackUnavailable, match="does not answer"):
        snapshots.save("documents", tmp_path / "file")
    snapshots.close()
    here.close()
