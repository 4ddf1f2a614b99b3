"""What a page is drawn from: the file of a version, or its kept text where a format has no pages that can be drawn."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from extractors.document import Document
from extractors.drawing import DRAWING_VERSION
from extractors.options import Options
from extractors.registry import has_renderer
from pipeline.catalog.documents.versions import version_of
from pipeline.catalog.work import status
from pipeline.catalog.work.batches import plan_of_version
from pipeline.errors import Conflict, Gone, UnknownId
from pipeline.ingest.originals import original_file
from pipeline.page_images.kept_sheets import find_sheets, sheets_of
from pipeline.page_images.request import PageRequest
from pipeline.page_images.text_reads import TextReads
from pipeline.page_images.texts import PageText, Sheets, has_no_pages, no_such_page, page_at, text_of_page
from pipeline.results import DocumentStatus, PagePosition
from pipeline.services import Services
from pipeline.stages.kept_images import image_folder
from pipeline.stages.kept_texts import kept_text, text_key_of

__all__ = ["PageSource", "find_page"]

NO_VERSION_HINT = "See how it stands with GET /v1/documents/{id}; a page can be shown when the document is searchable."
NO_TEXT = "The text of this document is not kept."
NO_TEXT_HINT = "Set `keep_texts`, and ingest the document again."


@dataclass(frozen=True)
class PageSource:
    """The page that is asked for: its document with the facts of the version, and what it is drawn from.

    `from_file`: the file's own page is drawn, else a sheet with the text. `is_located`: passages count characters of
    the kept text; those of a workflow whose stages change the text do not.
    """

    services: Services
    request: PageRequest
    document: DocumentStatus
    extraction: str
    options: Options
    from_file: bool
    is_located: bool

    @property
    def etag(self) -> str:
        """What is the same as long as the answer is: of the content, how it was read, and all that is asked for."""
        return self.name_of("image", self.request.width, self.request.format, self.request.passage, self.has_text)

    def name_of(self, *parts: object) -> str:
        """A name for something that is made of this page, 32 hexadecimal digits; `parts` say what."""
        facts = (DRAWING_VERSION, self._text_key, self.from_file, self.is_located)
        return sha256(json.dumps([*facts, self.request.page, *parts]).encode()).hexdigest()[:32]

    @cached_property
    def has_text(self) -> bool:
        """Whether there is a text in which the passage can be found; False without a passage. It is not read."""
        return self.request.passage is not None and self.is_located and self.services.spool.exists(self._text_key)

    def key_of(self, name: str) -> str:
        """The key in the spool of what has this name."""
        return f"{image_folder(self.document.content_sha256 or '')}/{name}"

    def file(self) -> AbstractContextManager[Path]:
        """Open the original. Raises Gone, DiskFull."""
        return original_file(self.services, self.document)

    @cached_property
    def text(self) -> PageText | None:
        """The text of the page; None if it is not kept, or if passages have no offsets in it and it is not drawn.

        Raises:
            UnknownPage: there is no such page.
            Gone: the text is not kept, and the page is drawn from it.
            Busy: too many texts are being read.
        """
        if self.from_file and not self.is_located:
            return None
        with self.services.singleton(TextReads):
            document = self._kept_text()
            if document is None and not self.from_file:
                raise Gone(NO_TEXT, NO_TEXT_HINT)
            if document is None or not has_no_pages(document):
                return None if document is None else text_of_page(document, self.request.page)
            return self._sheets(document).text_of(document.text, self.request.page)

    def position(self) -> PagePosition:
        """The page on which the passage begins.

        Raises:
            UnknownPage: the text is shorter.
            Gone: the text is not kept.
            Conflict: the offsets of passages are those of another text.
            Busy: too many texts are being read.
        """
        if not self.is_located:
            raise Conflict("A stage of the workflow has changed the text, so that its characters are on no page.")
        page, pages = self._page_at(self.request.char_start or 0)
        version_id = self.document.version_id or ""
        return PagePosition(document_id=self.document.id, version_id=version_id, page=page, pages=pages)

    def _page_at(self, character: int) -> tuple[int, int]:
        kept = find_sheets(self.services, self._sheets_key)
        if kept is not None and self.services.spool.exists(self._text_key):
            return kept.page_at(character)
        with self.services.singleton(TextReads):
            document = self._kept_text()
            if document is None:
                raise Gone(NO_TEXT, NO_TEXT_HINT)
            if has_no_pages(document):
                return self._sheets(document).page_at(character)
            return page_at(document, character)

    @property
    def unit(self) -> Literal["points", "pixels", "columns"]:
        """The unit of the page's width and height."""
        if not self.from_file:
            return "columns"
        return "points" if self.document.media_type == "application/pdf" else "pixels"

    @property
    def sheet(self) -> str:
        """The text that is drawn; empty where the file's own page is. Raises what `text` raises."""
        return "" if self.from_file or self.text is None else self.text.text

    @property
    def _text_key(self) -> str:
        """The key of the kept text: which content it is, and how it was read."""
        return text_key_of(self.document.content_sha256 or "", self.document.source, self.extraction)

    @property
    def _sheets_key(self) -> str:
        facts = (DRAWING_VERSION, self._text_key, "sheets")
        return self.key_of(sha256(json.dumps(facts).encode()).hexdigest()[:32])

    def _sheets(self, document: Document) -> Sheets:
        return sheets_of(self.services, self._sheets_key, len(document.text), lambda: document.text)

    def _kept_text(self) -> Document | None:
        content = self.document.content_sha256 or ""
        return kept_text(self.services, content, self.document.source, self.extraction)


def find_page(services: Services, request: PageRequest) -> PageSource:
    """Find a page in the catalog; nothing is read or drawn.

    Raises:
        UnknownId: there is no such document, or version of it.
        UnknownPage: the document has no such page.
        Conflict: the document has no version that readers see.
        Gone: the document is deleted.
    """
    with services.catalog.connect() as connection:
        document = status.document_status(connection, request.document_id, set())
        version = version_of(connection, request.document_id, request.version_id)
        plan = None if version is None else plan_of_version(connection, version["id"])
    if document.state == "deleted":
        raise Gone("The document is deleted.", "Ingest it again.")
    if version is None or plan is None:
        if request.version_id is not None:
            raise UnknownId(f"The document has no version {request.version_id}.", "Leave it out for the present one.")
        raise Conflict("The document has no version that readers see.", NO_VERSION_HINT)
    facts = {name: version[name] for name in ("content_sha256", "media_type", "title", "size")}
    pages = sum(version[f"pages_{kind}"] for kind in ("text", "ocr", "empty", "failed"))
    from_file = has_renderer(version["media_type"] or "")
    if from_file and not 1 <= request.page <= pages:
        raise no_such_page(request.page, pages)
    facts |= {"version_id": version["id"], "pages": pages}
    return PageSource(
        services,
        request,
        document.model_copy(update=facts),
        version["extraction"],
        services.options_of(version["ocr"]),
        from_file,
        is_located=not plan.documents,
    )
