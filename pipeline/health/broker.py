"""Part `broker`: does Redis take what is written to it, and has it memory left; does another broker let us in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.engine.broker import reach_broker
from pipeline.health.finding import Finding, degraded, failed, finding_of, ok
from pipeline.names import PREFIX
from pipeline.services import Services

__all__ = ["check_broker", "judge_memory", "short_connection"]

TIMEOUT_S = 2.0
WRITTEN = f"{PREFIX}health"
"""Redis key that the check writes; it lasts for a minute."""

HINT = "Start it, or check the setting `redis_url`. On one machine `docrelay up` brings a Redis of its own."
MEMORY_HINT = "Give Redis more memory (maxmemory): full memory refuses new work, and loses none."
NEARLY_FULL = 0.9


def short_connection(url: str) -> redis.Redis:
    """A connection to Redis for checks: each wait ends after seconds, and nothing is tried twice."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, retry=retry, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def check_broker(services: Services, connection: redis.Redis) -> Finding:
    """Write to Redis, compare its memory with its limit, and reach another broker if the settings name one."""
    try:
        connection.set(WRITTEN, 1, ex=60)
        memory: Any = connection.info("memory")
    except redis.RedisError as error:
        return failed(f"Redis does not take a write: {error}", HINT)
    if services.settings.broker_url is not None:
        try:
            reach_broker(services, TIMEOUT_S)
        except Exception as error:  # each library of a broker raises errors of its own
            return failed(f"The broker does not answer: {finding_of(error).cause}", "Check the setting `broker_url`.")
    return judge_memory(memory)


def judge_memory(memory: Mapping[str, Any]) -> Finding:
    """Judge Redis's own report of its memory, the section `memory` of INFO."""
    used, most = float(memory["used_memory"]), float(memory.get("maxmemory", 0))
    measured = {"used_bytes": used, "maxmemory_bytes": most}
    if most and used >= NEARLY_FULL * most:
        return degraded(f"Redis has used {used / most:.0%} of its memory.", MEMORY_HINT, 0.0, **measured)
    policy = memory.get("maxmemory_policy", "noeviction")
    if most and policy != "noeviction":
        cause = f"Redis drops messages when its memory is full (maxmemory-policy {policy})."
        return degraded(cause, "Set maxmemory-policy to noeviction in the configuration of Redis.", 0.0, **measured)
    return ok(**measured)
