"""A stack between an embedding endpoint, a vector store and a Tesseract that fail when a test wants it.

The reconciler does not run by itself here (its period is ten minutes): what comes to an end does so by messages,
retries and errbacks alone, and where the reconciler is needed, the test calls it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from qdrant_stand_in import Handler, StandIn

from pipeline.catalog.database.schema import attempts, batches
from pipeline.engine import reconciler
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec

DIM = 16


@dataclass
class Endpoint:
    """An OpenAI-compatible endpoint controlled by the texts: a text may contain `refuse`, `busy` or `busy-2`."""

    seen: Counter[str] = field(default_factory=Counter)
    down: bool = False

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        texts: list[str] = body["input"]
        words = {word for text in texts for word in text.split() if word in ("refuse", "busy", "busy-2")}
        self.seen.update(words)
        if "refuse" in words:
            return 400, {"error": {"message": "I do not like this text."}}
        if self.down or "busy" in words or ("busy-2" in words and self.seen["busy-2"] <= 2):
            return 503, {"error": {"message": "Overloaded."}}
        rows = [{"index": number, "embedding": vector(text)} for number, text in enumerate(texts)]
        return 200, {"data": rows}


def vector(text: str) -> list[float]:
    return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()[:DIM]]


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = endpoint.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


class Store:
    """The stand-in for a Qdrant server on its own port; it can be stopped for a while and keeps its points."""

    def __init__(self) -> None:
        Handler.stand_in = StandIn(None, None)
        self.port = 0
        self.start()

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Around:
    """The stack with its endpoint, store and Tesseract."""

    rig: FlowRig
    endpoint: Endpoint
    store: Store
    slow: Path

    def halted(self, part: str) -> Halted:
        return Halted(self.rig, part)

    def reconcile(self, job: str) -> None:
        """Run the reconciler until the job is finished."""

        def ended() -> bool:
            reconciler.reconcile(self.rig.services)
            return self.rig.finished(job)

        assert eventually(ended, pause=0.5), self.rig.describe(job)


@dataclass
class Halted:
    """Stop the processes of a part of the stack for a block."""

    rig: FlowRig
    part: str

    def __enter__(self) -> None:
        self.processes = self.rig.processes(self.part)
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        if not eventually(lambda: all(stands_still(process) for process in self.processes)):
            self.__exit__()
            raise AssertionError(f"{self.part} does not stand still: {self.processes}")

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def stands_still(process: psutil.Process) -> bool:
    try:
        # A child that ends now is a zombie until its stopped parent continues.
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def slow_tesseract(base: Path) -> Path:
    """A folder with a shell script that runs the real program, or nothing for long as long as a file is there."""
    real = shutil.which("tesseract")
    wrapper = base / "bin" / "tesseract"
    wrapper.parent.mkdir()
    if real is None:
        return wrapper.parent  # tests that need it are skipped
    wrapper.write_text(f'#!/bin/sh\n[ "$*" != --version ] && [ -e {base}/slow ] && exec sleep 600\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper.parent


def in_parts(settings: Settings, specs: list[ProcessSpec]) -> Launch:
    """A worker for upserts and one for the rest, so that a test can halt one of them."""
    store = next(spec for spec in specs if spec.name == "store")
    final = replace(store, name="final", command=(*store.command[:-1], "final", "--queues", "finalize,maintenance"))
    upserts = replace(store, command=(*store.command, "--queues", "upsert"))
    rest = [spec for spec in specs if spec is not store]
    # A halted worker is not to be taken for a frozen one, and replaced.
    return Launch(str(settings.data_dir), (*rest, upserts, final), stopped_s=3600.0)


def batch_of(rig: FlowRig, job: str) -> str:
    rows = rig.rows(sa.select(batches.c.id).where(batches.c.job_id == job).order_by(batches.c.created_at))
    return str(rows[0].id)


def attempt_of(rig: FlowRig, job: str, position: int) -> Any:
    rows = rig.rows(sa.select(attempts).where(attempts.c.job_id == job).order_by(attempts.c.id))
    return rows[position]


def some(tmp_path: Path, number: int, seed: int) -> list[Path]:
    return write_documents(tmp_path / "in", number, seed=seed)


def spoil(path: Path, word: str) -> None:
    path.write_text(path.read_text("utf-8") + f"\n\nHere it stands: {word} indeed.\n", "utf-8")


@contextmanager
def surrounded(base: Path) -> Iterator[Around]:
    """A stack with endpoint, store and Tesseract in a folder."""
    endpoint, store = Endpoint(), Store()
    with serving(endpoint) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{slow_tesseract(base)}:{os.environ['PATH']}")
        patch.setattr(reconciler, "GRACE_S", 0.5)
        chosen = {
            "embedding_model": "remote", "embedding_url": url, "embedding_dim": DIM, "embed_processes": 1,
            "qdrant_url": f"http://127.0.0.1:{store.port}", "reconcile_s": 600.0, "task_time_limit_s": 10,
            "max_retries": 4, "retry_backoff_s": 0.3, "retry_backoff_max_s": 2.0, "chunk_tokens": 64, "window": 50,
        }  # fmt: skip
        with stack_on(base / "data", launch=in_parts, **chosen) as rig:
            yield Around(rig, endpoint, store, base / "slow")
    store.stop()
