"""Bodies of requests and responses, beside the models that `TaskManager` and search return."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from extractors.options import OcrMode
from pipeline.ingest.request import Line, MediaType
from pipeline.names import COLLECTION
from pipeline.results import DocumentStatus
from pipeline.types import MAX_TAG_LENGTH, MAX_TAGS, Mode

__all__ = [
    "TAG",
    "Accepted",
    "Cancelled",
    "Chunk",
    "Chunks",
    "CollectionFacts",
    "DocumentDetail",
    "DocumentState",
    "Documents",
    "FormatFacts",
    "JobRequest",
    "Jobs",
    "Receipt",
    "RefusedUpload",
    "RequestBody",
    "SearchFilter",
    "SearchRequest",
    "TakenDocument",
    "WebhookRequest",
    "WorkflowFacts",
]

EXAMPLE_JOB = "5f0c3f0e-52a7-4f4f-8a0e-6d1f7c1f2b10"
EXAMPLE_DOCUMENT = "2b1d6f6c-1f0e-5d53-9d0f-0a4f7f6f1c11"

CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION)]
TAG = r"[^\x00-,;-@\[-^`{-\x7f]{1,64}"
"""A tag as every client can check it: which letters of other scripts it may have is in no pattern that all know."""

# Tags are checked by `canonical`, with the same error code at every entry point; this is for the description.
Tag = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TAG_LENGTH, "pattern": f"^{TAG}$"})]
TAG_LIST: dict[str, Any] = {"maxItems": MAX_TAGS}

Value: TypeAlias = str | int | float | bool | None
"""A value of metadata that a search can ask for."""

Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""ISO 8601; a date alone is midnight."""


class RequestBody(BaseModel):
    """Base class of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookRequest(RequestBody):
    """Where the end of the job is reported, and the secret that signs it."""

    url: str = Field(max_length=2000, examples=["https://example.org/hooks/docrelay"])
    secret: str = Field(min_length=16, max_length=256, examples=["a-long-random-secret"])


class JobRequest(RequestBody):
    """Files and folders on the server to be taken in."""

    paths: list[Annotated[str, StringConstraints(min_length=1, max_length=4096)]] = Field(
        min_length=1, max_length=100, examples=[["/srv/documents/reports"]]
    )
    glob: Line | None = Field(None, min_length=1, max_length=256, examples=["*.pdf"])
    collection: CollectionName | None = Field(None, examples=["reports"])
    workflow: Line | None = Field(None, max_length=64, examples=["ingest"], description="see GET /v1/workflows")
    options: dict[str, Any] | None = Field(
        None,
        description="parameters of the workflow; of the others, the setting `workflow_options` tells",
        examples=[{}],
    )
    priority: int | None = Field(None, ge=1, le=10, examples=[5])
    tags: list[Tag] | None = Field(
        None,
        json_schema_extra=TAG_LIST,
        description="of the documents; without it they keep theirs",
        examples=[["invoice"]],
    )
    ocr: OcrMode | None = Field(
        None,
        description="which pages are read by OCR: those whose text does not hold what is drawn, all, or none",
        examples=["auto"],
    )
    webhook: WebhookRequest | None = None


class SearchFilter(RequestBody):
    """Conditions that all hold together; empty means any."""

    sources: list[Line] = Field([], max_length=100, examples=[["*.pdf"]])
    media_types: list[MediaType] = Field([], max_length=100)
    tags: list[Tag] = Field([], json_schema_extra=TAG_LIST, description="a document has one of them at least")
    page: int | None = Field(None, ge=1, le=1_000_000)
    modified_after: Moment | None = Field(None, examples=["2026-01-01T00:00:00Z"])
    modified_before: Moment | None = None
    metadata: dict[str, Value | Annotated[list[Value], Field(min_length=1, max_length=100)]] = Field(
        {},
        max_length=20,
        description="for each key a value, or values of which the document has one",
        examples=[{"shelf": 12, "colour": ["red", "green"]}],
    )


class SearchRequest(RequestBody):
    """A question."""

    # Programs differ in whether \s has the last three of these.
    query: str = Field(
        pattern=r"[^\s\x00-\x1f\x7f-\xa0\ufeff]", max_length=10_000, examples=["How many days of holiday are there?"]
    )
    collection: CollectionName | None = Field(None, examples=["documents"])
    limit: int = Field(10, ge=1, le=1000)
    mode: Mode = "hybrid"
    filter: SearchFilter = SearchFilter()
    collections: list[CollectionName] = Field(
        [], max_length=20, description="searched beside `collection`", examples=[["documents"]]
    )
    min_score: float | None = Field(None, ge=0, le=1, description="leaves out hits with a lower score")
    group: Literal["document"] | None = Field(
        None, description="the best passage of each document, with further ones below it; `limit` counts documents"
    )
    rerank: bool | None = Field(
        None, description="whether the server's reranker orders the hits; by default if it has one"
    )
    rerank_depth: int | None = Field(None, ge=1, le=1000, description="passages that the reranker reads; 50 by default")

    @property
    def names(self) -> tuple[str, ...]:
        """Every collection that the request names, once."""
        return tuple(dict.fromkeys([*([self.collection] if self.collection else []), *self.collections]))


class TakenDocument(BaseModel):
    """A document of a job as it is when the job is accepted."""

    document_id: str = Field(examples=[EXAMPLE_DOCUMENT])
    source: str = Field(examples=["upload://report.pdf"])
    size: int = Field(examples=[20480])
    state: str = Field(description="queued, unchanged or failed", examples=["queued"])
    code: str | None = Field(None, examples=[None])
    message: str | None = None


class RefusedUpload(BaseModel):
    """A file of the request that was not taken."""

    name: str = Field(examples=["huge.pdf"])
    code: str = Field(examples=["too_large"])
    message: str
    hint: str


class Accepted(BaseModel):
    """The job that was made; it goes on by itself."""

    job_id: str = Field(examples=[EXAMPLE_JOB])
    documents: list[TakenDocument] = Field([], description="empty for paths, which are read afterwards")
    refused: list[RefusedUpload] = []


class Jobs(BaseModel):
    """Jobs that were made."""

    jobs: list[str] = Field(examples=[[EXAMPLE_JOB]])


class Cancelled(BaseModel):
    """What was cancelled."""

    id: str = Field(examples=[EXAMPLE_JOB])
    cancelled: int = Field(examples=[3])


class DocumentState(BaseModel):
    """A document of a job: its state there."""

    document_id: str = Field(examples=[EXAMPLE_DOCUMENT])
    source: str = Field(examples=["upload://report.pdf"])
    size: int
    state: str = Field(examples=["completed"])
    code: str | None = None
    message: str | None = None
    hint: str | None = None


class Documents(BaseModel):
    """One page of a job's documents; `next` is the cursor of the following one, null at the end."""

    documents: list[DocumentState]
    next: str | None = None


