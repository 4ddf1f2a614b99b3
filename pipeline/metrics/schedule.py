"""Metrics of the schedule: when each entry ended last, and when it last was done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from prometheus_client.core import Metric

from pipeline.catalog.work.scheduled_runs import LastEnd
from pipeline.metrics.families import gauge_of_one

__all__ = ["last_ends"]


def last_ends(found: Mapping[str, LastEnd], off: Collection[str] = ()) -> Iterator[Metric]:
    """A gauge for each of both times; an entry that has never run is in neither, nor one that is switched off.

    That one has no next run which could end what the alert about its last one says.
    """
    ended = {name: last.ended_at for name, last in found.items() if name not in off}
    done = {name: last.done_at for name, last in found.items() if name not in off}
    yield gauge_of_one(
        "docrelay_schedule_last_run_timestamp_seconds", "End of the last run of an entry.", "entry", ended
    )
    yield gauge_of_one(
        "docrelay_schedule_last_success_timestamp_seconds",
        "End of the last run of an entry that was done, 0 if none was.",
        "entry",
        done,
    )
