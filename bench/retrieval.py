"""Measure retrieval quality (nDCG@10) through files, ingest and search.

    python bench/retrieval.py --corpora DIR [--sets cranfield med xquad_en german parts records] [--engine] [--write]

Every document of a judged collection is written as a text file and ingested by `docrelay ingest`; every question is
asked through Docrelay's own search in each mode, and compared with a plain brute force of sentence-transformers (fp32)
over the very same chunks, read back from the store. A document counts as its best chunk.

DIR holds `retrieval/<set>/corpus.jsonl`, `queries.jsonl` and `qrels.tsv`; the German set is in bench/data, and the
catalogues are made by rule. `--engine` measures the embedded store alone, on whole texts. `--fusions` prints the
fusions that were tried, in memory. `--write` puts all tables into docs/retrieval.md, above its section Scores.

Exit code: 0, or 1 if dense is off the brute force by more than .01, if hybrid is below dense or sparse, or if the named
record of a catalogue is not always first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import fusions  # noqa: E402
from catalogues import CATALOGUES, catalogue  # noqa: E402
from corpora import add_corpora_option  # noqa: E402
from ndcg import Corpus, Measure, Search, evaluate, first, ndcg, read_corpus  # noqa: E402
from retrieval_page import Row, table, tables, write_page  # noqa: E402

import embeddings  # noqa: E402
from embeddings.known_models import DEFAULT  # noqa: E402
from embeddings.sources import resolve  # noqa: E402
from pipeline import stack  # noqa: E402
from pipeline.search import search  # noqa: E402
from pipeline.search.shares import dense_share  # noqa: E402
from pipeline.services import Services  # noqa: E402
from pipeline.settings import load_settings  # noqa: E402
from pipeline.vectorstore import Filter, Mode, Point, Query, open_store  # noqa: E402
from pipeline.vectorstore.sparse import encode_passages, encode_query  # noqa: E402

SETS = ("cranfield", "med", "xquad_en", "german", *CATALOGUES)
MODES: tuple[Mode, ...] = ("dense", "sparse", "hybrid")
CHUNKS_PER_QUESTION = 100
COLLECTION = "bench"
TOLERANCE = 0.01

Encode: TypeAlias = Callable[[Sequence[str]], Any]


def main() -> int:
    """Measure what was asked for and print the tables."""
    asked = _arguments()
    encode = plain_model()
    corpora = {name: corpus_of(name, asked.corpora) for name in asked.sets}
    if asked.fusions:
        print(fusion_table(corpora, encode))
        return 0
    measure = engine_alone if asked.engine else product
    rows = {name: measure(corpus, encode) for name, corpus in corpora.items()}
    page = "\n\n".join(tables(rows, "engine" if asked.engine else "files"))
    print(page)
    if asked.write:
        write_page(page, fusion_table(corpora, encode))
    return 0 if all(holds(name, row) for name, row in rows.items()) else 1


def corpus_of(name: str, corpora: Path) -> Corpus:
    """A judged collection, or a catalogue."""
    if name in CATALOGUES:
        return catalogue(name)
    own = ROOT / "bench" / "data" / name
    return read_corpus(own if own.is_dir() else corpora / "retrieval" / name)


def measure_of(corpus: Corpus) -> Measure:
    """The share of records ranked first for a catalogue, nDCG@10 for others."""
    return first if corpus.name in CATALOGUES else ndcg


def product(corpus: Corpus, encode: Encode) -> Row:
    """Ingest a corpus with Docrelay and score its search, and a brute-force search over the same chunks."""
    with TemporaryDirectory(prefix="docrelay-bench-") as folder:
        files, data = Path(folder, "files"), Path(folder, "data")
        write_files(corpus, files)
        summary = ingest(files, data)
        with stack.connect(load_settings({"data_dir": data}), until="ready", timeout_s=180) as settings:
            services = Services(settings)
            row: Row = {mode: evaluate(product_search(services, mode), corpus, measure_of(corpus)) for mode in MODES}
            chunks = stored_chunks(services, summary["chunks"])
    row["brute force"] = evaluate(brute_force(chunks, encode), corpus, measure_of(corpus))
    return {"chunks": float(len(chunks)), **row}


def product_search(services: Services, mode: Mode) -> Search:
    """Docrelay's search as a function from a question to documents with scores."""

    def ranked(question: str) -> Iterable[tuple[str, float]]:
        hits = search(services, question, COLLECTION, CHUNKS_PER_QUESTION, mode).hits
        return [(document_of(hit.source), hit.score) for hit in hits]

    return ranked


