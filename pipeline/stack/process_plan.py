"""What runs on one machine: the worker processes and beat, as plain data."""

from __future__ import annotations

import json
import os
import sys

from pipeline.settings import ENV_PREFIX, Settings
from pipeline.stack.spec import ProcessSpec

__all__ = ["cores", "doors", "processes", "settings_environment"]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


OF_A_CLIENT = ("server", "api_key")
"""Settings of a command that works on another machine: no process of a stack here is one."""


def processes(settings: Settings) -> list[ProcessSpec]:
    """The processes of an embedded stack, Redis left out.

    One extract worker (with a pool inside), one embed worker per core, one store worker (the only
    owner of the vectors), and beat. Processes are many, so each computes with one thread.
    """
    environment = {**settings_environment(settings), **ONE_THREAD}
    embedders = settings.embed_processes or cores()
    named = [("extract", "extract"), *(("embed", f"embed-{n + 1}") for n in range(embedders)), ("store", "store")]
    return [_worker(group, name, environment) for group, name in [*named, ("beat", "beat")]]


def doors(settings: Settings) -> list[ProcessSpec]:
    """The processes that only `docrelay up` runs: ways in that stay open while somebody holds the stack."""
    environment = settings_environment(settings)
    embedded = ("--embedded",) if settings.embedded else ()
    found = [ProcessSpec("api", (sys.executable, "-m", "pipeline.api", "--name", "api", *embedded), environment)]
    if settings.watch:
        found.append(ProcessSpec("watch", (sys.executable, "-m", "pipeline.watch", "--name", "watch"), environment))
    return found


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables that `load_settings` reads back; what is None is left out.

    Passwords that hold a comma cannot be said in the variable: then all of them are left to the
    settings file, the only place that they can come from.
    """
    return {
        ENV_PREFIX + name.upper(): json.dumps(value) if name == "api_roots" else _text(value)
        for name, value in settings
        if value not in (None, (), {})
        and name not in OF_A_CLIENT
        and not (name == "passwords" and any("," in one for one in value))
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker(group: str, name: str, environment: dict[str, str]) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-m", "pipeline.engine.worker", group, "--name", name), environment)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, tuple):
        plain = all(isinstance(one, str) for one in value)
        return ",".join(value) if plain else json.dumps([one.model_dump(mode="json") for one in value])
    return str(value)
