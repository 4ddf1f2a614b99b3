"""The endpoints of notifications as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from pipeline.client.request import Request, model_reader
from pipeline.results import NotificationRuleList, NotificationTestList

__all__ = ["notifications", "send_test_notifications"]


def notifications() -> Request[NotificationRuleList]:
    """The rules of notifications, with what became of their messages."""
    return Request("GET", "/v1/notifications", model_reader(NotificationRuleList))


def send_test_notifications(rule: str | None = None) -> Request[NotificationTestList]:
    """Have the server send a test message by a rule now, or by all rules, and say what became of it."""
    body = {} if rule is None else {"rule": rule}
    return Request("POST", "/v1/notifications/test", model_reader(NotificationTestList), json=body, repeatable=False)
