"""The Celery application of this installation, for Celery's commands: `celery -A pipeline.engine.app inspect active`.

It is made from the settings when it is first asked for. Without `redis_url` it is that of the stack that runs in the
data folder. It starts no worker: that is `docrelay worker`, whose settings make Redis a reliable broker.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from pipeline import stack
from pipeline.engine.celery_app import make_app
from pipeline.errors import PipelineError, StackUnavailable
from pipeline.settings import Settings, load_settings

__all__ = ["app_of_running_stack", "attached_settings"]


def attached_settings(settings: Settings) -> Settings:
    """Settings whose `redis_url` is that of the private stack, unless the user has set one.

    Raises:
        StackUnavailable: no stack runs in the data folder.
    """
    if settings.redis_url is not None:
        return settings
    state = stack.running(settings)
    if state is None:
        raise StackUnavailable(f"No stack runs in {settings.data_dir}.", "Start one with: docrelay up")
    return settings.model_copy(update={"redis_url": state.redis_url})


def app_of_running_stack() -> Celery:
    """The application with the settings of the environment. Raises StackUnavailable."""
    return make_app(attached_settings(load_settings()))


def __getattr__(name: str) -> Any:
    # Celery's command asks the module for `app`; any other import of the module connects to nothing.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return app_of_running_stack()
    except PipelineError as error:
        raise SystemExit(f"{error.message} {error.hint}") from error
