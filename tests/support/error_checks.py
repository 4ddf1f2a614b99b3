"""Code, exit code and HTTP status of an error at every entry point."""

from __future__ import annotations

import pytest

from pipeline.api.problems import status_of
from pipeline.cli.output import reporting
from pipeline.errors import PipelineError

__all__ = ["reported_codes"]


def reported_codes(error: PipelineError) -> tuple[str, int, int]:
    """Its code, the exit code of the command line, the status of the API."""
    with pytest.raises(SystemExit) as left, reporting():
        raise error
    assert isinstance(left.value.code, int)
    return error.code, left.value.code, status_of(error)
