"""Part `drift`: do catalog and vector store agree, as the last comparison and the last verification have found."""

from __future__ import annotations

import time

from pipeline.catalog.index import checks
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.results import DriftStatus
from pipeline.services import Services

__all__ = ["check_drift", "judge_drift"]

HINT = "Mend it with: docrelay verify --repair"


def check_drift(services: Services) -> Finding:
    """Read what the last checks have found; nothing is counted here."""
    with services.catalog.connect() as connection:
        counted, drift = checks.last(connection, checks.COUNTS), checks.drift(connection)
    return judge_drift(drift, max(time.time() - counted[0], 0.0) if counted else 0.0)


def judge_drift(drift: DriftStatus, age_s: float) -> Finding:
    """Judge what is known of drift; `age_s`: seconds since the points were counted."""
    measured = {
        "points_missing": float(sum(max(found.expected - found.points, 0) for found in drift.collections)),
        "points_surplus": float(sum(max(found.points - found.expected, 0) for found in drift.collections)),
        "verify_left": float(sum(drift.left.values())),
    }
    if drift.collections:
        found = drift.collections[0]
        counts = f"{found.points} of {found.expected} points are in the store"
        return failed(f"Collection {found.collection}: {found.message or counts}.", HINT, **measured)
    if drift.left:
        left = ", ".join(f"{number} {kind}" for kind, number in drift.left.items())
        return failed(f"The last verification found and left: {left}.", HINT, **measured)
    if drift.unfinished:
        cause = f"{drift.unfinished} documents lacked points at the last verification, and were being made anew."
        return degraded(cause, "Verify again when their job has ended: docrelay verify", age_s, **measured)
    return ok(age_s, **measured)
