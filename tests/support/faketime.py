"""Programs with another time, by libfaketime: their clock of the day is moved, the one that measures waits is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["moved_clock"]

LIBRARY = "libfaketimeMT.so.1"
FOLDERS = ("/usr/lib", "/usr/local/lib")


def moved_clock(seconds: int) -> dict[str, str]:
    """Variables with which a program's clock is so many seconds ahead, or behind where negative.

    Where the library is not installed, the test is skipped; on CI it fails.
    """
    found = next((path for folder in FOLDERS for path in Path(folder).glob(f"**/faketime/{LIBRARY}")), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("not installed: libfaketime")
    return {"LD_PRELOAD": str(found), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
