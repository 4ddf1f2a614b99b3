"""The API as a process of the stack: `python -m pipeline.api --name NAME`, with its settings in the environment."""

from __future__ import annotations

import argparse
import os
import sys

from pipeline.api.server import run_api
from pipeline.errors import PipelineError
from pipeline.settings import load_settings


def main() -> int:
    """Entry of the process."""
    os.umask(0o077)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--name", default="api")
    options.add_argument("--embedded", action="store_true", help="serve loopback without keys")
    asked = options.parse_args()
    try:
        run_api(load_settings(), asked.name, embedded=asked.embedded)
    except PipelineError as error:
        print(f"{asked.name} cannot work: {error.message} {error.hint}", file=sys.stderr, flush=True)
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
