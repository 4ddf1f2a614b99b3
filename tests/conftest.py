"""Fixtures of all tests. What several modules use lies in `tests/support`, which is on the path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# How fast a machine makes examples is no property of the code.
hypothesis_settings.register_profile("docrelay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("docrelay")


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
    """No setting of the user who runs the tests reaches a stack that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DOCRELAY_") and "_TEST_" not in name]:
            patch.delenv(name)
        yield
