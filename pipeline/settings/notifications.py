"""The settings of notifications: who is notified of what, how mail is sent, and the dead-man URL."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.settings.masking import masked_address
from pipeline.settings.urls import check_mail_server, read_web_url

__all__ = ["BUILTIN_TEMPLATES", "HIGHEST_SEVERITIES", "EventName", "Notifications", "NotifyRule", "Severity"]

EventName: TypeAlias = Literal[
    "job.finished",
    "documents.failed",
    "worker.dead",
    "disk.low",
    "watch.held",
    "verify.drift",
    "backup.failed",
    "schedule.failed",
]
"""What a rule can name. The names are stored and sent."""

Severity: TypeAlias = Literal["info", "warning", "error"]

HIGHEST_SEVERITIES: dict[EventName, Severity] = {
    "job.finished": "warning",
    "documents.failed": "warning",
    "worker.dead": "error",
    "disk.low": "error",
    "watch.held": "warning",
    "verify.drift": "warning",
    "backup.failed": "error",
    "schedule.failed": "warning",
}
"""The highest severity that each event can have."""

BUILTIN_TEMPLATES: dict[str, Any] = {
    "slack": {"text": "*$title*\n$text"},
    "ntfy": {"topic": "$topic", "title": "$title", "message": "$text", "priority": "$priority"},
}
"""The JSON that Slack, Mattermost and ntfy read; `NAME+https:` in an address takes the template NAME."""

QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
MAILBOX = re.compile(r"mailto:[^@\s,<>]+@[^@\s,<>]+")
TEMPLATED = re.compile(r"([a-z0-9_-]+)\+https?://\S+")
LEAST_SECRET = 16


class NotifyRule(BaseModel):
    """Which events are reported to whom, and when.

    Args:
        name: the rule in lists and commands.
        events: at least one.
        to: addresses, also private ones: `mailto:NAME@HOST`, `https://…` (a signed webhook), `slack+https://…`, `ntfy+https://…`.
        minimum_severity: events of less severity are not reported; a job without a failed document is `info`.
        quiet_hours: `HH:MM-HH:MM` in `timezone`; what is no error waits until they end.
        timezone: a name of the IANA database, such as `Europe/Berlin`.
        digest_s: seconds for which what is no error is gathered into one message; 0: each is sent by itself.
        secret: signs webhooks; for templates it is sent as a bearer token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]{1,48}$")
    events: tuple[EventName, ...] = Field(min_length=1)
    to: tuple[str, ...] = Field(min_length=1)
    minimum_severity: Severity = "info"
    quiet_hours: str | None = None
    timezone: str = "UTC"
    digest_s: float = Field(0.0, ge=0, le=7 * 86400)
    secret: str | None = Field(None, repr=False)

    @field_validator("quiet_hours", mode="after")
    @classmethod
    def _check_hours(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not QUIET.fullmatch(value) or value[:5] == value[6:]:
            raise ValueError(f"{value!r} are no hours such as 22:00-07:00")
        return value

    @field_validator("timezone", mode="after")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):
            raise ValueError(f"there is no time zone {value!r}; one is Europe/Berlin") from None
        return value

    @field_validator("to", mode="after")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if "://" in address and not address.startswith("mailto:"):
                read_web_url(address.partition("+")[2] if TEMPLATED.fullmatch(address) else address)
            elif not MAILBOX.fullmatch(address):
                raise ValueError(f"{address!r} is neither mailto:NAME@HOST nor a URL")
            if value.count(address) > 1:
                raise ValueError(f"{masked_address(address)} is named twice")
        return value

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        plain = [address for address in self.to if urlsplit(address).scheme in ("http", "https")]
        if plain and len(self.secret or "") < LEAST_SECRET:
            raise ValueError(f"the rule {self.name} needs a secret of {LEAST_SECRET} characters, to sign its webhooks")
        return self

    @model_validator(mode="after")
    def _check_severity(self) -> Self:
        order = get_args(Severity)
        highest = {event: HIGHEST_SEVERITIES[event] for event in self.events}
        if all(order.index(severity) < order.index(self.minimum_severity) for severity in highest.values()):
            reasons = ", ".join(f"{event} is {severity} at most" for event, severity in highest.items())
            raise ValueError(
                f"the rule {self.name} can never report anything from {self.minimum_severity} on: {reasons}"
            )
        return self

    @property
    def templates(self) -> set[str]:
        """The names of the templates that its addresses take."""
        return {found[1] for address in self.to if (found := TEMPLATED.fullmatch(address))}


class Notifications(BaseModel):
    """The settings of notifications; see `docs/notifications.md`."""

    notify: tuple[NotifyRule, ...] = Field((), description="rules: who is notified of what; JSON in the environment")
    notify_templates: dict[str, Any] = Field(
        default_factory=dict, description="JSON bodies by name, for addresses NAME+https://; JSON in the environment"
    )
    notify_check_s: float = Field(30.0, ge=0.2, description="how often workers and disk are looked at")
    notify_clear_s: float = Field(300.0, ge=0, description="seconds without trouble after which it counts as over")
    notify_disk_mb: int = Field(1024, ge=0, description="free megabytes on the disk below which `disk.low` is reported")
    smtp_url: str | None = Field(None, description="mail server, e.g. smtp://user:password@mail.example.org:587")
    smtp_from: str | None = Field(None, description="sender of mails")
    smtp_ca: Path | None = Field(
        None, description="certificates (PEM) that a mail server may have; empty: the system's"
    )
    deadman_url: str | None = Field(None, description="URL that is called every minute while all is well")

    @field_validator("notify", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("notify", mode="after")
    @classmethod
    def _check_names(cls, value: tuple[NotifyRule, ...]) -> tuple[NotifyRule, ...]:
        names = [rule.name for rule in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules have the name {name}")
        return value

    @field_validator("smtp_url", mode="after")
    @classmethod
    def _check_server(cls, value: str | None) -> str | None:
        if value is not None:
            check_mail_server(value)
        return value

    @field_validator("deadman_url", mode="after")
    @classmethod
    def _check_deadman(cls, value: str | None) -> str | None:
        if value is not None:
            read_web_url(value)
        return value

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.notify:
            if any(address.startswith("mailto:") for address in rule.to) and not (self.smtp_url and self.smtp_from):
                raise ValueError(f"the rule {rule.name} sends mail, which needs smtp_url and smtp_from")
            if unknown := rule.templates - self.templates.keys():
                raise ValueError(f"the rule {rule.name} takes a template that is not there: {', '.join(unknown)}")
        return self

    @property
    def templates(self) -> dict[str, Any]:
        """The templates of senders by name, built-in ones included."""
        return {**BUILTIN_TEMPLATES, **self.notify_templates}
