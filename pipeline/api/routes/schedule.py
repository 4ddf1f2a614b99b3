"""Routes of the schedule: its entries with their last and next runs, a run now, the numbers of each day."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query

from pipeline import schedule
from pipeline.api.auth import Admin, AuthenticatedRoute, Reader
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.results import DailyMetricsList, ScheduledEntry, ScheduleList

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["schedule"], responses=responses(401, 403, 422, 429, 500, 503))

Name = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$", examples=["clean_up"])]
Since = Annotated[date | None, Query(description="only this day and later ones", examples=["2026-11-01"])]


@router.get("/v1/schedule", summary="Periodic work")
def list_entries(api: Api, _caller: Reader) -> ScheduleList:
    """All entries with their cron expressions, last and next runs."""
    return schedule.list_entries(api.services)


@router.post("/v1/schedule/{name}/run", status_code=202, responses=responses(404), summary="Run an entry now")
def run(name: Name, api: Api, _caller: Admin) -> ScheduledEntry:
    """Ask for a run as soon as possible; one that is under way already is that run."""
    return schedule.request_run(api.services, name)


@router.get("/v1/metrics/daily", summary="The numbers of each day")
def list_days(
    api: Api, _caller: Reader, since: Since = None, limit: Annotated[int, Query(ge=1, le=1000)] = 31
) -> DailyMetricsList:
    """The newest days whose numbers are stored, oldest first."""
    return schedule.list_days(api.services, since.isoformat() if since is not None else "", limit)
