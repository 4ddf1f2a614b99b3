"""The line and the bars that show a job: as long as it runs, neither says that nothing is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.follow import _Bars, progress_line
from pipeline.results import Count, JobStatus, Stages

NOTHING = Count(done=0, total=0)


def status(fraction: float, eta_s: float | None, *, finished: bool = False) -> JobStatus:
    """46 documents, of which 43 have ended."""
    return JobStatus(
        id="5df026fd",
        state="completed" if finished else "running",
        collection="documents",
        workflow="ingest",
        priority=5,
        created_at="2026-11-20T13:25:21.241+00:00",
        finished_at="2026-11-20T13:27:21.241+00:00" if finished else None,
        seconds=120.0,
        documents=46,
        completed=46 if finished else 43,
        unchanged=0,
        failed=0,
        cancelled=0,
        deleted=0,
        active={} if finished else {"upserting": 3},
        chunks=43,
        pages_failed=0,
        stages=Stages(pages=NOTHING, chunks_embedded=NOTHING, points=NOTHING, batches=NOTHING, chunks_cached=0),
        fraction=fraction,
        documents_per_s=None,
        eta_s=eta_s,
    )


CANCELLED = status(0.42, 0.0, finished=True).model_copy(update={"state": "cancelled", "completed": 20, "cancelled": 26})


@given(st.floats(0.0, 0.999), st.none() | st.floats(0.0, 1e6))
def test_a_running_job_is_never_shown_as_done(fraction: float, eta_s: float | None) -> None:
    shown = status(fraction, eta_s)
    for line in (progress_line(shown), _Bars()._remark(shown)):
        assert "100%" not in line
        assert "about 0 " not in line
        assert ("left" in line) == (eta_s is not None)


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (status(0.999, 0.03), " 99%, 43 of 46 documents, a few seconds left"),
        (status(0.95, 29.0), " 95%, 43 of 46 documents, about 29 s left"),
        (status(0.08, None), "  8%, 43 of 46 documents"),
        (status(1.0, 0.0, finished=True), "100%, 46 of 46 documents"),
        (CANCELLED, " 42%, 20 of 46 documents, 26 cancelled"),
    ],
)
def test_the_time_left_in_words(shown: JobStatus, line: str) -> None:
    assert progress_line(shown) == line
