"""Flower as a process of the stack: `python -m pipeline.engine.flower --name NAME`, settings in the environment.

Flower's own variables count, such as FLOWER_PORT and FLOWER_BASIC_AUTH. Where they say nothing, it serves loopback, and
it only shows: a task that is revoked behind the back of the catalog would be published again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from flower.app import Flower
from flower.command import apply_env_options, extract_settings, setup_logging
from flower.options import options
from flower.urls import settings as web_settings

from pipeline.engine.app import attached_settings
from pipeline.engine.celery_app import make_app
from pipeline.services import Services
from pipeline.settings import Settings, load_settings
from pipeline.stack.logs import configure_logging
from pipeline.stack.pulse import start_pulse

__all__ = ["run_flower"]

LOOPBACK = "127.0.0.1"


def run_flower(settings: Settings, name: str) -> None:
    """Serve Flower's pages until SIGTERM or SIGINT.

    Args:
        settings: with `redis_url`; queue lengths are read with the priority steps of our broker.
        name: its name in logs, and in what the stack says of it.

    Raises:
        OSError: the port cannot be bound.
    """
    configure_logging(settings, name)
    options.address, options.read_only = LOOPBACK, True
    apply_env_options()
    extract_settings()
    setup_logging()
    flower = Flower(capp=make_app(settings), options=options, **web_settings)
    port = flower.start_http_server()
    start_pulse(Services(settings).redis, name, f"http://{options.address}:{port}")
    signal.signal(signal.SIGTERM, _exit)
    try:
        flower.start()
    finally:
        flower.stop()


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> int:
    """Entry point of the process; its exit status."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="flower")
    name = parser.parse_args().name
    try:
        run_flower(attached_settings(load_settings()), name)
    except OSError as error:
        print(f"{name} cannot work: {error}", file=sys.stderr, flush=True)
        return 70
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
