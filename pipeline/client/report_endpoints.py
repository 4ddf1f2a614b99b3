"""The endpoints of reports as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from urllib.parse import quote

from pipeline.client.request import Request, model_reader
from pipeline.reports import FormatName, ReportQuery
from pipeline.results import Report

__all__ = ["report", "report_file"]

REPORT_S = 1800.0
"""Longest wait for a report, which may wait for others and list very many documents.

It is not asked for again when the connection breaks: the server would make it twice.
"""


def report(job_id: str | None = None, since: str | None = None, until: str | None = None) -> Request[Report]:
    """The report of a job, or of what ended from `since` on and before `until`.

    Times are in ISO 8601 or durations before now such as `2h`; without both it is the last day.
    """
    path, params = _address(ReportQuery(job_id, since, until))
    return Request("GET", path, model_reader(Report), params, repeatable=False, timeout_s=REPORT_S)


def report_file(
    name: FormatName, job_id: str | None = None, since: str | None = None, until: str | None = None
) -> Request[bytes]:
    """The report of a job or of a span as a file in the format html, pdf, xlsx or csv.

    The last two have every document, the others the first 200.
    """
    path, params = _address(ReportQuery(job_id, since, until))
    params |= {"format": name}
    return Request("GET", path, lambda response: response.content, params, repeatable=False, timeout_s=REPORT_S)


def _address(query: ReportQuery) -> tuple[str, dict[str, str | None]]:
    if query.job_id is not None:
        return f"/v1/reports/jobs/{quote(query.job_id, safe='')}", {}
    return "/v1/reports", {"since": query.since, "until": query.until}
