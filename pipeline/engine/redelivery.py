"""Redeliver the messages of dead workers.

When a worker's heartbeat has stopped for `dead_after_s`, the messages that it had not acknowledged go back to their
queues. Kombu's own rule waits for the age of a message and took 89 s where this takes a few; see
`docs/decisions.md`.
"""

from __future__ import annotations

import structlog
from kombu.connection import Connection as BrokerConnection

from pipeline.engine.broker import holding_workers
from pipeline.engine.celery_app import app_of
from pipeline.engine.heartbeat import NODES, living_nodes, text, unacked_key
from pipeline.engine.liveness import forget_node, is_settling
from pipeline.names import PREFIX
from pipeline.services import Services

__all__ = ["restore", "restore_dead"]

log = structlog.get_logger()


def restore_dead(services: Services) -> int:
    """Return the messages that dead workers held to their queues.

    Returns:
        How many messages; 0 where the broker is not Redis: other brokers redeliver on their own.
    """
    connection, broker = services.redis, services.broker
    if is_settling(connection):
        return 0
    alive = living_nodes(connection)
    dead = {text(name) for name in connection.smembers(NODES)} - alive
    restored = 0
    for node in sorted(dead):
        held = broker.hlen(unacked_key(node)) if broker is not None else 0
        if held:
            restored += restore(services, node)
            log.warning("worker.dead", node=node, messages=held)
        connection.srem(NODES, node)
        forget_node(connection, node)
    _register_unknown(services)
    return restored


def _register_unknown(services: Services) -> None:
    """Enter workers that hold messages and are not registered, to be judged by the next run.

    A worker registers with each heartbeat. Where Redis was emptied and it died before its next one, nothing else names
    it, and what it had received since would be held for ever.
    """
    if services.broker is None:
        return
    if unknown := holding_workers(services.broker) - {text(name) for name in services.redis.smembers(NODES)}:
        log.warning("worker.unregistered", nodes=sorted(unknown))
        services.redis.sadd(NODES, *unknown)


def restore(services: Services, node: str) -> int:
    """Return the messages that a worker holds to their queues. Returns how many; 0 where the broker is not Redis."""
    if services.broker is None:
        return 0
    options = {f"{name}_key": f"{PREFIX}{name}:{node}" for name in ("unacked", "unacked_index", "unacked_mutex")}
    restored = 0
    with BrokerConnection(
        services.settings.broker_url or services.settings.redis_url,
        transport_options={**app_of(services).conf.broker_transport_options, **options},
    ) as broker:
        channel = broker.default_channel
        for tag in channel.client.hkeys(unacked_key(node)):
            channel.qos.restore_by_tag(text(tag), leftmost=True)
            restored += 1
    return restored
