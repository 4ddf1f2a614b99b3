"""The watcher as a process of the stack: `python -m pipeline.watch --name NAME`; its settings come by environment."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

import structlog

from pipeline.errors import PipelineError
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.stack.logs import configure_logging
from pipeline.stack.pulse import start_pulse
from pipeline.watch.loop import watch_all

log = structlog.get_logger()


def main() -> int:
    """Entry point of the process; its exit status."""
    os.umask(0o077)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--name", default="watch")
    name = options.parse_args().name
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        settings = load_settings()
        configure_logging(settings, name)
        services = Services(settings)
        paths = ", ".join(str(folder.path) for folder in settings.watch)
        start_pulse(services.redis, name, paths)
        watch_all(services, settings.watch, ended, lambda line: log.info("watch.said", line=line))
    except PipelineError as error:
        print(f"{name} cannot work: {error.message} {error.hint}", file=sys.stderr, flush=True)
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
