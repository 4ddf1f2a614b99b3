"""How long a submission takes: alone, with busy workers, and with ever more documents waiting; and whether any is lost.

    python bench/submitting.py --queued 10000 --lost 5000

Starts `docrelay up` on a folder of its own, and sends files of 20 kB by HTTP, one per request, on one connection. The
latency is what the sender sees, from the first byte sent to the last one received. Workers are busy throughout, on the
same cores. In turns with them the same files go to the least that a server can do (`bench/raw_submission.py`): what
this machine leaves to anybody. At the end every acknowledged document must be in the catalog.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 20_000
BOUNDARY = "docrelay-bench"
WORDS = [
    "harbour",
    "keel",
    "mast",
    "rigging",
    "sail",
    "anchor",
    "tide",
    "chart",
    "beacon",
    "compass",
    "deck",
    "hull",
    "winch",
    "buoy",
    "current",
    "storm",
]
PER_REQUEST = 100


def main() -> None:
    """Run all and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--samples", type=int, default=300, help="submissions per line of the table")
    options.add_argument("--queued", type=int, default=10_000, help="documents that wait in the last line")
    options.add_argument("--lost", type=int, default=5_000, help="submissions that are counted at the end")
    options.add_argument("--model", help="embedding model of the stack; hashing: many short tasks instead of long ones")
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name,
        stack(Path(name), asked.model) as port,
        raw_server() as raw_port,
    ):
        folder, ports = Path(name), (port, raw_port)
        measure(ports, 20)
        print(f"{'':>14} {'Docrelay: ms':^35} {'raw: ms':^35}")
        print(f"{'waiting':>8} {'n':>5}" + 2 * f" {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8}" + f" {'p99/raw':>8}")
        for goal in (200, asked.queued // 4, asked.queued // 2, asked.queued):
            fill(folder, port, goal)
            line(folder, *measure(ports, asked.samples))
        count(folder, port, asked.lost)


@contextmanager
def raw_server() -> Iterator[int]:
    """The least of all servers; its port."""
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as folder:
        command = [sys.executable, str(Path(__file__).with_name("raw_submission.py")), folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            time.sleep(2)
            yield port
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def stack(folder: Path, model: str | None) -> Iterator[int]:
    """A stack with its API; the port."""
    settings = {"DATA_DIR": str(folder), "API_PORT": "0", "API_DOCUMENTS": str(PER_REQUEST)}
    if model is not None:
        settings["EMBEDDING_MODEL"] = model
    environment = {**os.environ, **{f"DOCRELAY_{name}": value for name, value in settings.items()}}
    command = [str(Path(sys.executable).with_name("docrelay")), "up"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        seen = ""
        while not (found := re.search(r"api is ready: http://[^:]+:(\d+)", seen)) or "stack is ready" not in seen:
            text = process.stderr.readline()
            if not text:
                raise SystemExit(seen)
            seen += text
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def body(number: int) -> bytes:
    """A form with so many files of 20 kB, each of its own."""
    parts = []
    for _ in range(number):
        name = uuid.uuid4().hex
        text = " ".join(random.choices(WORDS, k=SIZE // 6)) + name
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}.txt"\r\n\r\n'
        parts.append(f"{head}{text[-SIZE:]}\r\n")
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


class Sender:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(self, data: bytes) -> tuple[float, list[str]]:
        """Milliseconds, and the ids of the documents that were taken."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        began = time.perf_counter()
        self.connection.request("POST", "/v1/documents", data, headers)
        response = self.connection.getresponse()
        answer = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status != 202:
            raise SystemExit(f"{response.status}: {answer.decode()}")
        return took, [one["document_id"] for one in json.loads(answer)["documents"]]


def measure(ports: tuple[int, int], samples: int) -> list[list[float]]:
    """Milliseconds of so many submissions to each server, in turns, one every 25 ms or less often."""
    senders, bodies = [Sender(port) for port in ports], [body(1) for _ in range(samples)]
    found: list[list[float]] = [[], []]
    for data in bodies:
        for sender, times in zip(senders, found, strict=True):
            times.append(sender.send(data)[0])
            time.sleep(0.025)
    return found


def fill(folder: Path, port: int, goal: int) -> None:
    """Send files until so many documents wait, and the disk has what that wrote: both servers would wait for it."""
    sender = Sender(port)
    while (lacking := goal - waiting(folder)) > 0:
        sender.send(body(min(PER_REQUEST, lacking)))
    os.sync()


def waiting(folder: Path) -> int:
    """Documents that are not done."""
    return rows(folder, "SELECT count(*) FROM attempts WHERE finished_at IS NULL")


def rows(folder: Path, query: str) -> int:
    """The number that a query finds in the catalog."""
    with sqlite3.connect(f"file:{folder}/catalog.db?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute(query).fetchone()[0])


def line(folder: Path, ours: list[float], raw: list[float]) -> None:
    """Print a line of the table."""
    figures = [spread(ours), spread(raw)]
    cells = " ".join(f"{ms:>8.1f}" for figure in figures for ms in figure)
    print(f"{waiting(folder):>8} {len(ours):>5} {cells} {figures[0][2] / figures[1][2]:>8.1f}", flush=True)


def spread(found: list[float]) -> list[float]:
    """Median, 90th and 99th percentile, and most."""
    ordered = sorted(found)
    return [*(ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.9, 0.99)), ordered[-1]]


def count(folder: Path, port: int, number: int) -> None:
    """Send on four connections; every document that was acknowledged must be in the catalog."""
    told: list[str] = []
    began = time.monotonic()

    def work() -> None:
        sender = Sender(port)
        for _ in range(number // 4):
            told.extend(sender.send(body(1))[1])

    senders = [threading.Thread(target=work) for _ in range(4)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    seconds = time.monotonic() - began
    with sqlite3.connect(f"file:{folder}/catalog.db?mode=ro", uri=True, timeout=60) as connection:
        known = {row[0] for row in connection.execute("SELECT id FROM documents")}
    lost = len(set(told) - known)
    print(f"{len(told)} acknowledged in {seconds:.0f} s ({len(told) / seconds:.0f} a second), {lost} lost")


if __name__ == "__main__":
    main()
