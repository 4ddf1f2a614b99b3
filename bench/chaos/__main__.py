"""Kills, freezes and starves the processes of a stack while it ingests, and checks that nothing is lost or doubled.

    python bench/chaos --seeds 1-200 --results chaos.jsonl      seeds that are in the file already are skipped
    python bench/chaos --seeds 17 --profile mixed               one seed again, with the same faults
    python bench/chaos --report chaos.jsonl                     the table
    python bench/chaos --control --seeds 1-20                   the same attack on a plain nested canvas
    python bench/chaos --scenario flushall                      a scenario with a name

A seed decides its documents, its faults and how far the work is when each fault comes. Which process is at work at that
moment is up to the machine, so a seed that is run again makes the same attack, not the same history.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests" / "support")]

from checker import Expected  # noqa: E402 - found by the path above
from control import run_control  # noqa: E402
from distributed import DistributedStand  # noqa: E402
from own_stands import ClockStand, DiskStand, can_fake_time, can_mount  # noqa: E402
from plan import PROFILES, profile_of  # noqa: E402
from report import read_results, summary  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from seed import run_seed  # noqa: E402
from stand import Stand  # noqa: E402

SEEDS_A_STAND = 20
"""After so many seeds a new stack is made: its catalog has grown."""


def main() -> int:
    """Run what the command line asks for. Returns 1 where something failed that must not."""
    asked = _arguments()
    if asked.report:
        print(summary(read_results(asked.report)))
        return 0
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="docrelay-chaos-"))
    failed = _Seeds(asked, folder).run()
    if not failed and asked.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return int(failed > 0)


class _Seeds:
    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self.asked, self.folder = asked, folder
        self.expected = Expected()
        self.stand: Stand | None = None
        self.kind, self.used, self.made = "", 0, 1

    def run(self) -> int:
        """Run the seeds that have no result yet. Returns how many failed."""
        known = {(result["seed"], result["profile"]) for result in read_results(self.asked.results)}
        failed = 0
        try:
            for seed in self.asked.seeds:
                profile = self._profile(seed)
                if (seed, profile) not in known and not self._is_impossible(profile):
                    failed += not self._one(profile, seed)["ok"]
        finally:
            self._end()
        print(summary(read_results(self.asked.results)))
        return failed

    def _profile(self, seed: int) -> str:
        if self.asked.scenario:
            return f"scenario {self.asked.scenario}"
        return "control" if self.asked.control else self.asked.profile or profile_of(seed)

    def _is_impossible(self, profile: str) -> bool:
        """Whether this machine cannot run the profile; it says so."""
        if profile == "clock" and not can_fake_time():
            print("skipped: the profile clock needs Debian's libfaketime")
            return True
        if profile in ("disk", "scenario disk") and not can_mount(self.folder / "mount"):
            print(f"skipped: {profile} needs the right to mount a tmpfs")
            return True
        return False

    def _result(self, profile: str, seed: int) -> dict[str, Any]:
        if profile == "control":
            return run_control(seed, self.asked.documents)
        scenario = SCENARIOS.get(profile.removeprefix("scenario "))
        documents = scenario.documents if scenario else self.asked.documents
        stand, only = self._stand_for(profile), self.asked.only
        return run_seed(stand, profile, seed, self.expected, documents, only).to_json()

    def _one(self, profile: str, seed: int) -> dict[str, Any]:
        began = time.monotonic()
        result: dict[str, Any]
        try:
            result = self._result(profile, seed)
        except Exception as error:  # the harness goes on with the next seed
            traceback.print_exc()
            seconds = round(time.monotonic() - began, 1)
            result = {"seed": seed, "profile": profile, "ok": False, "seconds": seconds, "error": repr(error)[:2000]}
        with self.asked.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        self._say(result)
        return result

    def _say(self, result: dict[str, Any]) -> None:
        state = "ok    " if result["ok"] else "FAILED"
        kills, seed, profile = result.get("kills", {}), result["seed"], result["profile"]
        print(f"{state} seed {seed} {profile}: {result['seconds']} s {result.get('phases', '')}, kills {kills}, "
              f"wasted {result.get('wasted')} of {result.get('executions')}, recovery {result.get('recovery_s')} s",
              flush=True)  # fmt: skip
        if not result["ok"]:
            names = ("error", "lost", "missing_points", "doubled", "hung", "good_failed", "bad_passed", "left",
                     "finished_wrongly", "committed_twice", "backwards", "raced", "hands")  # fmt: skip
            print("   ", {name: result[name] for name in names if result.get(name)})
            print(f"    kept: {self.stand.folder if self.stand else self.folder}")
            print(f"    again: python bench/chaos --seeds {seed} {_options(profile)}", flush=True)
            self._end()  # the next seed gets a new stack, and this one's folder is kept

    def _new_folder(self) -> Path:
        """A folder for a stand; those of earlier runs in the same folder are left alone."""
        while (self.folder / f"stand-{self.made}").exists():
            self.made += 1
        return self.folder / f"stand-{self.made}"

    def _stand_for(self, profile: str) -> Stand:
        kind = profile.removeprefix("scenario ")
        kind = kind if kind in ("distributed", "clock", "disk") else "embedded"
        if self.stand is None or kind != self.kind or self.used >= SEEDS_A_STAND:
            self._end()
            self.stand = _make(kind)(self._new_folder())
            self.stand.start()
            self.kind, self.used = kind, 0
        self.used += 1
        return self.stand

    def _end(self) -> None:
        if self.stand is not None:
            self.stand.stop()
            self.stand = None


def _options(profile: str) -> str:
    if profile.startswith("scenario "):
        return f"--scenario {profile.removeprefix('scenario ')}"
    return "--control" if profile == "control" else f"--profile {profile}"


def _make(kind: str) -> Callable[[Path], Any]:
    return {"embedded": Stand, "distributed": DistributedStand, "clock": ClockStand, "disk": DiskStand}[kind]


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=_range, default=range(1, 2), help="A-B, or one number")
    options.add_argument("--profile", choices=PROFILES, help="what is done; by default the seed decides")
    options.add_argument("--scenario", choices=SCENARIOS, help="one fault in the middle of a large job")
    options.add_argument("--control", action="store_true", help="attack a plain nested canvas instead")
    options.add_argument("--only", type=_list, default=(), help="these faults, with commas, in place of the profile's")
    options.add_argument("--documents", type=int, default=120, help="good documents of a seed")
    options.add_argument("--results", type=Path, default=Path("chaos.jsonl"), help="the file that results go to")
    options.add_argument("--folder", type=Path, help="where stacks live; by default a temporary folder")
    options.add_argument("--report", type=Path, help="print the table of a file of results")
    return options.parse_args()


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
