"""Routes of notifications: the rules with what became of their messages, and a test of them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from pipeline.api.auth import Admin, AuthenticatedRoute, Reader
from pipeline.api.models import RequestBody
from pipeline.api.problems import responses
from pipeline.api.state import Api
from pipeline.ingest.request import Line
from pipeline.notify.rule_list import list_rules
from pipeline.notify.trial import send_tests
from pipeline.results import NotificationRuleList, NotificationTestList

__all__ = ["router"]

router = APIRouter(
    route_class=AuthenticatedRoute, tags=["notifications"], responses=responses(401, 403, 422, 429, 500, 503)
)


class NotificationTestRequest(RequestBody):
    """Which rules to test."""

    rule: Line | None = Field(
        None, min_length=1, max_length=64, description="name of a rule; all without it", examples=["operators"]
    )


@router.get("/v1/notifications", summary="Rules of notifications")
def rules(api: Api, _caller: Reader) -> NotificationRuleList:
    """All rules with their deliveries of the last week by state. Secrets, and all of a URL but its host, are masked."""
    return list_rules(api.services)


@router.post(
    "/v1/notifications/test", responses=responses(400, 404, 408, 413, 415), summary="Test rules of notifications"
)
async def test(request: NotificationTestRequest, api: Api, _caller: Admin) -> NotificationTestList:
    """Send a test message to every address of a rule, or of all rules, now, and say what became of it.

    Without a rule the dead-man URL is called as well.
    """
    return await send_tests(api.settings, request.rule)
