"""The processes of one machine, as plain data: workers and beat, and the services of `docrelay up`."""

from __future__ import annotations

import json
import os
import sys

from pipeline.settings import ENV_PREFIX, Settings
from pipeline.stack.spec import ProcessSpec

__all__ = ["cores", "processes", "service_processes", "settings_environment"]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

CLIENT_SETTINGS = ("server", "api_key")
"""Settings of commands that work on a server; processes of the stack do not get them."""


def processes(settings: Settings) -> list[ProcessSpec]:
    """The processes of an embedded stack, Redis left out.

    One extract worker (with a pool inside), one embed worker a core, one store worker (the only process that opens the
    vector store), and beat. Each computes with one thread, as there are many processes.
    """
    environment = {**settings_environment(settings), **ONE_THREAD}
    embedders = settings.embed_processes or cores()
    embed = [("embed", f"embed-{number + 1}") for number in range(embedders)]
    workers = [("extract", "extract"), *embed, ("store", "store"), ("beat", "beat")]
    return [_worker(group, name, environment) for group, name in workers]


def service_processes(settings: Settings, *, flower: bool = False) -> list[ProcessSpec]:
    """The processes that only `docrelay up` runs: the API, the watcher if folders are watched, Flower if wanted."""
    environment = settings_environment(settings)
    embedded = ("--embedded",) if settings.embedded else ()
    specs = [ProcessSpec("api", (sys.executable, "-m", "pipeline.api", "--name", "api", *embedded), environment)]
    if settings.watch:
        specs.append(ProcessSpec("watch", (sys.executable, "-m", "pipeline.watch", "--name", "watch"), environment))
    if flower:
        command = (sys.executable, "-m", "pipeline.engine.flower", "--name", "flower")
        specs.append(ProcessSpec("flower", command, environment))
    return specs


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables that `load_settings` reads; None and empty values are left out.

    A password with a comma does not fit the format of its variable: then all passwords are left out, as they can only
    have come from the settings file, which the process reads too.
    """
    return {
        ENV_PREFIX + name.upper(): json.dumps(value) if name == "api_roots" else _text(value)
        for name, value in settings
        if value not in (None, (), {})
        and name not in CLIENT_SETTINGS
        and not (name == "passwords" and any("," in password for password in value))
    }


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker(group: str, name: str, environment: dict[str, str]) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-m", "pipeline.engine.worker", group, "--name", name), environment)


def _text(value: object) -> str:
    """A value of a setting in the notation of its environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, tuple):
        plain = all(isinstance(item, str) for item in value)
        return ",".join(value) if plain else json.dumps([item.model_dump(mode="json") for item in value])
    return str(value)
