"""The sample documents through every entry point of one stack: each ends as planted.toml says, on its page.

Texts are kept by content, so OCR runs for the first entry point only, and the others use its result (the tests of
searching share the stack, and may come before). How OCR gets its work does not depend on the entry point.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_rig import Api
from flow_tools import eventually
from planted import DOCUMENTS, FILES, pages_of

from pipeline.catalog.database.schema import documents

EXPECTED = {row["name"]: row["expected"] for row in FILES}


@pytest.fixture
def api(samples_api: Api) -> Api:
    return samples_api


def watched(data: Path) -> Path:
    return data.with_name("watched")


# The entry points: each ingests the samples into the collection of its name and returns their outcomes


def by_command(api: Api) -> dict[str, str]:
    report = api.cli.json("ingest", DOCUMENTS, "-c", "command", code=1)
    failed = {Path(failure["source"]).name: failure["code"] for failure in report["failures"]}
    assert (report["documents"], report["completed"], report["failed"]) == (
        len(FILES),
        len(FILES) - len(failed),
        len(failed),
    )
    return {name: failed.get(name, "completed") for name in EXPECTED}


def by_upload(api: Api) -> dict[str, str]:
    return ended(api, api.submit(*DOCUMENTS.iterdir(), collection="upload"))


def by_paths(api: Api) -> dict[str, str]:
    job = api.client.submit_paths(str(DOCUMENTS), collection="paths").job_id
    assert api.client.wait(job).ended
    return ended(api, job)


def by_folder(api: Api) -> dict[str, str]:
    for path in DOCUMENTS.iterdir():
        shutil.copy(path, watched(api.cli.folder))

    def outcomes() -> dict[str, str]:
        documents = {name: api.client.document(document_id) for name, document_id in identities(api, "watched").items()}
        return {name: document.code or document.state for name, document in documents.items()}

    eventually(lambda: outcomes() == EXPECTED, pause=0.5)
    return outcomes()


def ended(api: Api, job: str) -> dict[str, str]:
    return {Path(document.source).name: document.code or document.state for document in api.client.documents(job)}


ENTRY_POINTS = {"command": by_command, "upload": by_upload, "paths": by_paths, "watched": by_folder}


# What must hold behind each


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_sample_ends_and_is_found_as_its_table_says(api: Api, entry_point: str) -> None:
    assert ENTRY_POINTS[entry_point](api) == EXPECTED
    assert amiss(api, entry_point) == []


def test_reindexed_samples_end_and_are_found_as_their_table_says(api: Api) -> None:
    if not identities(api, "upload"):
        by_upload(api)
    before = api.client.system().collections["upload"]
    assert api.cli.json("reindex", "-c", "upload", "--chunk-tokens", "64")["state"] == "soaking"
    assert api.client.system().collections["upload"] > before
    assert amiss(api, "upload") == []


def identities(api: Api, collection: str) -> dict[str, str]:
    """Ids of the documents of a collection by the names of their files."""
    query = sa.select(documents.c.source, documents.c.id).where(documents.c.collection == collection)
    return {Path(source).name: document_id for source, document_id in api.cli.rows(query)}


def amiss(api: Api, collection: str) -> list[tuple[Any, ...]]:
    """What is not as the table says."""
    known = identities(api, collection)
    assert known.keys() == EXPECTED.keys()
    return [
        (row["name"], *difference) for row in FILES for difference in _amiss(api, collection, known[row["name"]], row)
    ]


def _amiss(api: Api, collection: str, document_id: str, row: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    document, fine = api.client.document(document_id), row["expected"] == "completed"
    if (document.state, document.code) != (("completed", None) if fine else ("failed", row["expected"])):
        yield document.state, document.code
    if not fine:
        return
    facts = (document.media_type, document.receipt.pages_in, document.receipt.ocred > 0)
    if facts != (row["media_type"], row.get("pages", 1), row["ocr"]):
        yield facts
    text = "\n".join(chunk.text for chunk in api.client.chunks(document_id))
    yield from ((unwanted,) for unwanted in row.get("must_not_include", []) if unwanted in text)
    for planted in row["must_include"]:
        only = {"sources": [document.source]}
        pages = pages_of(api.client.search(planted["text"], collection, 50, "sparse", only).hits, planted["text"])
        if not pages or pages != {planted.get("page", next(iter(pages)))}:
            yield planted, pages
