"""The Celery application: queues, routes, and the settings that make Redis a reliable broker.

Why each setting has its value: `docs/decisions.md`, section "Celery on Redis".
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from pipeline.composition.plugins import stages
from pipeline.engine.message_version import mark_messages
from pipeline.names import MAINTENANCE, PREFIX, QUEUES, STAGES, task_name
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = [
    "all_queues",
    "app_of",
    "broker_priority",
    "make_app",
]


VISIBILITY_TIMEOUT_S = 12 * 3600
"""Messages are redelivered by the liveness of processes (`pipeline.engine.heartbeat`), not by their age."""

HEALTH_CHECK_S = 6
"""A worker that waits on a connection which Redis does not know any more notices it within the wait of one BRPOP and
two of these intervals: 13 seconds."""

DAY_S = 86400

SCHEDULE_S = 20.0
"""How often the schedule is asked what is due: cron expressions have no seconds, so its runs begin so late at most."""


def all_queues() -> tuple[str, ...]:
    """Return every queue of this installation, those of declared stages included."""
    return (*QUEUES, *sorted({stage.queue for stage in stages()}))


def broker_priority(priority: int, settings: Settings) -> int:
    """Map 1-10 (10 is the most urgent) to the broker's scale: Redis serves 0 first, RabbitMQ the highest."""
    return priority if _is_amqp(settings) else 10 - priority


def make_app(settings: Settings, node: str | None = None) -> Celery:
    """Make the application for the broker of these settings.

    Args:
        settings: redis_url must be set.
        node: the name of a worker; its unacknowledged messages are kept under it, so that they can be
            redelivered when the worker dies.
    """
    mark_messages()
    app = Celery("docrelay")
    app.conf.update(_configuration(settings))
    app.conf.broker_transport_options = _transport(settings, node)
    return app


def app_of(services: Services) -> Celery:
    """Return the application with which a process publishes; only workers register tasks."""
    return services.singleton(make_app)


def _is_amqp(settings: Settings) -> bool:
    return (settings.broker_url or "").startswith(("amqp", "pyamqp"))


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker_url or settings.redis_url,
        "result_backend": settings.redis_url,
        **_routing(settings),
        **_delivery(settings),
        **_workers(settings),
        **_connections(),
        "beat_schedule": _schedule(settings),
    }


def _routing(settings: Settings) -> dict[str, Any]:
    arguments = {"x-max-priority": 10} if _is_amqp(settings) else None
    exchange = Exchange("docrelay", type="direct")
    queues = {**dict(zip(STAGES, STAGES, strict=True)), **{stage.name: stage.queue for stage in stages()}}
    return {
        "task_queues": [Queue(name, exchange, routing_key=name, queue_arguments=arguments) for name in all_queues()],
        "task_routes": {
            **{task_name(stage): {"queue": queue, "routing_key": queue} for stage, queue in queues.items()},
            "docrelay.*": {"queue": MAINTENANCE, "routing_key": MAINTENANCE},
        },
        "task_default_queue": MAINTENANCE,
        "task_default_exchange": "docrelay",
        "task_default_routing_key": MAINTENANCE,
    }


def _delivery(settings: Settings) -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_default_priority": broker_priority(5, settings),
        "task_inherit_parent_priority": True,
        "task_allow_error_cb_on_chord_header": True,
        "task_track_started": False,
        "task_send_sent_event": settings.events,
        "task_time_limit": settings.task_time_limit_s,
        "task_publish_retry_policy": {"max_retries": 5, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 2},
        "result_expires": 3600,
        "result_chord_expires": 7 * DAY_S,
        "result_failure_expires": 7 * DAY_S,
    }


def _workers(settings: Settings) -> dict[str, Any]:
    return {
        "worker_prefetch_multiplier": settings.prefetch,
        "worker_deduplicate_successful_tasks": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_max_tasks_per_child": settings.max_tasks_per_child,
        "worker_max_memory_per_child": settings.max_memory_per_child_mb * 1024,
        # A dead pool process is noticed after this time; until then its last result may still arrive.
        "worker_lost_wait": 2.0,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": settings.events,
        "worker_eta_task_limit": 1000,
    }


def _connections() -> dict[str, Any]:
    return {
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 10,
        "redis_socket_timeout": 15,
        "redis_socket_connect_timeout": 5,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": HEALTH_CHECK_S,
    }


def _schedule(settings: Settings) -> dict[str, Any]:
    # A run that was not started in time expires: the next one does its work.
    usual = {"expires": max(settings.reconcile_s * 3, 10), "ignore_result": True}  # beat registers no tasks
    urgent = {**usual, "priority": broker_priority(10, settings)}
    return {
        "reconcile": {"task": task_name("reconcile"), "schedule": settings.reconcile_s, "options": urgent},
        "reindex": {"task": task_name("reindex"), "schedule": settings.reconcile_s, "options": usual},
        "schedule": {
            "task": task_name("schedule"),
            "schedule": SCHEDULE_S,
            "options": {**urgent, "expires": SCHEDULE_S},
        },
        "sweep": {"task": task_name("sweep"), "schedule": 600.0, "options": {**usual, "expires": 600}},
        "verify": {
            "task": task_name("verify"),
            "schedule": settings.drift_check_s,
            "options": {**usual, "expires": settings.drift_check_s},
        },
    }


def _transport(settings: Settings, node: str | None) -> dict[str, Any]:
    if _is_amqp(settings):
        return {"confirm_publish": True}
    options: dict[str, Any] = {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "queue_order_strategy": "round_robin",
        "priority_steps": list(range(10)),
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_S,
    }
    if node is not None:
        options |= {f"{name}_key": f"{PREFIX}{name}:{node}" for name in ("unacked", "unacked_index", "unacked_mutex")}
    return options
