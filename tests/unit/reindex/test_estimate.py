"""The estimate of a re-index: pure functions over numbers."""

from __future__ import annotations

import pytest

from pipeline.catalog.work.throughput import Throughput
from pipeline.reindex.estimate import chunk_number, seconds_needed, stage_rates

RECENT = Throughput(documents=10, chunks=40, cached=20, seconds={"extract": 5.0, "embed": 8.0, "upsert": 4.0})


@pytest.mark.parametrize(
    ("chosen", "totals", "tokens", "number"),
    [
        (10, (10, 40), (256, 256), 40),  # as many as now
        (10, (10, 40), (256, 128), 80),  # half the size, twice as many
        (5, (10, 40), (256, 256), 20),  # half of the documents
        (10, (10, 40), (64, 512), 10),  # one for each document at least
        (0, (0, 0), (256, 256), 0),
    ],
)
def test_chunks_are_in_proportion_to_documents_and_size(
    chosen: int, totals: tuple[int, int], tokens: tuple[int, int], number: int
) -> None:
    assert chunk_number(chosen, totals, tokens) == number


def test_rates_count_only_embedded_chunks_and_all_processes() -> None:
    assert stage_rates(RECENT, {"extract": 1, "embed": 2}) == {"extract": 0.5, "embed": 0.2, "upsert": 0.1}


def test_a_stage_that_did_nothing_has_no_rate() -> None:
    all_cached = Throughput(documents=1, chunks=4, cached=4, seconds={"embed": 1.0, "finalize": 1.0})
    assert stage_rates(all_cached, {}) == {"finalize": 1.0}


def test_seconds_are_not_estimated_without_a_rate_of_embed() -> None:
    assert seconds_needed({"chunk": 10, "embed": 40}, {"embed": 0.2}) == 8.0
    assert seconds_needed({"chunk": 10, "embed": 40}, {"chunk": 0.2}) is None
