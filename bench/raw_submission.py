"""The least that a server must do to take a file for good: what `bench/submitting.py` holds Docrelay against.

    python bench/raw_submission.py FOLDER

The same HTTP server; the body is written to a file and flushed to the disk, a row is committed to an SQLite database
that nobody else writes to, and the answer sent. No form is parsed, nothing is checked, and no work follows. Prints its
port.
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
mine = threading.local()


def take(folder: Path, data: bytes) -> str:
    """Make the bytes and a row durable; the row's id."""
    name, identity = sha256(data).hexdigest(), str(uuid.uuid4())
    with (folder / name).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    database(folder).execute("INSERT INTO documents VALUES (?, ?)", (identity, name))
    return identity


def database(folder: Path) -> sqlite3.Connection:
    """This thread's connection."""
    if not hasattr(mine, "connection"):
        mine.connection = sqlite3.connect(folder / "raw.db", isolation_level=None, timeout=60)
        mine.connection.execute("PRAGMA journal_mode=WAL")
        mine.connection.execute("PRAGMA synchronous=FULL")
        mine.connection.execute("CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, name TEXT)")
    found: sqlite3.Connection = mine.connection
    return found


def main() -> None:
    """Serve until SIGTERM."""
    folder, threads, app = Path(sys.argv[1]), ThreadPoolExecutor(THREADS), FastAPI()

    @app.post("/v1/documents", status_code=202)
    async def submit(request: Request) -> dict[str, Any]:
        body = await request.body()
        taken = await asyncio.get_running_loop().run_in_executor(threads, take, folder, body)
        return {"documents": [{"document_id": taken}]}

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
