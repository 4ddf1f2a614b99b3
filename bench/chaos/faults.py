"""The faults, each a function of the run under way. A fault that needs a process waits for one that is at work."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from flow_tools import lives
from messages import MESSAGE_FAULTS, meddle
from stand import Stand, note
from tail import AtWork, Tail

from pipeline.gates_for_tests import COMMITTED, PUBLISHED, RETURNED, WORKED
from pipeline.names import STAGES

__all__ = ["FAULTS", "Attack", "Kill"]

PATIENCE_S = 6.0
PER_TASK = 2
"""Kills that hit one task: a task whose process dies again and again is poison, and fails as such."""

POINTS = ("", WORKED, COMMITTED, PUBLISHED, RETURNED)
POOLED = ("extract", "ocr", "chunk")
FROZEN_S = (0.5, 4.0)


@dataclass(frozen=True)
class Kill:
    """A process that was killed from outside: which task it had, whether its whole worker was killed, and when."""

    victim: AtWork
    who: str
    at: float


@dataclass
class Attack:
    """One seed's attack on the stand."""

    stand: Stand
    tail: Tail
    chance: random.Random
    kills: list[Kill] = field(default_factory=list)
    last: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    threads: list[threading.Thread] = field(default_factory=list)
    hooks: dict[str, Callable[[], bool]] = field(default_factory=dict)

    def do(self, name: str) -> None:
        """Carry out a fault; what is impossible at this moment (all queues empty) is counted as `name, missed`."""
        happened = FAULTS[name](self) if name in FAULTS else self.hooks[name]()
        self.done[name if happened else f"{name}, missed"] += 1
        self.last = note(self.stand.history, "fault", visitor=name)

    def close(self) -> None:
        """Wait for what was only suspended."""
        for thread in self.threads:
            thread.join()

    def find(self, wanted: Callable[[AtWork], bool]) -> AtWork | None:
        """A process at work of which few kills hit the task."""
        hit = Counter(kill.victim.task for kill in self.kills)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = [
                work for work in self.tail.busy() if wanted(work) and hit[work.task] < PER_TASK and _is_whole(work)
            ]
            if found:
                return self.chance.choice(found)
            time.sleep(0.002)
        return None

    def suspend(self, pids: list[int], seconds: float, end: signal.Signals) -> None:
        """SIGSTOP now, `end` after a while."""
        for pid in pids:
            _send(pid, signal.SIGSTOP)

        def later() -> None:
            time.sleep(seconds)
            for pid in pids:
                _send(pid, end)
            self.last = note(self.stand.history, "fault", visitor=f"{end.name} {pids}")

        thread = threading.Thread(target=later)
        thread.start()
        self.threads.append(thread)


def _kill_worker(attack: Attack) -> bool:
    """Half of them by a gate: the process dies at a point, not at a moment."""
    if attack.chance.random() < 0.5:
        return _order(attack, STAGES, "worker")
    return _kill(attack, lambda work: True, "worker")


def _kill_child(attack: Attack) -> bool:
    if attack.chance.random() < 0.5:
        return _order(attack, POOLED, "process")
    return _kill(attack, _is_child, "process")


def _order(attack: Attack, stages: tuple[str, ...], who: str) -> bool:
    """Leave an order at a stage that was begun lately: another one may be over."""
    lately = [stage for stage in attack.tail.lately if stage in stages]
    stage = attack.chance.choice(lately or list(stages))
    points = POINTS if stage != "finalize" else (POINTS[0], *POINTS[1:3], RETURNED)
    attack.stand.gates.kill(stage + attack.chance.choice(points), who)
    return True


def _kill(attack: Attack, wanted: Callable[[AtWork], bool], who: str) -> bool:
    victim = attack.find(wanted)
    if victim is None:
        return False
    leader = _leader(victim.pid) if who == "worker" else victim.pid
    _send(leader, signal.SIGKILL)
    at = note(attack.stand.history, "killed", visitor=victim.task, node=f"{who}, from outside", job=str(leader))
    attack.kills.append(Kill(victim, who, at))
    return True


def _freeze_worker(end: signal.Signals, longest_s: float | None = None) -> Callable[[Attack], bool]:
    def fault(attack: Attack) -> bool:
        victim = attack.find(lambda work: True)
        if victim is None:
            return False
        pids = [*({_leader(victim.pid), victim.pid})]
        attack.suspend(pids, longest_s or attack.chance.uniform(*FROZEN_S), end)
        return True

    return fault


def _signal_part(part: str, number: signal.Signals) -> Callable[[Attack], bool]:
    def fault(attack: Attack) -> bool:
        pid = attack.stand.pid(part)
        return pid is not None and _send(pid, number)

    return fault


def _freeze_part(part: str, end: signal.Signals) -> Callable[[Attack], bool]:
    def fault(attack: Attack) -> bool:
        pid = attack.stand.pid(part)
        if pid is None:
            return False
        attack.suspend([pid], attack.chance.uniform(*FROZEN_S), end)
        return True

    return fault


def _flush(attack: Attack) -> bool:
    return _by_redis(attack, lambda connection: connection.flushall())


def _client_storm(attack: Attack) -> bool:
    """CLIENT KILL for all, several times."""

    def storm() -> None:
        for _ in range(5):
            _by_redis(attack, lambda connection: connection.client_kill_filter(_type="normal", skipme=True))
            time.sleep(0.4)
        attack.last = note(attack.stand.history, "fault", visitor="end of the storm")

    thread = threading.Thread(target=storm)
    thread.start()
    attack.threads.append(thread)
    return True


def _message(what: str) -> Callable[[Attack], bool]:
    def fault(attack: Attack) -> bool:
        return bool(_by_redis(attack, lambda connection: meddle(connection, what, attack.chance)))

    return fault


def _by_redis(attack: Attack, act: Callable[[redis.Redis], Any]) -> Any:
    with suppress(redis.RedisError):
        return act(attack.stand.rig.services.redis) or False
    return False


def _is_whole(work: AtWork) -> bool:
    """Whether the worker lives too: pool processes outlive a killed one for a moment."""
    return lives(_leader(work.pid))


def _is_child(work: AtWork) -> bool:
    return _leader(work.pid) != work.pid


def _leader(pid: int) -> int:
    with suppress(OSError):
        return os.getsid(pid)
    return pid


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


KILLED, WOKEN = signal.SIGKILL, signal.SIGCONT
FAULTS: dict[str, Callable[[Attack], bool]] = {
    "kill worker": _kill_worker,
    "kill child": _kill_child,
    "freeze worker": _freeze_worker(WOKEN),
    "freeze worker past its heartbeat": _freeze_worker(WOKEN, 12.0),
    "freeze and kill worker": _freeze_worker(KILLED),
    "flushall": _flush,
    "client storm": _client_storm,
    **{f"{what} message": _message(what) for what in MESSAGE_FAULTS},
    **{f"kill {part}": _signal_part(part, KILLED) for part in ("api", "watch", "beat", "redis", "store", "supervisor")},
    **{
        f"freeze {part}": _freeze_part(part, WOKEN) for part in ("api", "watch", "beat", "redis", "store", "supervisor")
    },
    **{f"freeze and kill {part}": _freeze_part(part, KILLED) for part in ("api", "beat", "store", "redis")},
}
"""Every fault of the embedded stack by its name."""
