"""Routing: each notice goes into the deliveries of the rules that report it, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import notices, outbox
from pipeline.catalog.work.notices import Notice
from pipeline.catalog.work.outbox import Hook
from pipeline.errors import UnknownId
from pipeline.notify.messages import OF_RUNNING_JOBS
from pipeline.notify.quiet_hours import due_at
from pipeline.notify.severities import at_least
from pipeline.services import Services
from pipeline.settings import NotifyRule
from pipeline.task_manager import TaskManager

__all__ = ["is_urgent", "reports", "route"]

LIMIT = 200
"""Notices that one transaction routes."""

NOTE_EVERY_S = 3600.0
"""How often a process that has rules notes that it is at work."""

RULES_KEPT_S = 7 * 86400.0
"""For so long after that, notices wait for such a process; older ones are deleted."""


def route(services: Services) -> int:
    """Route notices that wait, up to `LIMIT` of them. Two processes may do so at once: each notice is routed once.

    A process without rules leaves them to one that has some; where there is none, it discards them, so that the first
    rule of a system does not report what has long passed.

    Returns:
        How many were routed or discarded.
    """
    rules = services.settings.notify
    with services.catalog.connect() as connection:
        noted_at = notices.rules_noted_at(connection)
        waiting = notices.list_unrouted(connection, LIMIT) if notices.is_any_unrouted(connection) else []
    if rules and not _is_within(NOTE_EVERY_S, noted_at):
        with writing(services.catalog) as connection:
            notices.note_rules(connection)
    if not waiting or (not rules and _is_within(RULES_KEPT_S, noted_at)):
        return 0
    wanted = {event for rule in rules for event in rule.events}
    completed = [_completed(services, notice) if notice.event in wanted else notice for notice in waiting]
    with writing(services.catalog) as connection:
        ours = notices.mark_routed(connection, [notice.id for notice in completed])
        for notice in completed:
            if notice.id in ours:
                _put_out(connection, rules, notice)
    return len(ours)


def reports(rule: NotifyRule, notice: Notice) -> bool:
    """Whether a rule reports a notice."""
    return notice.event in rule.events and at_least(notice.severity, rule.minimum_severity)


def is_urgent(notice: Notice) -> bool:
    """Whether a notice waits neither for the end of quiet hours nor for others."""
    return notice.severity == "error" and not notice.cleared


def _is_within(span_s: float, at: float | None) -> bool:
    """Whether a time is near the present, on either side: clocks are set back."""
    return at is not None and abs(time.time() - at) < span_s


def _put_out(connection: Connection, rules: Sequence[NotifyRule], notice: Notice) -> None:
    now = time.time()
    targets = list(_targets(rules, notice))
    if targets and notice.event == "job.finished":
        notices.complete(connection, notice)
    for rule, address in targets:
        hook = Hook(address, rule.secret or "")
        outbox.collect(connection, rule.name, hook, [notice.id], due_at(rule, now, urgent=is_urgent(notice)))


def _targets(rules: Sequence[NotifyRule], notice: Notice) -> Iterator[tuple[NotifyRule, str]]:
    """Every rule that reports a notice, with each of its addresses."""
    return ((rule, address) for rule in rules if reports(rule, notice) for address in rule.to)


def _completed(services: Services, notice: Notice) -> Notice:
    """The notice with what was not known where it was recorded: how the documents of a job have ended."""
    if notice.event != "job.finished":
        return notice
    try:
        job = TaskManager(services).job(notice.subject)
    except UnknownId:
        return notice
    return notice._replace(severity="warning" if job.failed else "info", facts=job.model_dump(exclude=OF_RUNNING_JOBS))
