"""Measure what documents and chunks take on the disk, in the catalog, the spool, the vector cache and the store.

    python bench/sizes.py --corpora DIR [--copies N]

Writes the collection MED (DIR/retrieval/med) as text files, N times with different first lines, and ingests them into
an empty data folder; then the same with N more. What the second half adds is divided by its documents and chunks: files
of a fixed size count for nothing so. Vectors and texts are as large as with the model: the hashing embedder has as many
dimensions and takes no time.
"""

from __future__ import annotations

import argparse
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
        before, after = [_ingest(asked.corpora / MED, files / half, data, asked.copies) for half in ("first", "second")]
    added = {name: after[name] - before[name] for name in after}
    documents, chunks = added.pop("documents"), added.pop("chunks")
    print(f"{documents} documents, {chunks} chunks\n\n| part | bytes | a document | a chunk |\n|---|--:|--:|--:|")
    for part, size in added.items():
        print(f"| {part} | {size:,} | {size / documents:,.0f} | {size / chunks:,.0f} |")
    return 0


def _ingest(corpus: Path, files: Path, data: Path, copies: int) -> dict[str, int]:
    """Ingest copies of the corpus; documents, chunks and bytes of each part that the data folder then holds."""
    for copy in range(copies):
        write_files(corpus, files / str(copy))
        for path in (files / str(copy)).iterdir():
            path.write_text(f"{files.name} {copy}\n{path.read_text('utf-8')}", "utf-8")
    command = [sys.executable, "-m", "pipeline", "ingest", str(files), "--json", "--data-dir", str(data)]
    environment = {**os.environ, "DOCRELAY_EMBEDDING_MODEL": "hashing"}
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment)
    for path in data.glob("*.db"):  # what is in the log of an SQLite file belongs to it
        with sqlite3.connect(path) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with sqlite3.connect(data / "catalog.db") as database:
        documents, chunks = database.execute("SELECT count(*), sum(chunks) FROM versions").fetchone()
    sizes = {part: sum(_bytes(data / name) for name in names) for part, names in PARTS.items()}
    return {"documents": documents, "chunks": chunks, **sizes}


def _bytes(path: Path) -> int:
    """Bytes that a file, or all files of a folder, take on the disk."""
    files = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


if __name__ == "__main__":
    sys.exit(main())
