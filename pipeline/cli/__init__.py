"""The command line `docrelay`: one file a command; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the command."""
    from pipeline.cli.app import app
    from pipeline.cli.output import reporting

    # Only this user may read what embedded mode writes, also in a folder that existed before.
    os.umask(0o077)
    with reporting():
        app(prog_name="docrelay")
    sys.exit(0)
