"""What is kept of a page: what another text would change is kept apart, and what a lost text spoils not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pdf_builder import at, book

from extractors.document import Document, Page
from extractors.drawing.sheet import sheets
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import jobs, versions
from pipeline.catalog.documents import live_versions
from pipeline.catalog.documents.versions import newest
from pipeline.errors import DiskFull, UnknownPage
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.page_images import PageRequest, Renderers, draw_image, find_image, find_page, images, page_detail
from pipeline.page_images import texts as page_texts
from pipeline.page_images.kept_sheets import LONG_TEXT
from pipeline.page_images.source import PageSource
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import write_json
from pipeline.stages.kept_texts import text_key_of

WORDS = "The lamp of the harbour"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"), owner=True)
    yield services
    services.singleton(Renderers).close()
    if "store" in services.__dict__:
        services.store.close()
    services.catalog.dispose()


def live_document(services: Services, source: str, data: bytes, media_type: str) -> str:
    """A document of one page whose version readers see, though no worker has read it; its id."""
    draft = Draft(services)
    draft.write(data)
    accepted = submit_uploads(
        services, GroupWriter(services.catalog), Request(()), [draft.finish(source)], SubmitOptions()
    )
    document_id = str(accepted["documents"][0]["document_id"])
    with writing(services.catalog) as connection:
        version = newest(connection, document_id)
        facts = {"media_type": media_type, "pages_text": 1}
        connection.execute(versions.update().where(versions.c.id == version.id).values(facts))
        live_versions.switch(connection, {document_id: version.id})
    return document_id


def found(services: Services, document_id: str, page: int = 1, *, passage: tuple[int, int] | None = None) -> PageSource:
    start, end = passage or (None, None)
    return find_page(services, PageRequest(document_id, page, 200, "png", start, end))


def keep_text(source: PageSource, text: str, number: int | None = 1) -> None:
    """Keep a text as extraction does."""
    document, pages = source.document, (Page(number, text),)
    key = text_key_of(document.content_sha256 or "", document.source, source.extraction)
    write_json(source.services.spool, key, Document(document.media_type or "", pages).to_json())


@pytest.fixture
def pdf(services: Services) -> str:
    return live_document(services, "upload://a.pdf", book([at(20, 100, WORDS)]), "application/pdf")


def test_a_text_that_is_kept_later_has_its_boxes(services: Services, pdf: str) -> None:
    passage = (4, 8)
    before = found(services, pdf, passage=passage)
    assert (page_detail(before).boxes, draw_image(before).boxes) == ([], 0)
    keep_text(before, WORDS)
    after = found(services, pdf, passage=passage)
    assert find_image(after) is None
    assert (len(page_detail(after).boxes), draw_image(after).boxes) == (1, 1)
    assert after.etag != before.etag
    assert found(services, pdf).etag == found(services, pdf).etag


def test_a_picture_whose_text_is_lost_meanwhile_is_not_kept(services: Services, pdf: str) -> None:
    keep_text(found(services, pdf), WORDS)
    source = found(services, pdf, passage=(4, 8))
    assert source.has_text
    services.spool.delete("texts")
    assert draw_image(source).boxes == 0
    keep_text(source, WORDS)
    assert draw_image(found(services, pdf, passage=(4, 8))).boxes == 1


def test_the_same_bytes_under_names_that_are_read_differently_are_kept_apart(services: Services) -> None:
    data = b"Subject: a buoy\n\nIt rings."
    mail = live_document(services, "upload://a.eml", data, "message/rfc822")
    text = live_document(services, "upload://a.txt", data, "text/plain")
    sources = [found(services, document_id) for document_id in (mail, text)]
    assert sources[0].document.content_sha256 == sources[1].document.content_sha256
    assert sources[0].etag != sources[1].etag
    for source, content in zip(sources, ("A buoy\nIt rings.", data.decode()), strict=True):
        keep_text(source, content, None)
    drawn = [draw_image(found(services, document_id)).data for document_id in (mail, text)]
    assert drawn[0] != drawn[1]
    assert [find_image(source).data for source in sources] == drawn  # type: ignore[union-attr]


def test_a_long_text_is_divided_into_sheets_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    divided: list[int] = []

    def counted(text: str) -> list[tuple[int, int]]:
        divided.append(len(text))
        return sheets(text)

    monkeypatch.setattr(page_texts, "sheets", counted)
    document_id = live_document(services, "upload://a.log", b"the log", "text/plain")
    line = "It was a quiet night.\n"
    text = line * math.ceil(LONG_TEXT / len(line))
    keep_text(found(services, document_id), text, None)
    for page in (1, 2, 379):
        source = found(services, document_id, page)
        part = source.text
        assert part is not None
        assert part.text == text[part.char_start : part.char_end]
        assert part.text.splitlines() == [line.strip()] * min(60, len(text.splitlines()) - 60 * (page - 1))
    assert len(divided) == 1

    def unread(*_: object) -> None:
        raise AssertionError("the text is read")

    monkeypatch.setattr("pipeline.page_images.source.kept_text", unread)
    for character in (0, 60 * len(line), len(text) - 1):
        position = replace(found(services, document_id), request=PageRequest(document_id, 1, char_start=character))
        assert position.position().page == character // (60 * len(line)) + 1
    with pytest.raises(UnknownPage, match=f"has {len(text)} characters"):
        replace(source, request=PageRequest(document_id, 1, char_start=len(text))).position()


def test_the_file_is_opened_when_its_page_may_be_drawn(
    services: Services, pdf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is known to fail, or that waits for a sandbox, costs neither a copy nor a download."""
    opened: list[str] = []
    original_file = PageSource.file

    def file(source: PageSource) -> object:
        opened.append(source.document.source)
        return original_file(source)

    monkeypatch.setattr(PageSource, "file", file)
    key = f"originals/{(found(services, pdf).document.content_sha256 or '')[:2]}"
    for path in (services.settings.data_dir / "spool" / key).iterdir():
        path.write_bytes(b"%PDF-1.7 torn")
    for _ in range(3):
        with pytest.raises(Exception, match="PDF"):
            draw_image(found(services, pdf))
    assert opened == ["upload://a.pdf"]


def test_a_file_is_not_copied_where_the_disk_is_full(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "readable.pdf"
    path.write_bytes(book([at(20, 100, WORDS)]))
    document_id = live_document(services, str(path), path.read_bytes(), "application/pdf")
    source = found(services, document_id)
    with writing(services.catalog) as connection:
        connection.execute(jobs.update().values(paths=[str(path)]))  # as if it had been named by its path
    services.spool.delete("originals")
    full = services.settings.model_copy(update={"min_free_mb": 1 << 40})
    services.__dict__["settings"] = full
    with pytest.raises(DiskFull):
        images.draw_image(source)