def stored_chunks(services: Services, count: int) -> list[tuple[str, str]]:
    """(document id, text) of every visible chunk, by one search whose limit is the whole collection."""
    anything = [1.0] * services.fingerprint.dim
    hits = services.store.search(COLLECTION, Query("dense", count + 1, anything, where=Filter(live=True)))
    if len(hits) != count:
        raise SystemExit(f"the store holds {len(hits)} chunks, the catalog {count}")
    return [(document_of(hit.payload["source"]), hit.payload["text"]) for hit in hits]


def engine_alone(corpus: Corpus, encode: Encode) -> Row:
    """Score the embedded store alone: whole texts are stored directly, without ingesting them."""
    chunks = list(corpus.texts.items())
    space = embeddings.describe(embeddings.EmbedderConfig()).fingerprint
    questions = {text: encode([text])[0].tolist() for text in corpus.questions.values()}
    with TemporaryDirectory(prefix="docrelay-bench-") as folder:
        store = open_store(Path(folder))
        store.ensure(COLLECTION, space)
        store.upsert(COLLECTION, engine_points(chunks, encode))

        def by(mode: Mode) -> Search:
            def ranked(question: str) -> Iterable[tuple[str, float]]:
                share = dense_share(question, DEFAULT)
                words = encode_query(question)
                query = Query(mode, CHUNKS_PER_QUESTION, questions[question], words, dense_share=share)
                return [(hit.payload["document"], hit.score) for hit in store.search(COLLECTION, query)]

            return ranked

        row: Row = {mode: evaluate(by(mode), corpus, measure_of(corpus)) for mode in MODES}
        store.close()
    row["brute force"] = evaluate(brute_force(chunks, encode), corpus, measure_of(corpus))
    return {"chunks": float(len(chunks)), **row}


def engine_points(chunks: list[tuple[str, str]], encode: Encode) -> list[Point]:
    """A point per text."""
    texts = [text for _, text in chunks]
    rows = zip(chunks, encode(texts), encode_passages(texts), strict=True)
    return [
        Point(str(UUID(int=number + 1)), dense.tolist(), words, {"document": document})
        for number, ((document, _), dense, words) in enumerate(rows)
    ]


def brute_force(chunks: list[tuple[str, str]], encode: Encode) -> Search:
    """Cosine of the question to every chunk, nothing approximate."""
    vectors = encode([text for _, text in chunks])

    def ranked(question: str) -> Iterable[tuple[str, float]]:
        scores = vectors @ encode([question])[0]
        best = np.argsort(-scores, kind="stable")[:CHUNKS_PER_QUESTION]
        return [(chunks[number][0], float(scores[number])) for number in best]

    return ranked


def plain_model() -> Encode:
    """sentence-transformers as its own README shows it, in fp32, on the product's default model."""
    from sentence_transformers import SentenceTransformer

    known: dict[tuple[str, ...], Any] = {}
    model = SentenceTransformer(str(resolve(DEFAULT).folder), device="cpu")

    def encode(texts: Sequence[str]) -> Any:
        key = tuple(texts)
        if key not in known:
            known[key] = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return known[key]

    return encode


def write_files(corpus: Corpus, folder: Path) -> None:
    """One text file per document, named by its id."""
    folder.mkdir(parents=True)
    for number, text in corpus.texts.items():
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")


def ingest(files: Path, data: Path) -> dict[str, Any]:
    """Run the command line and return what it says."""
    command = [str(Path(sys.executable).with_name("docrelay")), "ingest", str(files), "--collection", COLLECTION]
    done = subprocess.run([*command, "--data-dir", str(data), "--json"], stdout=subprocess.PIPE, text=True, check=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def document_of(source: str) -> str:
    """The document's id, which is the name of its file."""
    return Path(unquote(urlsplit(source).path)).stem


def holds(name: str, row: Row) -> bool:
    """Whether dense search is as good as the brute force, and hybrid search as good as the better of both."""
    if name in CATALOGUES:
        return bool(row["hybrid"] == 1.0)
    dense, sparse, hybrid = (float(row[mode]) for mode in MODES)
    return abs(dense - row["brute force"]) <= TOLERANCE and hybrid >= max(dense, sparse)


def fusion_table(corpora: dict[str, Corpus], encode: Encode) -> str:
    """Markdown: one row per fusion that was tried."""
    measured = {name: (corpus, fusions.matrices(corpus, encode)) for name, corpus in corpora.items()}
    return table(fusions.rows(measured, CATALOGUES), list(corpora), "fusion")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="nDCG@10 through files and search.")
    add_corpora_option(parser, "retrieval/<set>")
    parser.add_argument("--sets", nargs="+", default=list(SETS), help="names of collections and catalogues")
    parser.add_argument("--engine", action="store_true", help="the embedded store alone, on whole texts")
    parser.add_argument("--fusions", action="store_true", help="only the table of fusions that were tried")
    parser.add_argument("--write", action="store_true", help="write docs/retrieval.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
