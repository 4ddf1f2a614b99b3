"""A worker process: `python -m pipeline.engine.worker GROUP --name NAME`, with its settings in the environment.

extract    extract, ocr, chunk    prefork, with memory and task limits; also declared stages
embed      embed                  one process, one thread, the model loaded once
store      upsert, finalize, maintenance; the one owner of the vectors in embedded mode
beat       Celery beat, which triggers the periodic tasks
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import threading
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from celery import Celery, signals

from embeddings.errors import EmbedError
from pipeline.catalog.work import events
from pipeline.disk.temporary_folder import remove_abandoned, tmp_of
from pipeline.engine import model_calls
from pipeline.engine.celery_app import app_of, make_app
from pipeline.engine.groups import GROUPS, capabilities_of, queues_of
from pipeline.engine.heartbeat import heartbeat_timeout_s, note_beat, start_heartbeat
from pipeline.engine.pool_watch import PoolWatch, active_tasks, pool_pids
from pipeline.engine.prefork import TaskPool
from pipeline.engine.process import Worker, freeze
from pipeline.engine.redis_transport import transport_class
from pipeline.engine.schedule import Schedule
from pipeline.engine.shutdown import Shutdown
from pipeline.engine.tasks import register
from pipeline.engine.unanswered import consumer_class
from pipeline.engine.worker_report import start_reporting
from pipeline.names import task_name
from pipeline.rpc import serve
from pipeline.services import Services
from pipeline.settings import Settings, load_settings
from pipeline.stack.cpu_share import lower_priority
from pipeline.stack.logs import configure_logging
from pipeline.stack.process_plan import cores
from pipeline.stack.pulse import start_pulse
from pipeline.stack.spec import UNUSABLE
from pipeline.tracing import close_traces

__all__ = ["make_worker", "run_beat", "run_worker"]

log = structlog.get_logger()

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""

KEPT_BYTES = 256 << 20


def run_worker(settings: Settings, group: str, name: str, queues: Sequence[str] = ()) -> int:
    """Run a worker of a group until a signal stops it.

    Returns:
        The exit code.
    """
    configure_logging(settings, name)
    if group in ("extract", "embed"):
        # Commands and the processes that answer them go first; computing takes the rest of the machine.
        lower_priority(settings.niceness)
    _skip_lost_events(settings)
    node = f"{name}@{uuid.uuid4().hex[:12]}"
    app = make_app(settings, node)
    worker = Worker(node, settings, owner=group == "store" and settings.qdrant_url is None)
    register(app, worker)
    app.conf.worker_consumer = consumer_class(worker)
    if (settings.broker_url or settings.redis_url or "").startswith(("redis://", "rediss://")):
        app.conf.broker_transport = transport_class(worker)
    served = tuple(queues or queues_of(group))
    _on_ready(worker, group, name, served)
    signals.setup_logging.connect(_keep_logging, weak=False)
    if _pool(settings, group) == "prefork":
        signals.worker_process_init.connect(partial(_start_pool_process, worker), weak=False)
        # A process of the pool ends without `atexit`.
        signals.worker_process_shutdown.connect(lambda **_: close_traces(), weak=False)
    celery_worker = make_worker(app, settings, group, node, served)
    freeze()
    celery_worker.start()
    return int(celery_worker.exitcode or 0)


def _skip_lost_events(settings: Settings) -> None:
    if settings.database_url is not None and not settings.database_url.startswith("sqlite"):
        return  # a database server loses none, and may not be up yet
    catalog = Services(settings).catalog
    events.skip_lost_ids(catalog)
    catalog.dispose()  # no connection survives the fork of the pool


def make_worker(app: Celery, settings: Settings, group: str, node: str, queues: Sequence[str]) -> Any:
    """Make Celery's worker from the settings; it connects to nothing until it is started."""
    return app.Worker(
        hostname=node,
        queues=list(queues),
        pool=TaskPool if _pool(settings, group) == "prefork" else _pool(settings, group),
        # Workers need no gossip: `pipeline.engine.heartbeat` knows which of them live.
        without_gossip=True,
        without_mingle=True,
        quiet=True,
        **_limits(settings, group),
    )


def run_beat(settings: Settings, name: str) -> None:
    """Run beat until a signal stops it."""
    configure_logging(settings, name)
    app = make_app(settings)
    signals.setup_logging.connect(_keep_logging, weak=False)
    signals.beat_init.connect(lambda **_: _report_ready(Services(settings), name), weak=False)
    folder = settings.data_dir / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    schedule = str(folder / f"{name}.schedule")
    connection = Services(settings).redis
    scheduler = partial(Schedule, sent=lambda: note_beat(connection, name))
    app.Beat(schedule=schedule, scheduler_cls=scheduler, max_interval=1).run()


