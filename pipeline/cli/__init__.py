"""The command line: `docrelay`. One file per group of commands; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the command."""
    from pipeline.cli.app import app
    from pipeline.cli.output import reporting

    # What embedded mode writes is this user's alone, in a folder too that was there before.
    os.umask(0o077)
    with reporting():
        app(prog_name="docrelay")
    sys.exit(0)
