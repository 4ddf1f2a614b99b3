"""Routes about the pages of a document: their images, and where a passage stands on them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from extractors.drawing.picture import FORMATS, ImageFormat
from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.routes.documents import DocumentId
from pipeline.api.routes.jobs import ID
from pipeline.api.state import Api
from pipeline.page_images import PageRequest, draw_image, find_image, find_page, page_detail
from pipeline.page_images.request import DEFAULT_WIDTH, MAX_CHARACTER, MAX_WIDTH, MIN_WIDTH
from pipeline.results import PageDetail, PagePosition

__all__ = ["router"]

MAX_PAGE = 1_000_000
KEPT_S = 86_400
"""Seconds for which a browser shows the image of a named version without asking again."""

router = APIRouter(
    route_class=AuthenticatedRoute,
    tags=["documents"],
    responses=responses(401, 403, 404, 409, 410, 422, 429, 500, 503, 507),
)

PageNumber = Annotated[int, Path(ge=1, le=MAX_PAGE, examples=[1])]
Version = Annotated[str | None, Field(pattern=ID, description="a version's id; by default the one that readers see")]
IMAGES = {f"image/{name}": {"schema": {"type": "string", "format": "binary"}} for name in FORMATS}


class PassageQuery(BaseModel):
    """Which version, and the passage that is asked for, in characters of the document's text as hits have them."""

    model_config = ConfigDict(extra="forbid")

    char_start: int | None = Field(None, ge=0, le=MAX_CHARACTER, examples=[0], description="of the passage")
    char_end: int | None = Field(
        None, ge=1, le=MAX_CHARACTER, examples=[80], description="the character behind the passage"
    )
    version: Version = None

    def of(self, document_id: str, page: int) -> PageRequest:
        """The request for this page. Raises BadRequest."""
        passage = (self.char_start, self.char_end)
        return PageRequest(document_id, page, DEFAULT_WIDTH, "png", *passage, self.version)


class ImageQuery(PassageQuery):
    """How the page is drawn."""

    width: int = Field(DEFAULT_WIDTH, ge=MIN_WIDTH, le=MAX_WIDTH, description="pixels at most")
    format: ImageFormat = Field("png", description="the kind of file")

    def of(self, document_id: str, page: int) -> PageRequest:
        """The request for this page's image. Raises BadRequest."""
        passage = (self.char_start, self.char_end)
        return PageRequest(document_id, page, self.width, self.format, *passage, self.version)


class PositionQuery(BaseModel):
    """A character of the document's text, as hits have it, and the version."""

    model_config = ConfigDict(extra="forbid")

    char_start: int = Field(ge=0, le=MAX_CHARACTER, examples=[0], description="of a hit")
    version: Version = None


@router.get("/v1/documents/{document_id}/pages", summary="The page of a hit")
async def position(
    document_id: DocumentId, query: Annotated[PositionQuery, Query()], api: Api, _caller: Reader
) -> PagePosition:
    """The page on which a character stands: hits in formats without pages name none, and are shown on sheets."""
    asked = PageRequest(document_id, 1, char_start=query.char_start, version_id=query.version)
    source = await run_in_threadpool(find_page, api.services, asked)
    return await api.drawing.run(source.position)


@router.get("/v1/documents/{document_id}/pages/{page}", summary="A page of a document")
async def page(
    document_id: DocumentId, page: PageNumber, query: Annotated[PassageQuery, Query()], api: Api, _caller: Reader
) -> PageDetail:
    """Size and span of a page, and the boxes of a passage on it, for programs that draw them themselves."""
    source = await run_in_threadpool(find_page, api.services, query.of(document_id, page))
    return await api.drawing.run(page_detail, source)


@router.get(
    "/v1/documents/{document_id}/pages/{page}/image",
    responses={200: {"content": IMAGES, "description": "the image"}, 304: {"description": "it is the same as before"}},
    response_class=Response,
    summary="The image of a page",
)
async def image(
    document_id: DocumentId,
    page: PageNumber,
    query: Annotated[ImageQuery, Query()],
    request: Request,
    api: Api,
    _caller: Reader,
) -> Response:
    """A page as a picture; a small width makes a thumbnail. `X-Docrelay-Boxes` says how many boxes are marked."""
    source = await run_in_threadpool(find_page, api.services, query.of(document_id, page))
    # Readers may see another version any time; that of a version stays.
    kept = "no-cache" if query.version is None else f"max-age={KEPT_S}"
    headers = {"ETag": f'"{source.etag}"', "Cache-Control": f"private, {kept}"}
    if headers["ETag"] in _tags(request):
        return Response(status_code=304, headers=headers)
    found = await run_in_threadpool(find_image, source)
    if found is None:
        found = await api.drawing.run(draw_image, source)
    headers |= {"X-Docrelay-Boxes": str(found.boxes), "X-Docrelay-Version": found.version_id}
    return Response(found.data, headers=headers, media_type=found.media_type)


def _tags(request: Request) -> list[str]:
    """The tags of what the client has already."""
    return [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