def _pool(settings: Settings, group: str) -> str:
    return settings.pool if group == "extract" else "solo"


def _limits(settings: Settings, group: str) -> dict[str, Any]:
    if group != "extract":
        return {"concurrency": 1}
    limits: dict[str, Any] = {"concurrency": settings.extract_processes or cores()}
    if settings.autoscale and settings.pool == "prefork":
        limits["autoscale"] = settings.autoscale
    return limits


def _on_ready(worker: Worker, group: str, name: str, queues: Sequence[str]) -> None:
    """When the worker has started: begin the heartbeat, open what the group needs, and report that it is ready."""
    settings = worker.settings
    ttl_s = heartbeat_timeout_s(settings.dead_after_s)
    services = Services(settings)

    def begin(sender: Any, **_: Any) -> None:
        # Only in the parent, after the pool has forked: threads do not survive a fork.
        watch = PoolWatch(services.redis, worker.node, lambda: pool_pids(sender.pool), active_tasks, ttl_s)
        served = capabilities_of(queues)
        worker.watch = watch
        end_watch = watch.start(settings.heartbeat_s)
        sign_off = start_heartbeat(services.redis, worker.node, settings.heartbeat_s, ttl_s, serves=served)
        end_reports = start_reporting(services.redis, worker.node, queues, settings.heartbeat_s)
        signals.worker_shutdown.connect(lambda **_: (end_watch(), end_reports(), sign_off()), weak=False)
        shutdown = Shutdown(services, worker.node, sender.pool)
        signals.worker_shutting_down.connect(lambda **_: shutdown.begin(), weak=False)
        try:
            _prepare(worker, group)
        except Exception as error:  # Celery would swallow it, and the worker would run on without its model
            log.exception("worker.unusable")
            print(f"{name} cannot work: {error}", file=sys.stderr, flush=True)
            os._exit(UNUSABLE)
        freeze()
        _report_ready(services, name)
        if group == "store":
            # The points are counted when the stack has started, and from then on as beat says.
            app_of(services).send_task(task_name("verify"), expires=settings.drift_check_s, ignore_result=True)

    signals.worker_ready.connect(begin, weak=False)


def _prepare(worker: Worker, group: str) -> None:
    """Open what the group needs before its first task, and answer remote calls of other processes."""
    services = worker.runtime().services
    # The clean-up runs on one host; what processes of this one left when they were killed goes now.
    remove_abandoned(tmp_of(services.settings.data_dir))
    if group == "embed":
        _keep_memory()
        services.models.embedder(services.spec, services.fingerprint)
        serve(services.redis, model_calls.SUBJECT, model_calls.methods_of(services))
    elif group == "store" and services.settings.qdrant_url is None:
        from pipeline.vectorstore.remote import SUBJECT, methods_of

        signals.worker_shutdown.connect(lambda **_: services.store.close(), weak=False)
        serve(services.redis, SUBJECT, methods_of(services.store))


def _keep_memory() -> None:
    """Let glibc keep memory that a model frees for its next call; returning it each time costs 5% of the time."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        c_library = ctypes.CDLL(None)
        c_library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        c_library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def _report_ready(services: Services, name: str) -> None:
    start_pulse(services.redis, name)
    log.info("worker.ready", name=name, pid=os.getpid())


def _start_pool_process(worker: Worker, **_: Any) -> None:
    # A hard time limit kills the whole group of a pool process: the sandbox does not outlive it.
    os.setpgrp()
    # The sandbox and the tokenizer start now: the first task would wait for them.
    worker.runtime().sandbox.warm_up()
    threading.Thread(target=_load_tokenizer, args=(worker,), name="warm-up", daemon=True).start()


def _load_tokenizer(worker: Worker) -> None:
    try:
        worker.runtime().services.tokenizer.count(["warm"])
    except (EmbedError, OSError) as error:
        # The task that needs it fails with this error, and its documents show it.
        log.warning("warm_up.failed", error=str(error))


def _keep_logging(**_: Any) -> None:
    """Do nothing: Celery does not set up logging when this signal has a receiver."""


def main() -> int:
    """Entry of the process."""
    os.umask(0o077)
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("group", choices=[*GROUPS, "beat"])
    options.add_argument("--name", required=True)
    options.add_argument("--queues", default="", help="only these of the group's queues, separated by commas")
    arguments = options.parse_args()
    settings = load_settings()
    if arguments.group == "beat":
        run_beat(settings, arguments.name)
        return 0
    return run_worker(
        settings, arguments.group, arguments.name, [queue for queue in arguments.queues.split(",") if queue]
    )


if __name__ == "__main__":
    sys.exit(main())
