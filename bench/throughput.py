"""Measure the throughput of an ingest from end to end, as a share of what the embedding model alone can do.

    python bench/throughput.py --corpora DIR [--rounds N] [--processes N] [--write]

Writes the collection MED (DIR/retrieval/med) as 1,033 text files and ingests them through `docrelay` on a running stack
(hash, catalog, extract, chunk, embed, store, verify, switch). Then plain sentence-transformers encodes the very same
chunks: same model, same precision, as many processes with one thread each, sorted by length. Both are timed in one run,
alternately; the median of the ratios is printed.

Exit code: 0, or 1 if the ratio is below .80.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from corpora import add_corpora_option
from provenance import provenance

ROOT = Path(__file__).resolve().parent.parent
MED = Path("retrieval", "med")
ASKED = 0.80
LONGEST_S = 900
CALL = 512
"""Texts per call of `encode`; inside a call sentence-transformers sorts by length itself."""


def main() -> int:
    """Run the rounds and print the table; exit code 1 when the ratio asked for is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpora_option(options, MED.as_posix())
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options.add_argument("--write", action="store_true", help="write the table to docs/throughput.md")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as folder:
        rows = [_round(asked, Path(folder), number) for number in range(asked.rounds)]
    table = _table(rows, asked)
    print(table)
    if asked.write:
        (ROOT / "docs" / "throughput.md").write_text(table, "utf-8")
    return 0 if _ratio(rows) >= ASKED else 1


def _round(asked: argparse.Namespace, folder: Path, number: int) -> dict[str, float]:
    files, data = folder / f"files-{number}", folder / f"data-{number}"
    count = write_files(asked.corpora / MED, files)
    ours, texts = ingest(files, data, asked.processes)
    raw = encode(texts, asked.processes)
    row = {"documents": count, "chunks": len(texts), "ours_s": ours, "raw_s": raw, "ratio": raw / ours}
    print(json.dumps({name: round(value, 3) for name, value in row.items()}), file=sys.stderr, flush=True)
    return row


def write_files(corpus: Path, folder: Path) -> int:
    """Write every document of the corpus as one text file."""
    folder.mkdir(parents=True)
    lines = (corpus / "corpus.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        document = json.loads(line)
        (folder / f"{document['_id']}.txt").write_text(f"{document['title']}\n\n{document['text']}\n".lstrip(), "utf-8")
    return len(lines)


def ingest(files: Path, data: Path, processes: int) -> tuple[float, list[str]]:
    """Ingest on a stack that is up.

    Returns:
        Seconds from the command's start to its end, and the texts of all chunks.
    """
    from pipeline import stack
    from pipeline.services import Services
    from pipeline.settings import load_settings

    settings = load_settings({"data_dir": data, "embed_processes": processes})
    with ExitStack() as scope:
        connected = scope.enter_context(stack.connect(settings, until="ready", timeout_s=120))
        began = time.perf_counter()
        command = [sys.executable, "-m", "pipeline", "ingest", str(files), "--json", "--data-dir", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        seconds = time.perf_counter() - began
        report = json.loads(done.stdout)
        texts = chunk_texts(Services(connected), files)
        if report["completed"] != report["documents"] or report["chunks"] != len(texts):
            raise SystemExit(f"the ingest is not complete: {done.stdout}")
    return seconds, texts


def chunk_texts(services: Any, files: Path) -> list[str]:
    """Texts of the chunks, cut from the same files by Docrelay's own functions."""
    import extractors
    from pipeline.stages.chunking import cut

    settings = services.settings
    return [
        chunk.text
        for path in sorted(files.iterdir())
        for chunk in cut(
            extractors.read(path), services.tokenizer, services.chunk_tokens, settings.chunk_overlap_tokens
        )
    ]


def encode(texts: list[str], processes: int) -> float:
    """Seconds that plain sentence-transformers takes for the texts, models loaded before the clock starts."""
    ordered = sorted(texts, key=len, reverse=True)
    shares = [ordered[start::processes] for start in range(processes)]
    context = get_context("spawn")
    with ExitStack() as scope:
        barrier = context.Barrier(processes + 1)
        workers = [context.Process(target=_encode, args=(share, barrier)) for share in shares]
        for worker in workers:
            worker.start()
            scope.callback(worker.join, 10)
        barrier.wait(LONGEST_S)
        began = time.perf_counter()
        barrier.wait(LONGEST_S)
        return time.perf_counter() - began


def _encode(texts: list[str], barrier: Any) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    import embeddings
    from embeddings.known_models import DEFAULT as DEFAULT_MODEL
    from embeddings.sentence_transformers import SentenceTransformerEmbedder
    from embeddings.sources import resolve

    ours = embeddings.load()
    if not isinstance(ours, SentenceTransformerEmbedder):
        raise SystemExit("the bench compares with sentence-transformers")
    torch.set_num_threads(1)
    dtype = torch.bfloat16 if ours.precision == "bf16" else torch.float32
    model = SentenceTransformer(str(resolve(DEFAULT_MODEL).folder), model_kwargs={"dtype": dtype})
    model.encode(texts[:8])
    barrier.wait()
    for start in range(0, len(texts), CALL):
        model.encode(texts[start : start + CALL], batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    barrier.wait()


_MEANING = """\
The collection MED as text files, with {processes} embedding processes of one thread. Docrelay: seconds from the start
of `docrelay ingest` on a running stack until every file is searchable. sentence-transformers: seconds in
which it only encodes the same chunks, with the same model and as many processes. Share: the second divided by
the first; 1 would mean that everything but the embedding costs no time.
"""


def _ratio(rows: list[dict[str, float]]) -> float:
    return statistics.median(row["ratio"] for row in rows)


def _table(rows: list[dict[str, float]], asked: argparse.Namespace) -> str:
    lines = [
        "# Throughput",
        "",
        provenance(f"python bench/throughput.py --corpora DIR --rounds {asked.rounds} --write"),
        "DIR is the folder with the published test collections, see [benchmarks.md](benchmarks.md).",
        "",
        *_MEANING.format(processes=asked.processes).splitlines(),
        "",
        "| round | documents | chunks | Docrelay (s) | sentence-transformers (s) | share |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in enumerate(rows, 1):
        numbers = f"{row['documents']:.0f} | {row['chunks']:.0f} | {row['ours_s']:.1f} | {row['raw_s']:.1f}"
        lines.append(f"| {number} | {numbers} | {row['ratio']:.2f} |")
    verdict = "reached" if _ratio(rows) >= ASKED else "missed"
    return "\n".join([*lines, "", f"Median share {_ratio(rows):.2f}; required is {ASKED:.2f}: {verdict}.", ""])


if __name__ == "__main__":
    sys.exit(main())
