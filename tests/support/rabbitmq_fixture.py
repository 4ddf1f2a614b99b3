"""The fixture `rabbitmq`; name this module in `pytest_plugins`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from rabbitmq_server import running_rabbitmq


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """URL of a broker: the one that DOCRELAY_TEST_RABBITMQ_URL names, else one of the tests' own."""
    named = os.environ.get("DOCRELAY_TEST_RABBITMQ_URL")
    if named:
        yield named
        return
    with running_rabbitmq() as url:
        yield url
