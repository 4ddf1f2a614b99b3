"""Fixtures of all tests. Its place puts this folder on the path: `hostile`, `flow_rig` are imported by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    """Skip a test where a program is not installed; on CI (the variable `CI` is set) that is a failure."""

    def check(*programs: str) -> None:
        lacking = [program for program in programs if shutil.which(program) is None]
        if lacking and os.environ.get("CI"):
            pytest.fail(f"not installed: {', '.join(lacking)}")
        if lacking:
            pytest.skip(f"not installed: {', '.join(lacking)}")

    return check


@pytest.fixture(autouse=True, scope="session")
def _own_settings() -> object:
    """No setting of whoever runs the tests reaches a stack that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DOCRELAY_") and "_TEST_" not in name]:
            patch.delenv(name)
        yield
