"""Results about notifications: the rules with what became of their messages, and what tests of them have brought."""

from __future__ import annotations

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["NotificationRule", "NotificationRuleList", "NotificationTest", "NotificationTestList"]


class NotificationRule(Result):
    """A rule of the setting `notify`, and its deliveries of the last week by state.

    Secrets, and all of a URL but its host, are masked.
    """

    name: str = Field(examples=["operators"])
    events: list[str] = Field(examples=[["worker.dead"]])
    to: list[str] = Field(examples=[["mailto:ops@example.org"]])
    minimum_severity: str = Field(examples=["info"])
    quiet_hours: str | None = Field(examples=["22:00-07:00"])
    timezone: str = Field(examples=["UTC"])
    digest_s: float
    secret: str | None = Field(description="masked; null if the rule has none")
    deliveries: dict[str, int] = Field(examples=[{"waiting": 0, "sending": 0, "delivered": 2, "failed": 0}])


class NotificationRuleList(Result):
    """All rules, in the order of the setting."""

    rules: list[NotificationRule]


class NotificationTest(Result):
    """What became of one test message. `status` is the receiver's, `error` says why it was not accepted."""

    rule: str = Field(examples=["operators"])
    address: str = Field(description="masked as in a rule", examples=["mailto:ops@example.org"])
    accepted: bool
    status: int | None = Field(examples=[250])
    error: str | None = Field(examples=[None])


class NotificationTestList(Result):
    """The test messages, one for each address of the rules."""

    tests: list[NotificationTest]
