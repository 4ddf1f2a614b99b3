"""Fixtures of all tests. Rigs that several modules use are in `tests/support`, which is on the path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# The speed of making examples is a property of the machine, not of the code.
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
    """Remove the user's DOCRELAY_ variables, so that they reach no stack of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DOCRELAY_") and "_TEST_" not in name]:
            patch.delenv(name)
        yield
