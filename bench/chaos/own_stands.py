"""Stands whose surroundings can be attacked too: another clock, a small disk."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from stand import Stand, note

__all__ = ["ClockStand", "DiskStand", "can_fake_time", "can_mount"]

FAKETIME = "usr/lib/*/faketime/libfaketimeMT.so.1"
SLEEP = """import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime 0.9.10 answers the call behind `time.sleep` of Python 3.11 with EINVAL while it leaves timers alone."""

DISK_MB = 1200
FULL_S = 6.0


def can_fake_time() -> bool:
    """Whether Debian's libfaketime is there; it is installed if apt-get may do so."""
    if not _faketime():
        line = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"]
        with suppress(OSError):
            subprocess.run(line, capture_output=True, check=False)
    return bool(_faketime())


def _faketime() -> list[Path]:
    return list(Path("/").glob(FAKETIME))


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a tmpfs."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", str(folder)], check=False)
    return done.returncode == 0


class ClockStand(Stand):
    """All processes of the stack, Redis among them, read the clock that a file shifts; timers go on as they were."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self._clock = folder / "clock"
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SLEEP)
        self._set("+0")
        self.environment = {
            "LD_PRELOAD": str(_faketime()[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        self.hooks = {"clock forward": lambda: self._set("+3600"), "clock back": lambda: self._set("-3600")}

    def _set(self, shift: str) -> bool:
        draft = self._clock.with_suffix(".draft")
        draft.write_text(f"{shift}\n")
        draft.replace(self._clock)
        return True


class DiskStand(Stand):
    """The data folder is a small disk of its own, which can be filled."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.cli.folder.mkdir(parents=True)
        size = f"size={DISK_MB}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.cli.folder)], check=True)
        self.hooks: dict[str, Callable[[], bool]] = {"fill disk": self._fill}

    def stop(self) -> None:
        """End it and take the disk away."""
        super().stop()
        subprocess.run(["umount", "-l", str(self.cli.folder)], check=False)

    def _fill(self) -> bool:
        """Fill what is left, and free it after a while."""
        filler = self.cli.folder / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        note(self.history, "disk full")
        time.sleep(FULL_S)
        filler.unlink()
        note(self.history, "disk freed")
        return True
