"""Runs one seed: documents are ingested, faults come as they get on, and in the end everything is checked."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from checker import Expected, Findings, add_history, check, landed
from corpus import Corpus, write_corpus
from doors import Doors
from faults import Attack
from flow_tools import eventually
from history import read_history
from plan import Planned, plan
from races import Races
from scenarios import SCENARIOS
from stand import Stand, note
from tail import Tail

__all__ = ["Run", "run_seed"]

EXECUTIONS = 1.9
"""About so many executions a document takes."""

HUNG_S = 180.0
"""A job that is not finished so long after the last fault hangs."""

STILL_S = 4.0
"""When nothing is begun for so long, the next fault does not wait for more progress."""

MORE = 24
MOST_ROUNDS = 25


@dataclass
class Run:
    """What a seed did and found."""

    seed: int
    profile: str
    findings: Findings
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A line for the file of results."""
        found = vars(self.findings)
        return {"seed": self.seed, "profile": self.profile, "ok": not self.findings.failures, **self.facts, **found}


def run_seed(
    stand: Stand, profile: str, seed: int, expected: Expected, documents: int = 120, only: Sequence[str] = ()
) -> Run:
    """Run a seed on a stand that is ready, with the faults of its profile or with `only` these."""
    began = time.monotonic()
    driver = _Driver(stand, profile, seed, documents)
    driver.attack_all(plan(profile, seed, round(EXECUTIONS * documents), only))
    attacked = time.monotonic()
    driver.settle()
    settled = time.monotonic()
    findings = driver.check(expected)
    facts = {
        "documents": len(driver.corpus.good) + len(driver.corpus.bad),
        "jobs": len(driver.jobs),
        "kills": driver.landed(),
        "faults": dict(driver.attack.done),
        "recovery_s": round(driver.recovery_s, 1),
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(time.monotonic() - began, 1),
        "phases": {
            "attack": round(attacked - began, 1),
            "settle": round(settled - attacked, 1),
            "check": round(time.monotonic() - settled, 1),
        },
    }
    return Run(seed, profile, findings, facts)


