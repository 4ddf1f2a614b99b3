"""Routes of reports: of a job, or of what ended within a span of time, as data and as a file."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from pipeline.api.auth import AuthenticatedRoute, Reader
from pipeline.api.downloads import Download
from pipeline.api.problems import responses
from pipeline.api.routes.jobs import AGE, JobId
from pipeline.api.state import Api, ApiState
from pipeline.ingest.request import Line
from pipeline.reports import FORMATS, FormatName, ReportQuery, file_name
from pipeline.results import Report

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["reports"], responses=responses(401, 403, 422, 429, 500, 503))

ReportFormat = FormatName | Literal["json"]
FORMAT = "the data itself, or a file: csv and xlsx have every document"
BINARY = {"schema": {"type": "string", "format": "binary"}}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type.partition(";")[0]: BINARY for media_type in FORMATS.values()}}
}


class Span(BaseModel):
    """The span of time of a report, and its format."""

    since: Line | None = Field(None, max_length=40, description=f"a day before `until` by default: {AGE}")
    until: Line | None = Field(None, max_length=40, description=f"now by default: {AGE}")
    format: ReportFormat = Field("json", description=FORMAT)


@router.get("/v1/reports", response_model=Report, responses=FILES, summary="The report of a span of time")
async def report(span: Annotated[Span, Query()], api: Api, _caller: Reader) -> Response:
    """What ended within a span of time: how much, what failed and why, OCR, durations by stage, throughput, days."""
    return await _answer(api, ReportQuery(since=span.since, until=span.until), span.format)


@router.get(
    "/v1/reports/jobs/{job_id}",
    response_model=Report,
    responses={**responses(404), **FILES},
    summary="The report of a job",
)
async def job_report(
    job_id: JobId,
    api: Api,
    _caller: Reader,
    name: Annotated[ReportFormat, Query(alias="format", description=FORMAT)] = "json",
) -> Response:
    """What became of the documents of a job, as far as it is."""
    return await _answer(api, ReportQuery(job_id), name)


async def _answer(api: ApiState, query: ReportQuery, name: ReportFormat) -> Response:
    """A report as its format has it. Some are made at once: each reads all documents of its job or span."""
    if name == "json":
        found = await api.reports.run(api.manager.report, query)
        return JSONResponse(found.model_dump())
    return await api.reports.run(_download, api, query, name)


def _download(api: ApiState, query: ReportQuery, name: FormatName) -> FileResponse:
    path = api.services.drafts / f"report-{uuid.uuid4().hex}.{name}"
    release = partial(_remove, path)
    try:
        api.manager.write_report(query, name, path)
    except BaseException:
        release()
        raise
    # It is never shown by a browser as a page of this server, only saved.
    headers = {"Content-Security-Policy": "sandbox"}
    return Download(path, release, media_type=FORMATS[name], filename=file_name(query, name), headers=headers)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
