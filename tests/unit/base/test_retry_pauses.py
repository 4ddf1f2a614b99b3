"""How long a task is tried again while a service is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StackUnavailable
from pipeline.retries import delay_s
from pipeline.settings import Settings

AWAY = StackUnavailable("Qdrant does not answer")
SETTINGS = Settings(data_dir=Path("unused"))


@given(st.randoms(use_true_random=False))
def test_a_service_may_be_away_for_half_a_minute(chance: object) -> None:
    """However chance falls: all tries together last from 31.5 to 63 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("random.uniform", chance.uniform)  # type: ignore[attr-defined]
        pauses = [delay_s(SETTINGS, tries, AWAY) for tries in range(SETTINGS.max_retries)]
    assert 31.5 <= sum(pauses) <= 63
    assert pauses == sorted(pauses)


@given(st.integers(0, 1000))
def test_no_pause_is_longer_than_the_setting(tries: int) -> None:
    assert delay_s(SETTINGS, tries, AWAY) <= SETTINGS.retry_backoff_max_s


def test_an_endpoint_that_names_a_time_is_not_asked_before() -> None:
    busy = StackUnavailable("busy")
    busy.retry_after = 20  # type: ignore[attr-defined]
    assert delay_s(SETTINGS, 0, busy) == 20
