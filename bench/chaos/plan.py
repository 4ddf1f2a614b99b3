"""What a seed does and when: faults at amounts of progress (executions begun), not at moments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from messages import MESSAGE_FAULTS

__all__ = ["PROFILES", "Planned", "plan", "profile_of"]

WORKER_KILLS, CHILD_KILLS = 12, 8
KILLS = ["kill worker"] * WORKER_KILLS + ["kill child"] * CHILD_KILLS
FREEZES = ["freeze worker", "freeze and kill worker"]
MESSAGES = [f"{what} message" for what in MESSAGE_FAULTS]
PARTS = [
    "kill api",
    "kill watch",
    "kill beat",
    "kill redis",
    "kill store",
    "freeze redis",
    "freeze beat",
    "freeze store",
    "freeze and kill store",
    "freeze and kill beat",
    "freeze api",
    "freeze supervisor",
]
RACES = ["race delete", "race submit", "race cancel", "race reindex"]

PROFILES = ("kills", "messages", "mixed", "distributed", "clock", "disk")
SHARES = ("kills", "kills", "messages", "mixed", "mixed", "mixed")
"""Profiles of the embedded stack by seed, where none is named; the other profiles have a stack of their own."""


@dataclass(frozen=True)
class Planned:
    """A fault, and after how many executions it comes."""

    after: int
    fault: str


def profile_of(seed: int) -> str:
    """The profile that a seed has where none is named."""
    return random.Random(f"profile {seed}").choice(SHARES)


def plan(profile: str, seed: int, executions: int, only: Sequence[str] = ()) -> list[Planned]:
    """The faults of a seed in their order, spread over the work; a scenario has one, in the middle.

    Args:
        profile: the profile, or a scenario.
        seed: the seed.
        executions: how many executions the work takes, about.
        only: these faults in place of those of the profile.
    """
    if profile.startswith("scenario "):
        return [Planned(executions // 2, profile)]
    chance = random.Random(f"{profile} {seed}")
    faults = list(only) or _faults(profile, chance)
    chance.shuffle(faults)
    times = sorted(chance.randint(2, max(int(executions * 0.9), 3)) for _ in faults)
    return [Planned(after, fault) for after, fault in zip(times, faults, strict=True)]


def _faults(profile: str, chance: random.Random) -> list[str]:
    if profile == "kills":
        return [*KILLS, *chance.sample(FREEZES, 1)]
    if profile == "messages":
        storms = chance.sample(["client storm", "flushall", "freeze redis", "kill redis"], 2)
        return [*KILLS, *chance.choices(MESSAGES, k=12), *storms]
    if profile == "mixed":
        supervisor = ["kill supervisor"] if chance.random() < 0.3 else []
        parts = chance.sample([*PARTS, *FREEZES, "flushall", "client storm"], 5)
        return [*KILLS, *chance.choices(MESSAGES, k=4), *parts, *supervisor, *chance.sample(RACES, 2)]
    if profile == "clock":
        return [*KILLS, "clock forward", "clock back"]
    if profile == "disk":
        return [*chance.sample(KILLS, 6), "fill disk"]
    return [*KILLS, *chance.sample(SERVERS, 5)]


SERVERS = ["postgres down", "postgres frozen", "qdrant down", "qdrant errors", "qdrant late", "qdrant down",
           "kill redis", "freeze redis", "client storm"]  # fmt: skip
"""Faults of the servers of a distributed stack."""
