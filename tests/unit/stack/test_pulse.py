"""The pulse of a process on a real Redis."""

from __future__ import annotations

import os

import redis
from flow_tools import eventually
from search_rig import redis_server

from pipeline.stack.pulse import PULSE_KEY, READY_KEY, start_pulse


def test_a_redis_that_lost_the_report_learns_again_that_the_process_is_ready() -> None:
    with redis_server() as url, redis.Redis.from_url(url) as connection:
        start_pulse(connection, "embed-1", "a note")
        for _ in range(2):
            assert eventually(lambda: connection.exists(READY_KEY + "embed-1", PULSE_KEY + "embed-1") == 2)
            assert connection.get(READY_KEY + "embed-1") == f"{os.getpid()} a note".encode()
            connection.flushall()
