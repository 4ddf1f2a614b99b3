"""The baseline of `bench/submission.py`: a server that does the least that makes an upload durable.

    python bench/submission_baseline.py FOLDER

It uses the same HTTP server as Docrelay, writes the body to a file and flushes it to the disk, commits a row to an
SQLite database that no other process writes to, and answers. It parses no form, checks nothing, and no work follows.
Prints its port. `bench/submission.py` starts it by itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

THREADS = 4
thread_state = threading.local()


def take(folder: Path, data: bytes) -> str:
    """Write the bytes and a row durably. Returns the row's id."""
    name, row_id = sha256(data).hexdigest(), str(uuid.uuid4())
    with (folder / name).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    database(folder).execute("INSERT INTO documents VALUES (?, ?)", (row_id, name))
    return row_id


def database(folder: Path) -> sqlite3.Connection:
    """The SQLite connection of this thread, opened on first use."""
    if not hasattr(thread_state, "connection"):
        thread_state.connection = sqlite3.connect(folder / "raw.db", isolation_level=None, timeout=60)
        thread_state.connection.execute("PRAGMA journal_mode=WAL")
        thread_state.connection.execute("PRAGMA synchronous=FULL")
        thread_state.connection.execute("CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, name TEXT)")
    connection: sqlite3.Connection = thread_state.connection
    return connection


def main() -> None:
    """Serve until SIGTERM."""
    folder, threads, app = Path(sys.argv[1]), ThreadPoolExecutor(THREADS), FastAPI()

    @app.post("/v1/documents", status_code=202)
    async def submit(request: Request) -> dict[str, Any]:
        body = await request.body()
        row_id = await asyncio.get_running_loop().run_in_executor(threads, take, folder, body)
        return {"documents": [{"document_id": row_id}]}

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
