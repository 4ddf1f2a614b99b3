"""Stands whose surroundings can be attacked too: another clock, a small disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from shifted_clock import ShiftedClock, can_fake_time
from stand import Stand, note

__all__ = ["ClockStand", "DiskStand", "can_fake_time", "can_mount"]

DISK_MB = 1200
FULL_S = 6.0


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
        clock = ShiftedClock(folder)
        self.environment = clock.environment
        self.hooks = {"clock forward": lambda: _set(clock, 3600.0), "clock back": lambda: _set(clock, -3600.0)}


def _set(clock: ShiftedClock, shift_s: float) -> bool:
    clock.set(shift_s)
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
