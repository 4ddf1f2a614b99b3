"""Measure what documents and chunks take on the disk, in the catalog, the spool, the vector cache and the store.

    python bench/sizes.py --corpora DIR [--copies N]

Writes the collection MED (DIR/retrieval/med) as text files, N times with different first lines, ingests them into an
empty data folder, stops the stack, and divides the bytes of each part by documents and by chunks. Vectors and
texts are as large as with the model: the hashing embedder has as many dimensions and takes no time.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from corpora import add_corpora_option
from throughput import MED, ROOT, write_files

PARTS = {"catalog": ["catalog.db"], "vector cache": ["cache.db"], "spool": ["spool"], "store": ["vectors"]}


def main() -> int:
    """Ingest and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpora_option(options, MED.as_posix())
    options.add_argument("--copies", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as folder:
        files, data = Path(folder, "files"), Path(folder, "data")
        for copy in range(asked.copies):
            write_files(asked.corpora / MED, files / str(copy))
            for path in (files / str(copy)).iterdir():
                path.write_text(f"Copy {copy}\n{path.read_text('utf-8')}", "utf-8")
        report = _ingest(files, data)
        print(f"{report['documents']} documents of {_bytes(files) / report['documents']:,.0f} bytes on average")
        print(f"{report['chunks']} chunks\n\n| part | bytes | a document | a chunk |\n|---|--:|--:|--:|")
        for part, names in PARTS.items():
            size = sum(_bytes(data / name) for name in names)
            print(f"| {part} | {size:,} | {size / report['documents']:,.0f} | {size / report['chunks']:,.0f} |")
    return 0


def _ingest(files: Path, data: Path) -> dict[str, int]:
    """The report of an ingest; the log of each SQLite file is written back into it."""
    command = [sys.executable, "-m", "pipeline", "ingest", str(files), "--json", "--data-dir", str(data)]
    environment = {**os.environ, "DOCRELAY_EMBEDDING_MODEL": "hashing"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    for path in data.glob("*.db"):
        with sqlite3.connect(path) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    report: dict[str, int] = json.loads(done.stdout)
    return report


def _bytes(path: Path) -> int:
    """Bytes that a file, or all files of a folder, take on the disk."""
    files = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


if __name__ == "__main__":
    sys.exit(main())
