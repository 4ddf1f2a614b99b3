"""Lists of documents over all jobs: the API, and the catalog below it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from list_rig import ListCatalog
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.catalog.database import keyset
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents
from pipeline.errors import BadRequest, UnknownId
from pipeline.lists.documents import DocumentQuery, list_documents


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListCatalog]:
    folder = tmp_path_factory.mktemp("list")
    catalog = ListCatalog(folder / "data")
    (folder / "there.txt").write_text("It is there.")
    catalog.add("/srv/new.pdf")
    catalog.add("/srv/by_former_chunker.pdf", chunker="2")
    catalog.add("/srv/part.pdf", parts_missing=2)
    catalog.add("/srv/pages.pdf", pages_failed=1)
    catalog.add("/srv/failed.pdf", end="failed")
    catalog.add("/srv/refused.pdf", end="refused")
    catalog.add("/srv/deleted.pdf", end="deleted", extraction="1-abc")
    catalog.add("/srv/queued.pdf", end="queued")
    catalog.add("upload://letter.txt", "letters", extraction="1-abc")
    catalog.add(str(folder / "there.txt"), "letters", extraction="1-abc")
    yield catalog
    catalog.services.catalog.dispose()


def test_conditions_hold_together(catalog: ListCatalog) -> None:
    all_there = catalog.sources()
    assert len(all_there) == 9
    assert "/srv/deleted.pdf" not in all_there
    assert catalog.sources(incomplete=True) == {"/srv/part.pdf", "/srv/pages.pdf"}
    outdated = catalog.sources(outdated=True)
    assert {"/srv/by_former_chunker.pdf", "upload://letter.txt"} < outdated
    assert len(outdated) == 3
    assert catalog.sources(outdated=True, collection="documents") == {"/srv/by_former_chunker.pdf"}
    assert catalog.sources(outdated=True, incomplete=True) == set()
    assert catalog.sources(source="p*.pdf") == {"/srv/part.pdf", "/srv/pages.pdf"}
    assert catalog.sources(source="/srv/part.pdf") == {"/srv/part.pdf"}
    assert catalog.sources(source="letter.txt", collection="letters") == {"upload://letter.txt"}


@pytest.mark.parametrize(
    ("state", "sources"),
    [
        ("failed", {"/srv/failed.pdf", "/srv/refused.pdf"}),
        ("deleted", {"/srv/deleted.pdf"}),
        ("queued", {"/srv/queued.pdf"}),
        ("cancelled", set()),
    ],
)
def test_list_by_state(catalog: ListCatalog, state: str, sources: set[str]) -> None:
    assert catalog.sources(state=state) == sources


def test_an_unknown_state_is_an_error() -> None:
    with pytest.raises(BadRequest, match=r"There is no state done\."):
        DocumentQuery(state="done")


def test_an_unknown_collection_is_an_error(catalog: ListCatalog) -> None:
    with pytest.raises(UnknownId, match=r"There is no collection nothing\."):
        catalog.sources(collection="nothing")


@pytest.mark.parametrize("after", ["", "7", "x", "5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7", "5B3CB0A8" * 5])
def test_a_position_that_no_list_gives_is_an_error(catalog: ListCatalog, after: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        catalog.sources(after=after)


@pytest.mark.parametrize(
    ("option", "message"),
    [(("-c", "nothing"), "no collection nothing"), (("--cursor", "zzz"), "has given this cursor")],
)
def test_command_refuses_what_no_list_can_have(tmp_path: Path, option: tuple[str, str], message: str) -> None:
    command = [sys.executable, "-m", "pipeline", "documents", *option, "--data-dir", str(tmp_path)]
    listed = subprocess.run(command, capture_output=True, text=True)
    assert (listed.returncode, listed.stdout) == (2, "")
    assert message in listed.stderr


def test_a_name_that_exists_is_no_pattern(tmp_path: Path) -> None:
    """As for a search: neither `Report f.txt` nor what was deleted is meant by `Report [final].txt`."""
    catalog = ListCatalog(tmp_path)
    catalog.add("/srv/Report f.txt", "bracketed")
    named = catalog.add("/srv/Report [final].txt", "bracketed")
    assert catalog.sources(source="Report [final].txt") == {"/srv/Report [final].txt"}
    catalog.add("/srv/other.txt", "others")
    assert catalog.sources(source="Report [final].txt", collection="others") == set()
    with writing(catalog.services.catalog) as connection:
        connection.execute(documents.update().where(documents.c.id == named).values(deleted_at=1.0))
    assert catalog.sources(source="Report [final].txt") == {"/srv/Report f.txt"}
    assert catalog.sources(source="Report [final].txt", state="deleted") == {"/srv/Report [final].txt"}


def test_outdated_documents_say_whether_their_file_is_there(catalog: ListCatalog) -> None:
    listed = list_documents(catalog.services, DocumentQuery(outdated=True)).documents
    has = {document.source.rpartition("/")[2]: document.has_original for document in listed}
    assert has == {"by_former_chunker.pdf": False, "letter.txt": False, "there.txt": True}
    current = list_documents(catalog.services, DocumentQuery(source="new.pdf")).documents
    assert [document.has_original for document in current] == [None]


@pytest.mark.parametrize("limit", [1, 2, 4, 8, 9, 100])
@pytest.mark.parametrize("source", [None, "*.pdf"])
def test_pages_hold_every_document_once(catalog: ListCatalog, limit: int, source: str | None) -> None:
    whole = [row.id for row in list_documents(catalog.services, DocumentQuery(source=source)).documents]
    seen, after = list[str](), None
    while True:
        page = list_documents(catalog.services, DocumentQuery(source=source, after=after, limit=limit))
        seen += [row.id for row in page.documents]
        assert len(page.documents) <= limit
        if page.next is None:
            break
        assert len(page.documents) == limit
        after = page.next
    assert seen == whole


def test_api_lists_documents(catalog: ListCatalog) -> None:
    with TestClient(make_app(catalog.services, embedded=True), base_url="http://127.0.0.1") as client:
        first = client.get("/v1/documents", params={"outdated": True, "limit": 2}).json()
        assert len(first["documents"]) == 2
        last = client.get("/v1/documents", params={"outdated": True, "cursor": first["next"]}).json()
        assert last["next"] is None
        rows = first["documents"] + last["documents"]
        assert {row["source"] for row in rows} == catalog.sources(outdated=True)
        assert {row["outdated"] for row in rows} == {True}
        for query, status, code in (
            ("collection=nothing", 404, "unknown_id"),
            ("cursor=1.0d7c6c0e", 422, "bad_request"),
        ):
            answer = client.get(f"/v1/documents?{query}")
            assert (answer.status_code, answer.json()["code"]) == (status, code), query
        for wrong in (
            {"state": "blue"},
            {"limit": 0},
            {"cursor": "x"},
            {"outdated": "perhaps"},
            {"collection": "../x"},
        ):
            answer = client.get("/v1/documents", params=wrong)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), wrong
        parameters = client.get("/openapi.json").json()["paths"]["/v1/documents"]["get"]["parameters"]
        named = {"collection", "state", "outdated", "incomplete", "source", "limit", "cursor"}
        named |= {"code", "tag", "since", "before", "sort"}
        assert {parameter["name"] for parameter in parameters if parameter["in"] == "query"} == named, json.dumps(
            parameters
        )


def test_pages_of_a_name_that_many_documents_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More documents than are read at once are read in the order of their ids."""
    monkeypatch.setattr(keyset, "FEW", 3)
    catalog = ListCatalog(tmp_path)
    ids = sorted(catalog.add(f"/srv/report_{number}.txt") for number in range(6))
    catalog.add("/srv/letter.txt")

    def page(after: str | None, source: str) -> list[str]:
        query = DocumentQuery(source=source, after=after, limit=4)
        return [document.id for document in list_documents(catalog.services, query).documents]

    assert [page(None, "report*"), page(f"1.{ids[3]}", "report*")] == [ids[:4], ids[4:]]
    assert page(None, "*report_[24].txt") == sorted(set(page(None, "*report_2.txt") + page(None, "*report_4.txt")))
    assert len(page(None, "*report_[24].txt")) == 2