class _Driver:
    def __init__(self, stand: Stand, profile: str, seed: int, documents: int) -> None:
        self.stand, self.profile, self.seed = stand, profile, seed
        self.collection = f"seed-{profile}-{seed}".replace(" ", "-")
        self.folder = stand.folder / self.collection
        self.corpus: Corpus = write_corpus(self.folder / "in", seed, documents)
        self.tail = Tail(stand.history)
        self.races = Races(stand, self.folder, self.collection)
        chance = random.Random(f"{profile} {seed} attack")
        scenarios = {f"scenario {name}": partial(one.fault, stand) for name, one in SCENARIOS.items()}
        self.attack = Attack(stand, self.tail, chance, hooks={**self.races.hooks, **stand.hooks, **scenarios})
        self.jobs: list[str] = []
        self.recovery_s = 0.0
        self.hands = stand.hands
        self.intakes: list[threading.Thread] = []
        self.doors = Doors(stand, self.folder, self.collection, seed)
        self.seen: dict[str, int] = {}
        self.backwards: list[str] = []

    def attack_all(self, planned: list[Planned]) -> None:
        """Ingest and carry out the plan; go on with more documents until all kills have landed."""
        self._ingest(self.folder / "in")
        if self.profile == "mixed":
            self.doors.open()
        wanted = (
            sum(entry.fault == "kill worker" for entry in planned),
            sum(entry.fault == "kill child" for entry in planned),
        )
        for _ in range(MOST_ROUNDS):
            self._carry_out(planned)
            if not (planned := self._missing(wanted)):
                break
            self._more_documents()
        for order in self.stand.gates.folder.glob("*.kill"):
            order.unlink(missing_ok=True)
        self.attack.close()
        note(self.stand.history, "last fault")

    def settle(self) -> None:
        """Wait until everything is at rest; a stack that ended by itself is started by hand, which is a failure."""
        for thread in self.intakes:
            thread.join()
        deadline = time.monotonic() + HUNG_S
        while time.monotonic() < deadline and not self._at_rest():
            self.stand.ensure()
            time.sleep(0.2)

    def check(self, expected: Expected) -> Findings:
        """Check all that must hold."""
        self.stand.wait_ready()
        raced = [*self.races.settle(), *self.doors.missing()]
        self.corpus.good += [*self.races.good, *self.doors.sent]
        jobs = self._all_jobs()
        findings = check(self.stand.rig, self.corpus, self.collection, jobs, expected, self.races.gone)
        history = read_history(self.stand.history, self.tail.began)
        add_history(findings, history)
        # The waiting itself looks only now and then; the history knows when the last work was done.
        ended = max((execution.ended for execution in history.executions if execution.end), default=0.0)
        self.recovery_s = max(ended - self.attack.last, 0.0)
        findings.raced, findings.backwards = raced, self.backwards
        findings.hands = self.stand.hands - self.hands
        return findings

    def landed(self) -> dict[str, int]:
        """Kills that met a process at work."""
        return landed(read_history(self.stand.history, self.tail.began), self.attack.kills)

    def _ingest(self, *paths: Path) -> None:
        """Ingest as a user would who runs the command again after an error."""

        def intake() -> None:
            for _ in range(20):
                try:
                    self.jobs.append(self.stand.rig.submit(*paths, collection=self.collection))
                    return
                except Exception as error:
                    note(self.stand.history, "intake again", node=f"harness: {type(error).__name__}: {error}"[:300])
                    time.sleep(1)

        thread = threading.Thread(target=intake)
        thread.start()
        self.intakes.append(thread)

    def _carry_out(self, planned: list[Planned]) -> None:
        waiting, base = list(planned), self.tail.claims
        last, still = base, time.monotonic()
        while waiting:
            self.stand.ensure()
            claims = self.tail.look()
            if claims != last:
                last, still = claims, time.monotonic()
            if claims - base >= waiting[0].after or time.monotonic() - still > STILL_S:
                self.attack.do(waiting.pop(0).fault)
                self._look_at_progress()
                still = time.monotonic()
            time.sleep(0.01)

    def _missing(self, wanted: tuple[int, int]) -> list[Planned]:
        """Kills that did not land yet: those that missed, and orders at gates that no process came to."""
        for thread in self.intakes:
            thread.join()
        eventually(self._finished, 20, 0.2)
        for order in self.stand.gates.folder.glob("*.kill"):
            order.unlink(missing_ok=True)
        done = self.landed()
        again = ["kill worker"] * (wanted[0] - done["worker"]) + ["kill child"] * (wanted[1] - done["process"])
        return [Planned(2 + 4 * number, fault) for number, fault in enumerate(again)]

    def _more_documents(self) -> None:
        number = len(self.intakes)
        folder = self.folder / f"more-{number}"
        more = write_corpus(folder, self.seed * 1000 + number, MORE)
        self.corpus.good += more.good
        self.corpus.bad |= more.bad
        self._ingest(folder)

    def _finished(self) -> bool:
        self.doors.join()
        return all(self.stand.rig.finished(job) for job in self._all_jobs())

    def _all_jobs(self) -> list[str]:
        return [*self.jobs, *self.races.jobs, *self.doors.jobs]

    def _at_rest(self) -> bool:
        try:
            return self._finished() and not self.stand.rig.messages()
        except Exception:  # Redis may just be away
            return False

    def _look_at_progress(self) -> None:
        """Ended documents of a job never become fewer."""
        try:
            for job in self.jobs:
                ended = sum(number for outcome, number in self.stand.rig.counts(job).items() if outcome != "None")
                if ended < self.seen.get(job, 0):
                    self.backwards.append(f"{job}: {self.seen[job]} ended documents, then {ended}")
                self.seen[job] = ended
        except Exception as error:  # a database that is down right now
            note(self.stand.history, "unseen", node=f"harness: {error}"[:200])
