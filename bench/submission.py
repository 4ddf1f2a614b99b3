"""Measure how long a submission by HTTP takes while all workers are busy, and count lost submissions.

    python bench/submission.py [--samples 300] [--queued 10000] [--lost 5000] [--model hashing]

Starts `docrelay up` on a data folder of its own and sends files of 20 kB, one per request, on one connection, while
more and more documents wait. The latency is what the client sees, from the first byte sent to the last one received.
The same files go in turns to a baseline server (`bench/submission_baseline.py`) that shows what this machine can do. At
the end every acknowledged document must be in the catalog. The files are made up; no corpora are needed.

A disk may stall for 100 ms and more, whatever runs. So a thread writes 4 kB to another file again and again; lines
named "no stall" leave out what was sent while such a write took longer than 20 ms, for both servers.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
STALL_MS = 20.0


@dataclass(frozen=True)
class Span:
    """Start and end of an operation, in seconds of one clock."""

    began: float
    ended: float

    @property
    def ms(self) -> float:
        """Duration in milliseconds."""
        return (self.ended - self.began) * 1000

    def meets(self, others: Sequence[Span]) -> bool:
        """Whether it overlaps with one of these spans."""
        return any(self.began < other.ended and other.began < self.ended for other in others)


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
        watched_disk() as stalls,
    ):
        folder, ports = Path(name), (port, raw_port)
        measure(ports, 20)
        for goal in (200, asked.queued // 4, asked.queued // 2, asked.queued):
            fill(folder, port, goal)
            timings = measure(ports, asked.samples)
            print(f"{waiting(folder)} waiting")
            report("all", timings)
            report("no stall", [[span for span in each if not span.meets(stalls)] for each in timings])
        count(folder, port, asked.lost)


@contextmanager
def raw_server() -> Iterator[int]:
    """Run the baseline server for the time of the block; yields its port."""
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as folder:
        command = [sys.executable, str(Path(__file__).with_name("submission_baseline.py")), folder]
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
def watched_disk() -> Iterator[list[Span]]:
    """Append 4 kB to a file at most every 10 ms; yields a list that grows by each write of more than 20 ms."""
    stalls: list[Span] = []
    ended = threading.Event()

    def work() -> None:
        with tempfile.TemporaryFile() as file:
            while not ended.wait(0.01):
                began = time.perf_counter()
                os.write(file.fileno(), bytes(4096))
                os.fdatasync(file.fileno())
                if (span := Span(began, time.perf_counter())).ms > STALL_MS:
                    stalls.append(span)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stalls
    finally:
        ended.set()
        thread.join()


@contextmanager
def stack(folder: Path, model: str | None) -> Iterator[int]:
    """Run a stack with its API for the time of the block; yields the port."""
    settings = {"DATA_DIR": str(folder), "API_PORT": "0", "API_DOCUMENTS": str(PER_REQUEST)}
    if model is not None:
        settings["EMBEDDING_MODEL"] = model
    environment = {**os.environ, **{f"DOCRELAY_{name}": value for name, value in settings.items()}}
    command = [str(Path(sys.executable).with_name("docrelay")), "up"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        output = ""
        while not (match := re.search(r"api is ready: http://[^:]+:(\d+)", output)) or "stack is ready" not in output:
            text = process.stderr.readline()
            if not text:
                raise SystemExit(output)
            output += text
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield int(match[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def body(number: int) -> bytes:
    """A form with so many files of 20 kB, all with different content."""
    parts = []
    for _ in range(number):
        name = uuid.uuid4().hex
        text = " ".join(random.choices(WORDS, k=SIZE // 6)) + name
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}.txt"\r\n\r\n'
        parts.append(f"{head}{text[-SIZE:]}\r\n")
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


class Sender:
    """Sends files on one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(self, data: bytes) -> tuple[Span, list[str]]:
        """Send a form. Returns how long it took and the ids of the accepted documents."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        began = time.perf_counter()
        self.connection.request("POST", "/v1/documents", data, headers)
        response = self.connection.getresponse()
        answer = response.read()
        took = Span(began, time.perf_counter())
        if response.status != 202:
            raise SystemExit(f"{response.status}: {answer.decode()}")
        return took, [document["document_id"] for document in json.loads(answer)["documents"]]


def measure(ports: tuple[int, int], samples: int) -> list[list[Span]]:
    """Time so many submissions to each server, alternately, at most one every 25 ms."""
    senders, bodies = [Sender(port) for port in ports], [body(1) for _ in range(samples)]
    timings: list[list[Span]] = [[], []]
    for data in bodies:
        for sender, times in zip(senders, timings, strict=True):
            times.append(sender.send(data)[0])
            time.sleep(0.025)
    return timings


def fill(folder: Path, port: int, goal: int) -> None:
    """Send files until so many documents wait, then flush the disk: later flushes of both servers would wait for it."""
    sender = Sender(port)
    while (missing := goal - waiting(folder)) > 0:
        sender.send(body(min(PER_REQUEST, missing)))
    os.sync()


def waiting(folder: Path) -> int:
    """Number of documents that are not finished."""
    return rows(folder, "SELECT count(*) FROM attempts WHERE finished_at IS NULL")


def rows(folder: Path, query: str) -> int:
    """The number that a query finds in the catalog."""
    with sqlite3.connect(f"file:{folder}/catalog.db?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute(query).fetchone()[0])


def report(which: str, timings: Sequence[Sequence[Span]]) -> None:
    """Print a line for both servers."""
    for name, spans in zip(("Docrelay", "raw"), timings, strict=True):
        ordered = sorted(span.ms for span in spans)
        if not ordered:
            print(f"  {which:>14} {name:>9} n    0  there is nothing else", flush=True)
            continue
        p50, p90, p99 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.9, 0.99))
        percentiles = f"p50 {p50:>6.1f}  p90 {p90:>6.1f}  p99 {p99:>6.1f}  max {ordered[-1]:>6.1f} ms"
        print(f"  {which:>14} {name:>9} n {len(ordered):>4}  {percentiles}", flush=True)


def count(folder: Path, port: int, number: int) -> None:
    """Send on four connections; every document that was acknowledged must be in the catalog."""
    acknowledged: list[str] = []
    began = time.monotonic()

    def work() -> None:
        sender = Sender(port)
        for _ in range(number // 4):
            acknowledged.extend(sender.send(body(1))[1])

    senders = [threading.Thread(target=work) for _ in range(4)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    seconds = time.monotonic() - began
    with sqlite3.connect(f"file:{folder}/catalog.db?mode=ro", uri=True, timeout=60) as connection:
        known = {row[0] for row in connection.execute("SELECT id FROM documents")}
    lost = len(set(acknowledged) - known)
    print(
        f"{len(acknowledged)} acknowledged in {seconds:.0f} s ({len(acknowledged) / seconds:.0f} a second), {lost} lost"
    )


if __name__ == "__main__":
    main()
