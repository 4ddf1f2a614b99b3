"""The sample documents through the real stack with the real model: every planted string is found, on its page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_rig import Api
from cli_rig import Cli
from planted import DOCUMENTS, FILES, FINE, SEARCHES, pages_of

import embeddings
from extractors import read
from pipeline.results import Hit, SearchResult
from pipeline.search import search
from pipeline.services import Services
from pipeline.types import Mode
from pipeline.vectorstore.base import Filter

STRINGS = [(row["name"], planted) for row in FINE for planted in row["must_include"]]
IN_PROCESS = """
import sys
sys.argv = ["docrelay", *sys.argv[1:]]
from pipeline.cli import main
try:
    main()
finally:
    print(sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def cli(samples_api: Api) -> Cli:
    """Commands on a stack with the real model, and the samples in it, with times that can be searched by."""
    cli = samples_api.cli
    (cli.folder.parent / "samples").mkdir()
    for number, path in enumerate(sorted(DOCUMENTS.iterdir())):
        copy = Path(where(cli, path.name))
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1_600_000_000 + number * 86_400,) * 2)
    report = cli.json("ingest", cli.folder.parent / "samples", code=1)
    failed = {Path(failure["source"]).name: failure["code"] for failure in report["failures"]}
    assert failed == {row["name"]: row["expected"] for row in FILES if row["expected"] != "completed"}
    assert report["completed"] == len(FINE)
    return cli


@pytest.fixture(scope="module")
def services(cli: Cli) -> Iterator[Services]:
    with cli.services() as running_services:
        yield running_services


def where(cli: Cli, name: str) -> str:
    return str(cli.folder.parent / "samples" / name)


# Through the command


def test_every_passage_of_a_table_is_found_by_the_names_of_its_columns(cli: Cli, services: Services) -> None:
    folder = cli.folder.parent / "tables"
    folder.mkdir()
    rows = [f"{n},valve {n:03},{n * 7 % 90}" for n in range(200)]
    (folder / "stock.csv").write_text("\n".join(["Number,Article,Pigeonhole", *rows]), encoding="utf-8")
    assert cli.json("ingest", folder, "--collection", "tables")["chunks"] > 4
    hits = search(services, "pigeonhole", "tables", 50, "sparse").hits
    lines = [line for hit in sorted(hits, key=lambda hit: hit.char_start) for line in hit.text.split("\n")]
    assert set(rows) < set(lines) <= {*rows, "Number,Article,Pigeonhole"}
    assert {hit.prefix for hit in hits} == {"", "Number,Article,Pigeonhole"}
    assert "Number,Article,Pigeonhole" in cli.run("search", "valve 150", "--collection", "tables", "-n", "1").out


def test_every_planted_string_is_found_on_its_page(cli: Cli, services: Services) -> None:
    """Each file's first one through the command, the others through what the command calls."""
    lost, asked = [], set[str]()
    for name, planted in STRINGS:
        if name in asked:
            hits = search(services, planted["text"], "documents", 50, where=Filter(sources=(f"*/{name}",))).hits
        else:
            answer = cli.json("search", planted["text"], "--source", f"*/{name}", "-n", "50")["hits"]
            hits = [Hit(**hit) for hit in answer]
        asked.add(name)
        assert {Path(hit.source).name for hit in hits} <= {name}
        pages = pages_of(hits, planted["text"])
        if not pages or pages != {planted.get("page", next(iter(pages)))}:
            lost.append((name, planted, pages))
    assert lost == []
    assert len(asked) == len(FINE)


@pytest.mark.parametrize("row", SEARCHES, ids=lambda row: row["query"])
def test_the_searches_of_the_demo(cli: Cli, row: dict[str, Any]) -> None:
    first = cli.json("search", row["query"])["hits"][0]
    assert Path(first["source"]).name == row["file"]
    assert first["page_start"] <= row["page"] <= first["page_end"]


