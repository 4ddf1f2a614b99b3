"""Routes about documents: state and receipt, chunks, the original, deleting."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, StringConstraints

from pipeline.api.auth import Admin, AuthenticatedRoute, Reader, Submitter
from pipeline.api.cursors import Cursor, SortedCursor
from pipeline.api.downloads import Download
from pipeline.api.models import EXAMPLE_DOCUMENT, Cancelled, Chunk, Chunks, DocumentDetail, Jobs, Receipt, Tag
from pipeline.api.problems import responses
from pipeline.api.routes.jobs import AGE, ID, Code, State
from pipeline.api.state import Api
from pipeline.catalog.database.cursors import Key, cursor_of, key_of
from pipeline.ingest.delete import delete
from pipeline.ingest.originals import original_of
from pipeline.ingest.request import Line
from pipeline.lists.documents import DocumentQuery
from pipeline.names import COLLECTION
from pipeline.results import Deleted, DocumentList, DocumentStatus

__all__ = ["router"]

router = APIRouter(
    route_class=AuthenticatedRoute, tags=["documents"], responses=responses(401, 403, 422, 429, 500, 503)
)

DocumentId = Annotated[str, Path(pattern=ID, examples=[EXAMPLE_DOCUMENT])]
UNKNOWN = responses(404)
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


DocumentOrder = Literal["id", "source", "time", "size", "state", "-id", "-source", "-time", "-size", "-state"]


class ListQuery(BaseModel):
    """Conditions of a list, which all hold together, and the page."""

    collection: str | None = Field(None, pattern=COLLECTION)
    state: State | None = None
    outdated: bool = Field(False, description="only those that an earlier version of Docrelay read")
    incomplete: bool = Field(False, description="only those of which a part could not be read")
    source: Line | None = Field(None, min_length=1, max_length=4096, description="a name or a glob", examples=["*.pdf"])
    code: Code = Field(None, description="the code of its open failure")
    tag: Tag | None = Field(None, examples=["invoice"])
    since: Line | None = Field(None, max_length=40, description=f"came in since then: {AGE}", examples=["2h"])
    before: Line | None = Field(None, max_length=40, description=f"came in before then: {AGE}", examples=["30d"])
    sort: DocumentOrder = Field("id", description="with a minus from the last to the first; `time`: when it came in")
    limit: int = Field(100, ge=1, le=1000)
    cursor: SortedCursor = None


@router.get("/v1/documents", responses=UNKNOWN, summary="Documents")
def documents(query: Annotated[ListQuery, Query()], api: Api, _caller: Reader) -> DocumentList:
    """The documents of all jobs, page by page; deleted ones are listed only if the state asks for them."""
    conditions = query.model_dump(exclude={"cursor"})
    return api.manager.list_documents(DocumentQuery(**conditions, after=query.cursor))


@router.get("/v1/documents/{document_id}", responses=UNKNOWN, summary="A document")
def document(document_id: DocumentId, api: Api, _caller: Reader) -> DocumentDetail:
    """State, way through the stages, and receipt: every page and chunk is accounted for."""
    status = api.manager.document(document_id)
    return DocumentDetail(**status.model_dump(), receipt=_receipt(status, api.manager.points(status)))


@router.get("/v1/documents/{document_id}/chunks", responses=UNKNOWN, summary="A document's chunks")
def chunks(
    document_id: DocumentId,
    api: Api,
    _caller: Reader,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Chunks:
    """The passages of the version that readers see, in their order."""
    status = api.manager.document(document_id)
    begin, version_id = key_of("chunk", cursor) or (0, status.version_id)
    rows = api.manager.chunks(status, begin, limit) if version_id == status.version_id else []
    next_begin = begin + limit
    more = version_id == status.version_id and status.searchable and next_begin < status.chunks
    return Chunks(
        document_id=document_id,
        version_id=status.version_id,
        chunks=[Chunk(**{"section": [], **row, "chunk_id": row["id"]}) for row in rows],
        next=cursor_of("chunk", Key(next_begin, version_id)) if more and version_id is not None else None,
    )


@router.get(
    "/v1/documents/{document_id}/content",
    responses={**responses(404, 410), 200: {"content": BINARY, "description": "the bytes as they came"}},
    response_class=FileResponse,
    summary="A document's original",
)
def content(document_id: DocumentId, api: Api, _caller: Reader) -> FileResponse:
    """The file that the live version was made of. It is never shown by a browser, only saved."""
    original = original_of(api.services, api.manager.document(document_id))
    return Download(
        original.path,
        original.release,
        media_type="application/octet-stream",
        filename=original.name,
        headers={"Content-Security-Policy": "sandbox", "ETag": f'"{original.content_sha256}"'},
    )


@router.delete("/v1/documents/{document_id}", responses=UNKNOWN, summary="Delete a document")
def delete_document(document_id: DocumentId, api: Api, _caller: Admin) -> Deleted:
    """Take a document out of the index, and verify that its points are gone. A file on the server stays."""
    status = api.manager.document(document_id)
    return delete(api.services, status.collection, [document_id])


@router.delete("/v1/documents", responses=UNKNOWN, summary="Delete documents by source")
def delete_documents(
    api: Api,
    _caller: Admin,
    source: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]],
        Query(min_length=1, max_length=100, description="sources, folders or ids", examples=[["upload://report.pdf"]]),
    ],
    collection: Annotated[str | None, Query(pattern=COLLECTION)] = None,
) -> Deleted:
    """Take documents out of the index: by source, or all below a folder."""
    return delete(api.services, collection or api.settings.collection, source)


@router.post("/v1/documents/{document_id}/cancel", responses=UNKNOWN, summary="Cancel what is being done")
def cancel_document(document_id: DocumentId, api: Api, _caller: Submitter) -> Cancelled:
    """End what is being done to a document. An older version stays searchable."""
    api.manager.document(document_id)
    return Cancelled(id=document_id, cancelled=api.manager.cancel(document_id))


@router.post("/v1/documents/{document_id}/retry", responses=responses(404, 409), summary="Try a document again")
def retry_document(document_id: DocumentId, api: Api, _caller: Submitter) -> Jobs:
    """Try a failed document again, as a new job; one that has not failed is an error."""
    api.manager.document(document_id)
    return Jobs(jobs=api.manager.retry([document_id]))


def _receipt(status: DocumentStatus, points: int | None) -> Receipt:
    """What became of the pages and chunks of a document; `points` is None if the store cannot be asked."""
    return Receipt(
        pages_in=status.pages,
        extracted=status.pages_text,
        ocred=status.pages_ocr,
        empty=status.pages_empty,
        failed=status.pages_failed,
        chunks=status.chunks,
        points=points,
        incomplete=status.incomplete,
        missing=status.missing,
        page_warnings=status.page_warnings,
    )
