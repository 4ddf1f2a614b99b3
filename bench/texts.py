"""Measure the import of text records beside the ingest of the same texts as files, and count what is embedded.

    python bench/texts.py [--records 10000] [--rounds 3] [--model hashing]

Each round takes two data folders, each with a running stack, in turns: `docrelay texts import` of a JSONL file, and
`docrelay ingest` of a folder with the same texts, one file each. Then 1 % of the records are changed and 1 % deleted,
the file is imported again, and the numbers of embedded chunks and of points are printed. The ratio is that of the
medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("docrelay"))
WORDS = 60
PER_DELETE = 100


def main() -> None:
    """Run the rounds and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--model", default="hashing", help="the embedding model; hashing costs nothing")
    asked = options.parse_args()
    seconds: dict[str, list[float]] = {"texts": [], "files": []}
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name:
        records = made_up(asked.records)
        lines, folder = written(Path(name), records)
        for number in range(asked.rounds):
            for kind, words in (("texts", ("texts", "import", lines)), ("files", ("ingest", folder))):
                with stack(Path(name) / f"{kind}-{number}", asked.model) as environment:
                    report = run(environment, *map(str, words))
                    assert report["completed"] == asked.records, report
                    seconds[kind].append(report["seconds"])
                    if kind == "texts" and number == 0:
                        change(environment, records, lines)
            print(f"round {number}: texts {seconds['texts'][-1]:.1f} s, files {seconds['files'][-1]:.1f} s", flush=True)
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    print("| | seconds | documents/s |\n|---|--:|--:|")
    for kind, median in medians.items():
        print(f"| {kind} | {median:.1f} | {asked.records / median:.0f} |")
    print(f"texts take {medians['texts'] / medians['files']:.2f} of the time of files")


def made_up(number: int) -> list[dict[str, Any]]:
    """Records of invented words."""
    chance = random.Random(1)
    known = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(5000)]
    texts = (f"Record {place}: {' '.join(chance.choices(known, k=WORDS))}." for place in range(number))
    return [{"id": f"record-{place:06}", "text": text, "metadata": {"n": place}} for place, text in enumerate(texts)]


def written(folder: Path, records: list[dict[str, Any]]) -> tuple[Path, Path]:
    """The records as a JSONL file, and as a folder of files."""
    lines, files = folder / "records.jsonl", folder / "files"
    lines.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    files.mkdir()
    for record in records:
        (files / f"{record['id']}.txt").write_text(record["text"])
    return lines, files


@contextmanager
def stack(data: Path, model: str) -> Iterator[dict[str, str]]:
    """The environment of commands on a running stack."""
    chosen = {"DATA_DIR": str(data), "EMBEDDING_MODEL": model, "API_PORT": "0"}
    environment = {**os.environ, **{f"DOCRELAY_{name}": value for name, value in chosen.items()}}
    said = data.with_suffix(".log")
    with said.open("wb") as log:
        process = subprocess.Popen([PROGRAM, "up"], env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        while b"The stack is ready" not in said.read_bytes():
            assert process.poll() is None, said.read_text()
            time.sleep(0.1)
        yield environment
    finally:
        process.terminate()
        process.wait(120)


def run(environment: dict[str, str], *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    ended = subprocess.run([PROGRAM, *words, "--json"], env=environment, capture_output=True, check=True)
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def change(environment: dict[str, str], records: list[dict[str, Any]], lines: Path) -> None:
    """Change 1 % of the records and delete another 1 %; print what was embedded and what is in the store."""
    chance, share = random.Random(2), len(records) // 100
    places = chance.sample(range(len(records)), 2 * share)
    changed = {place: f"Record {place} says something else now." for place in places[:share]}
    new = [{**record, "text": changed.get(place, record["text"])} for place, record in enumerate(records)]
    again = lines.with_name("again.jsonl")
    again.write_text("".join(f"{json.dumps(record)}\n" for record in new))
    report = run(environment, "texts", "import", str(again))
    names = [records[place]["id"] for place in places[share:]]
    deleted = sum(
        run(environment, "texts", "delete", *names[start : start + PER_DELETE])["points"]
        for start in range(0, len(names), PER_DELETE)
    )
    points = run(environment, "status")["collections"]
    print(
        f"{share} of {len(records)} changed: {report['completed']} completed, {report['unchanged']} unchanged, "
        f"{report['embedded']} chunks embedded, {report['seconds']:.1f} s; {deleted} points of {share} deleted records "
        f"gone; in the store: {points}"
    )


if __name__ == "__main__":
    main()