def test_text_of_every_hit_is_the_slice_of_its_source(cli: Cli) -> None:
    for row in (row for row in FINE if not row["ocr"] or row["name"] in ("letter_scan.png", "project_file_mixed.pdf")):
        hits = cli.json("search", "the boat", "--source", f"*/{row['name']}", "-n", "100")["hits"]
        assert hits
        text = read(Path(where(cli, row["name"])), cli.settings.options).text
        assert [hit["text"] for hit in hits] == [text[hit["char_start"] : hit["char_end"]] for hit in hits]


def test_search_does_not_import_torch(cli: Cli) -> None:
    """The model that is loaded already answers."""
    ended = subprocess.run(
        [sys.executable, "-c", IN_PROCESS, "search", "ferry", "--json"],
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(ended.stdout)["hits"]
    assert "sqlalchemy" in ended.stderr
    assert not re.search("'(torch|transformers|sentence_transformers|tokenizers)'", ended.stderr)


def test_every_entry_point_gives_the_same_answer(cli: Cli, samples_api: Api, services: Services) -> None:
    """Options and all: the command, the API, the library."""
    question, options = "Boot boat ferry", {"min_score": 0.2, "group": "document", "rerank": False}
    words = ("--min-score", "0.2", "--group", "document", "--no-rerank", "-n", "3")
    by_command = cli.json("search", question, *words)
    by_client = samples_api.client.search(question, limit=3, **options)
    assert SearchResult.model_validate(by_command) == by_client
    assert by_client == search(services, question, "documents", 3, **options)
    assert len({hit.document_id for hit in by_client.hits}) == len(by_client.hits) == 3
    assert all(hit.score >= 0.2 and hit.highlights for hit in by_client.hits)


def test_names_are_found_as_typed_and_in_either_spelling(cli: Cli, tmp_path: Path) -> None:
    """Files as macOS names them, and with the signs of a pattern; deleted by the name as typed too."""
    (tmp_path / "U\u0308bersicht Ma\u0308ngel.txt").write_text("The windlass leaks oil.")
    (tmp_path / "Report [final].txt").write_text("The windlass was mended.")
    (tmp_path / "Report f.txt").write_text("The windlass is older than the boat.")
    cli.json("ingest", tmp_path, "--collection", "names")

    def found(source: str) -> set[str]:
        hits = cli.json("search", "windlass", "-c", "names", "-c", "documents", "--source", source)["hits"]
        return {Path(hit["source"]).name for hit in hits if hit["collection"] == "names"}

    assert found("Übersicht*.txt") == found("Übersicht Mängel.txt") == {"U\u0308bersicht Ma\u0308ngel.txt"}
    assert found("Report [final].txt") == {"Report [final].txt"}
    assert found("Report ?.txt") == {"Report f.txt"}
    deleted = cli.json("delete", tmp_path / "Übersicht Mängel.txt", "--collection", "names")
    assert deleted["documents"] == 1
    assert found("Übersicht*.txt") == set()


def test_the_end_of_a_long_question_is_not_cut(cli: Cli) -> None:
    """The model reads 256 tokens."""
    filler = "I have read many papers about this and did not find what I was looking for, and nor did my colleagues. "
    (alone,) = cli.json("search", "When does the siren sound?", "-n", "1", "--mode", "dense")["hits"]
    answer = cli.json("search", filler * 25 + "When does the siren sound?", "-n", "1", "--mode", "dense")
    assert answer["hits"][0]["chunk_id"] == alone["chunk_id"]
    assert answer["warnings"] == []
    cut = cli.json("search", filler * 300 + "When does the siren sound?", "-n", "1", "--mode", "dense")
    assert cut["hits"][0]["chunk_id"] == alone["chunk_id"]
    assert re.fullmatch(
        r"The question has 6,305 words; [\d,]+ of them, before its last part, were not used\.", *cut["warnings"]
    )


# Through the library


def ask(services: Services, question: str, mode: Mode = "hybrid", limit: int = 5, **condition: Any) -> SearchResult:
    return search(services, question, "documents", limit, mode, Filter(**condition))


def names(result: SearchResult) -> list[str]:
    return [Path(hit.source).name for hit in result.hits]


def test_modes_differ_in_what_they_find(services: Services) -> None:
    """A word that means nothing is found by words; a meaning in other words is found by meaning."""
    assert names(ask(services, "Zaunkönigsgold", "sparse"))[0] == "invoice_wrong_suffix.txt"
    meaning = "vacation allowance of staff"
    assert names(ask(services, meaning, "dense"))[0] == "staff_handbook.docx"
    assert ask(services, "vacation allowance", "sparse").hits == []
    for question, name in (("Zaunkönigsgold", "invoice_wrong_suffix.txt"), (meaning, "staff_handbook.docx")):
        assert name in names(ask(services, question))


def test_dense_scores_are_the_models_own_cosines(cli: Cli, services: Services) -> None:
    question = "sea trial of the electric ferry"
    model = embeddings.load(services.embedder_config)
    hits = ask(services, question, "dense", 100).hits
    cosines = model.embed([hit.text for hit in hits]) @ model.embed_query(question)
    # Passages are embedded in batches of other shapes than here: bf16 rounds by the third digit.
    # The score of a negative cosine is 0.
    assert np.abs(np.clip(cosines, 0, 1) - [hit.score for hit in hits]).max() < 0.01
    assert len(hits) == cli.json("status")["collections"]["documents"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_search_returns_at_most_limit_hits_of_one_version_each(services: Services) -> None:
    for limit in (1, 3, 1000):
        hits = ask(services, "boat", limit=limit).hits
        assert len({hit.chunk_id for hit in hits}) == len(hits) <= limit
    assert len(ask(services, "boat", limit=3).hits) == 3


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_search_filters(cli: Cli, services: Services, mode: Mode) -> None:
    question, every = "Boot boat ferry Bootswerft sensor und the", {"limit": 100, "mode": mode}
    assert set(names(ask(services, question, **every, sources=("*.tif", "*/tide_*")))) == {
        "inspection.tif",
        "tide_sensor.md",
    }
    assert set(names(ask(services, question, **every, sources=(where(cli, "tide_sensor.md"),)))) == {"tide_sensor.md"}
    assert ask(services, question, **every, sources=("tide_sensor.m",)).hits == []
    images = set(names(ask(services, question, **every, media_types=("image/png", "image/tiff"))))
    assert images == {"hauling_out_upside_down.png", "inspection.tif", "letter_scan.png"}
    paged = ask(services, question, **every, page=4).hits
    assert {Path(hit.source).name for hit in paged} == {"annual_report.pdf", "project_file_mixed.pdf"}
    assert all((hit.page_start or 0) <= 4 <= (hit.page_end or 0) for hit in paged)
    assert ask(services, question, **every, page=99).hits == []


def test_search_by_time(cli: Cli) -> None:
    """Files were written one a day, in the order of their names, from 13 September 2020, 12:26:40 UTC."""
    order = sorted(path.name for path in DOCUMENTS.iterdir())
    fine = {row["name"] for row in FINE}
    asked = ("search", "Boot boat the und", "-n", "200")

    def names_in_range(*words: str) -> set[str]:
        return {Path(hit["source"]).name for hit in cli.json(*asked, *words)["hits"]}

    assert names_in_range("--after", "2020-09-23T00:00:00Z") == {name for name in order[10:] if name in fine}
    assert names_in_range("--before", "2020-09-23T00:00:00Z") == {name for name in order[:10] if name in fine}
    between = names_in_range("--after", "2020-09-22T12:00:00Z", "--before", "2020-09-22T14:00:00+01:00")
    assert between == {order[9]} & fine
    assert names_in_range("--after", "2031-01-01") == set()
