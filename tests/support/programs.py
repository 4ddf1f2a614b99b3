"""Programs of the development tools, which Python packages bring for some machines only."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

__all__ = ["program", "requires"]


def program(name: str) -> str:
    """Path of a program of this environment; where its package has no build for this machine the test is skipped."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    requires(found, name)
    assert found
    return found


def requires(found: object, name: str) -> None:
    """Skip the test without the program or module; in continuous integration it must be there."""
    if not found:
        assert not os.environ.get("CI"), f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
