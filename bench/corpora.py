"""The option `--corpora DIR` that the benchmarks share: the folder of the published test collections."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

__all__ = ["add_corpora_option"]

VARIABLE = "DOCRELAY_TEST_CORPORA"


def add_corpora_option(parser: argparse.ArgumentParser, holds: str) -> None:
    """Add `--corpora`; without it the variable DOCRELAY_TEST_CORPORA counts, and one of the two must be given.

    Args:
        parser: the parser of a bench.
        holds: what the bench reads in that folder, for the help text.
    """
    folder = os.environ.get(VARIABLE)
    parser.add_argument(
        "--corpora",
        type=Path,
        metavar="DIR",
        required=not folder,
        default=Path(folder) if folder else None,
        help=f"folder with {holds}; default: ${VARIABLE}",
    )
