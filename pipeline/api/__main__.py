"""The API as a process of the stack: `python -m pipeline.api --name NAME`, with its settings in the environment."""

from __future__ import annotations

import argparse
import os
import sys

from pipeline.api.server import run_api
from pipeline.errors import PipelineError
from pipeline.settings import load_settings


def main() -> int:
    """Entry point of the process; its exit status."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="api")
    parser.add_argument("--embedded", action="store_true", help="serve loopback without keys")
    options = parser.parse_args()
    try:
        run_api(load_settings(), options.name, embedded=options.embedded)
    except PipelineError as error:
        print(f"{options.name} cannot work: {error.message} {error.hint}", file=sys.stderr, flush=True)
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
