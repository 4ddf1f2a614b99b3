"""Parts `beat` and `reconciler`: are periodic tasks sent, and does the search for lost work come to its end."""

from __future__ import annotations

import redis

from pipeline.engine.health import beat_patience_s, reconciler_patience_s
from pipeline.engine.heartbeat import beat_age_s, reconciled_age_s
from pipeline.health.finding import Finding, failed, ok
from pipeline.settings import Settings

__all__ = ["check_beat", "check_reconciler"]

BEAT_HINT = "Start one with: docrelay beat, or everything with: docrelay up"
RECONCILER_HINT = "The worker on the queue maintenance does it, group store: look at its log."


def check_beat(settings: Settings, connection: redis.Redis) -> Finding:
    """See when beat sent a periodic task last. Raises redis.RedisError."""
    age_s = beat_age_s(connection)
    if age_s is None:
        return failed("No beat has sent a periodic task.", BEAT_HINT)
    if age_s >= beat_patience_s(settings):
        return failed(f"Beat has sent no periodic task for {age_s:.0f} s.", BEAT_HINT, age_s)
    return ok(age_s)


def check_reconciler(settings: Settings, connection: redis.Redis) -> Finding:
    """See when the reconciler finished last. Raises redis.RedisError."""
    age_s = reconciled_age_s(connection)
    if age_s is None:
        return failed("The reconciler has not finished yet.", RECONCILER_HINT)
    if age_s >= reconciler_patience_s(settings):
        return failed(f"The reconciler has not finished for {age_s:.0f} s.", RECONCILER_HINT, age_s)
    return ok(max(age_s, 0.0))