class Receipt(BaseModel):
    """What became of the pages and chunks. pages_in = extracted + ocred + empty + failed; chunks = points."""

    pages_in: int = Field(examples=[12])
    extracted: int = Field(examples=[9])
    ocred: int = Field(examples=[2])
    empty: int = Field(examples=[1])
    failed: int = Field(examples=[0])
    chunks: int = Field(examples=[31])
    points: int | None = Field(description="in the store now; null when it cannot be asked", examples=[31])
    incomplete: bool = Field(False, description="whether a part of the file is not in the text", examples=[True])
    missing: list[str] = Field(
        [], description="the parts that are not in the text", examples=[["Page 7 could not be read."]]
    )
    page_warnings: list[str] = Field(
        [], description="how pages were read", examples=[["Pages 2-3: Read by OCR: the page is a picture."]]
    )


class DocumentDetail(DocumentStatus):
    """A document with its receipt."""

    receipt: Receipt


class Chunk(BaseModel):
    """A passage as it is searched."""

    chunk_id: str
    order: int
    text: str
    page_start: int | None
    page_end: int | None
    paragraph_start: int | None = None
    paragraph_end: int | None = None
    prefix: str = ""
    line_start: int | None = None
    line_end: int | None = None
    char_start: int
    char_end: int
    section: list[str]
    metadata: dict[str, Any] = {}


class Chunks(BaseModel):
    """One page of a document's chunks in their order."""

    document_id: str
    version_id: str | None
    chunks: list[Chunk]
    next: str | None = None


class WorkflowFacts(BaseModel):
    """A workflow that a job may name."""

    name: str = Field(examples=["ingest"])
    description: str = ""


class FormatFacts(BaseModel):
    """A kind of file that is read."""

    name: str = Field(examples=["PDF"])
    media_types: list[str] = Field(examples=[["application/pdf"]])
    suffixes: list[str] = Field(examples=[[".pdf"]])


class CollectionFacts(BaseModel):
    """A collection, and the space of its vectors. An `analyser` below 2 matches words as earlier versions did."""

    name: str = Field(examples=["documents"])
    model: str = Field(examples=["all-MiniLM-L6-v2"])
    dim: int = Field(examples=[384])
    analyser: int = Field(examples=[2])
    documents: int = Field(examples=[120])
    chunks: int = Field(examples=[2310])
