"""The version of messages: a header of each, which workers of earlier versions do not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.signals import before_task_publish

from pipeline.names import task_name

__all__ = ["MESSAGE_VERSION", "VERSION_HEADER", "mark_messages", "version_of"]

MESSAGE_VERSION = 1
"""Of the arguments of tasks and of their meaning. A worker hands back what is newer."""

VERSION_HEADER = "docrelay_version"


def mark_messages() -> None:
    """Have every message of a task that this process publishes carry the version."""
    before_task_publish.connect(_mark, weak=False, dispatch_uid="docrelay.message_version")


def version_of(headers: Any) -> int:
    """The version of a message; one without the header is of version 1."""
    version = headers.get(VERSION_HEADER, 1) if isinstance(headers, Mapping) else 1
    return version if isinstance(version, int) else 1


def _mark(sender: str | None = None, headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and str(sender).startswith(task_name("")):
        headers.setdefault(VERSION_HEADER, MESSAGE_VERSION)
