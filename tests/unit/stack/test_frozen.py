"""Telling frozen processes from those that wait, work, or are starved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from flow_tools import eventually

from pipeline.stack.frozen import Vigil, is_stopped

WORKING = "while True: pass"
WAITING = "import time; time.sleep(600)"


@pytest.fixture
def waiting() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", WAITING]) as process:
        yield process.pid
        process.kill()


def test_a_stopped_process_is_frozen_and_one_that_goes_on_is_not(waiting: int) -> None:
    vigil = Vigil(stopped_s=0.2)
    assert not vigil.look(waiting)
    os.kill(waiting, signal.SIGSTOP)
    assert eventually(lambda: is_stopped(waiting))
    assert eventually(lambda: vigil.look(waiting))
    os.kill(waiting, signal.SIGCONT)
    assert eventually(lambda: not is_stopped(waiting))
    assert not vigil.look(waiting)


def test_a_process_that_never_gave_a_sign_of_life_may_wait_as_long_as_it_likes(waiting: int) -> None:
    vigil = Vigil(silent_s=0.1)
    for _ in range(5):
        assert not vigil.look(waiting, can_hear=True)
        time.sleep(0.1)


def test_silence_is_frozen_only_where_it_can_be_heard_and_no_processor_time_is_used(waiting: int) -> None:
    vigil = Vigil(silent_s=0.3)
    assert eventually(lambda: vigil.look(waiting, "1", can_hear=True))
    assert not vigil.look(waiting, "2", can_hear=True)
    deaf = Vigil(silent_s=0.1)
    for _ in range(5):
        assert not deaf.look(waiting, "1", can_hear=False)
        time.sleep(0.1)


def test_a_process_that_computes_is_not_frozen() -> None:
    vigil = Vigil(silent_s=30.0)
    with subprocess.Popen([sys.executable, "-c", WORKING]) as process:
        assert not vigil.look(process.pid, "1", can_hear=True)
        first = vigil._heard
        assert eventually(lambda: not vigil.look(process.pid, "1", can_hear=True) and vigil._heard > first)
        process.kill()


def test_after_a_pause_of_the_observer_nothing_is_proven(waiting: int) -> None:
    vigil = Vigil(stopped_s=0.1)
    os.kill(waiting, signal.SIGSTOP)
    assert eventually(lambda: vigil.look(waiting))
    vigil._looked -= 3600
    assert not vigil.look(waiting)


def test_the_process_that_comes_in_the_place_of_a_frozen_one_is_observed_anew(waiting: int) -> None:
    vigil = Vigil(stopped_s=0.1)
    os.kill(waiting, signal.SIGSTOP)
    assert eventually(lambda: vigil.look(waiting))
    assert not vigil.look(None)
    assert not vigil.look(os.getpid())
