"""Logging of a process: one JSON object a line, in the data folder or on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from pipeline.settings import Settings
from pipeline.stack.log_file import SharedLogFile

__all__ = ["configure_logging", "log_to_file"]

MAX_BYTES = 20 << 20
BACKUPS = 3
NOISY = ("celery.app.trace", "celery.worker.strategy", "httpx", "httpcore", "alembic")
PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure_logging(settings: Settings, name: str) -> None:
    """Send the log lines of this process, also those of libraries, where the setting `log_to` says."""
    if settings.log_to == "stderr":
        _use(logging.StreamHandler(sys.stderr), settings, name)
    else:
        log_to_file(settings, name)


def log_to_file(settings: Settings, name: str) -> Path:
    """Send the log lines of this process, also those of libraries, to `logs/<name>.log` in the data folder."""
    folder = settings.data_dir / "logs"
    settings.data_dir.parent.mkdir(parents=True, exist_ok=True)
    for parent in (settings.data_dir, folder):
        parent.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{name}.log"
    _use(SharedLogFile(path, MAX_BYTES, BACKUPS), settings, name)
    return path


def _use(handler: logging.Handler, settings: Settings, name: str) -> None:
    """Make this handler the only one of the process, for structlog and for libraries."""
    level = _number(settings.log_level)
    levels = {module: _number(name) for module, name in settings.log_levels.items()}
    handler.setFormatter(_formatter(name))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for logger in NOISY:
        logging.getLogger(logger).setLevel(max(level, logging.WARNING))
    for module, own in levels.items():
        logging.getLogger(module).setLevel(own)
    structlog.configure(
        processors=[*PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # Loggers of the standard library are asked after it, and have the levels of modules.
        wrapper_class=structlog.make_filtering_bound_logger(min([level, *levels.values()])),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _formatter(name: str) -> logging.Formatter:
    def add_process(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**line, "process": name}

    # Here and not in the context, which new threads do not have.
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=PROCESSORS,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_process,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
