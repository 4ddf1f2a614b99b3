"""`SystemHealth`: all parts of a running system, checked side by side, with when each was last seen well."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version

from pipeline.engine.groups import GROUPS, queues_of
from pipeline.health.beat import check_beat, check_reconciler
from pipeline.health.broker import check_broker, short_connection
from pipeline.health.catalog import check_catalog
from pipeline.health.clock import check_clock
from pipeline.health.drift import check_drift
from pipeline.health.finding import Finding, degraded
from pipeline.health.side_by_side import Check, Checks
from pipeline.health.spool import check_spool
from pipeline.health.store import check_store
from pipeline.health.watcher import check_watcher
from pipeline.health.workers import check_workers
from pipeline.results import HealthReport, HealthState, PartHealth, iso
from pipeline.services import Services

__all__ = ["READY", "LastSeen", "SystemHealth", "needs_of", "parts_of", "report_of", "without_followers", "worst"]

PATIENCE_S = 5.0
"""A check that has had no answer for so long has failed."""

KEPT_S = 1.0
"""Findings are kept for so long: requests without a key must not load the catalog."""

READY = ("broker", "catalog", "spool")
"""Parts without which no document can be accepted and kept."""

STATES: tuple[HealthState, ...] = ("ok", "degraded", "failed")


class LastSeen:
    """When each part was last seen well, by the clock that never is set. Thread-safe."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._lock = threading.Lock()

    def part(self, name: str, finding: Finding) -> PartHealth:
        """The finding with its age, which is remembered if the part is ok."""
        now = time.monotonic()
        with self._lock:
            if finding.state == "ok":
                self._at[name] = now - (finding.age_s or 0.0)
            seen = self._at.get(name)
        age_s = finding.age_s if finding.age_s is not None or seen is None else now - seen
        measured = {key: round(value, 3) for key, value in finding.measured.items()}
        rounded = None if age_s is None else round(age_s, 1)
        return PartHealth(
            name=name, state=finding.state, age_s=rounded, cause=finding.cause, hint=finding.hint, measured=measured
        )


class SystemHealth:
    """The health of the system that these services belong to; made once in a process, as it remembers.

    Args:
        services: with `redis_url`, or without where no stack runs: then only what needs no Redis is checked.
        patience_s: seconds after which a check without an answer has failed.
    """

    def __init__(self, services: Services, patience_s: float = PATIENCE_S) -> None:
        self._needs = needs_of(services)
        self._checks = Checks(_checks(services), patience_s, KEPT_S)
        self._last_seen = LastSeen()

    def report(self) -> HealthReport:
        """All parts, within seconds, whatever hangs."""
        findings = without_followers(self._checks.run(self._checks.names), self._needs)
        broker = findings.get("broker")
        is_reachable = broker is not None and broker.state != "failed"
        return report_of(parts_of(findings, self._last_seen), reachable=is_reachable)

    def unready(self) -> list[str]:
        """Names of the parts that keep the system from accepting and keeping a document; none if it can."""
        findings = self._checks.run(READY)
        return [part.name for part in parts_of(findings, self._last_seen) if part.state == "failed"]


def parts_of(findings: Mapping[str, Finding], last_seen: LastSeen) -> list[PartHealth]:
    """The findings as parts of a report, in their order."""
    return [last_seen.part(name, finding) for name, finding in findings.items()]


def report_of(parts: list[PartHealth], *, reachable: bool) -> HealthReport:
    """A report of these parts."""
    at = iso(time.time()) or ""
    return HealthReport(state=worst(parts), reachable=reachable, at=at, version=version("docrelay"), parts=parts)


def worst(parts: list[PartHealth]) -> HealthState:
    """The worst state of these parts; ok if there are none."""
    return STATES[max((STATES.index(part.state) for part in parts), default=0)]


def _checks(services: Services) -> dict[str, Check]:
    """The check of each part by its name, in the order in which they are reported."""
    stored: dict[str, Check] = {
        "catalog": lambda: check_catalog(services),
        "spool": lambda: check_spool(services),
        "drift": lambda: check_drift(services),
    }
    settings = services.settings
    if settings.redis_url is None:
        return stored
    connection = short_connection(settings.redis_url)
    return {
        "broker": lambda: check_broker(services, connection),
        "catalog": stored["catalog"],
        "store": lambda: check_store(services, connection),
        "spool": stored["spool"],
        # The queues of plug-ins are looked up here: importing these may take longer than a check has time.
        **{
            f"workers.{group}": partial(check_workers, group, queues_of(group), services, connection)
            for group in GROUPS
        },
        "beat": lambda: check_beat(settings, connection),
        "reconciler": lambda: check_reconciler(settings, connection),
        "watcher": lambda: check_watcher(services, connection),
        "drift": stored["drift"],
        "clock": lambda: check_clock(services, connection),
    }


def needs_of(services: Services) -> dict[str, tuple[str, ...]]:
    """Parts that cannot be looked at while others fail, and which those are."""
    return {
        "store": ("broker",) if services.settings.qdrant_url is None else (),
        **{f"workers.{group}": ("broker",) for group in GROUPS},
        "beat": ("broker",),
        "reconciler": ("broker", "catalog", "beat", "workers.store"),
        "watcher": ("broker", "catalog", "spool"),
        "drift": ("catalog",),
        "clock": ("broker", "catalog"),
    }


def without_followers(findings: dict[str, Finding], needs: Mapping[str, tuple[str, ...]]) -> dict[str, Finding]:
    """The findings, where of a part that needs one that failed nothing is known: one fault is one failure."""
    down = {name for name, finding in findings.items() if finding.state == "failed"}
    return {name: _known(finding, sorted(down & set(needs.get(name, ())))) for name, finding in findings.items()}


def _known(finding: Finding, causes: list[str]) -> Finding:
    if finding.state != "failed" or not causes:
        return finding
    names = " and ".join(causes)
    return degraded(f"Not known while {names} failed.", f"See what is said of {names}.", finding.age_s)
