"""Progress: the fraction never goes back, the rate and the time left follow from its samples."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import attempt_counters, attempts, batches, jobs, progress
from pipeline.catalog.work.cancel import cancel_job
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.progress import (
    BASIS_PART,
    BASIS_S,
    SPACING_S,
    WINDOW_S,
    eta,
    measure,
    measure_and_store,
    rate,
)
from pipeline.catalog.work.workload import Workload
from pipeline.errors.problem import Problem
from pipeline.names import ACTIVE

CAUSE = Failure("extract", Problem("corrupt", "It is broken.", "Mend it."))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(tmp_path_factory.mktemp("progress")))
    yield engine
    engine.dispose()


def begin(engine: Engine, sizes: list[int], expected: int) -> tuple[str, list[str]]:
    with writing(engine) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", expected).id
        files = [FileRecord(f"/{job}/{n}", f"{n:064}", size, 0.0) for n, size in enumerate(sizes)]
        attempt_ids = [str(records.record(connection, job, "recipe", file).attempt_id) for file in files]
        batches.create(connection, job, 5, attempt_ids)
        jobs.finish_intake(connection, job)
    return job, attempt_ids


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["advance", "pages", "chunks", "embed", "upsert", "again", "complete", "fail", "cancel"]),
        st.integers(0, 20),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), st.integers(0, 10**9), STEPS)
def test_the_fraction_never_goes_back(
    catalog: Engine, sizes: list[int], expected: int, steps: list[tuple[int, str, int]]
) -> None:
    """Random events of three documents in any order, retries included."""
    job, attempt_ids = begin(catalog, sizes, expected)
    seen = [0.0]
    for which, what, number in steps:
        with writing(catalog) as connection:
            happen(connection, attempt_ids[which], what, number)
            progress = measure_and_store(connection, job)
        assert seen[-1] <= progress.fraction <= 1.0
        seen.append(progress.fraction)
        finished = job_row(catalog, job).finished_at is not None
        assert (progress.fraction == 1.0) == finished
        assert progress.eta_s is None or progress.eta_s >= 0


def job_row(engine: Engine, job: str) -> sa.Row[tuple[object, ...]]:
    with engine.connect() as connection:
        return connection.execute(sa.select(jobs_table).where(jobs_table.c.id == job)).one()


def happen(connection: sa.Connection, attempt: str, what: str, number: int) -> None:
    if what == "advance":
        attempts.advance(connection, [attempt], ACTIVE[number % len(ACTIVE)])
    elif what == "pages":
        pages = {"pages_total": number, "pages_done": number // 2, "pages_scanned": number - number // 2}
        attempt_counters.set_pages(connection, {attempt: pages})
    elif what in ("chunks", "again"):
        attempt_counters.set_chunks(connection, {attempt: number})
    elif what in ("embed", "upsert"):
        column = "chunks_embedded" if what == "embed" else "chunks_upserted"
        row = connection.execute(sa.text("SELECT * FROM attempts WHERE id = :id"), {"id": attempt}).one()
        attempt_counters.add(connection, {attempt: {column: min(number, row.chunks_total - getattr(row, column))}})
    elif what == "complete":
        attempts.complete(connection, [attempt])
    elif what == "fail":
        attempts.fail(connection, {attempt: CAUSE})
    else:
        attempts.cancel(connection, sa.column("id") == attempt)


def test_the_fraction_is_one_when_all_attempts_are_complete(catalog: Engine) -> None:
    job, attempt_ids = begin(catalog, [10, 20], 10**9)
    with writing(catalog) as connection:
        before = measure_and_store(connection, job)
        attempts.complete(connection, attempt_ids)
        progress = measure_and_store(connection, job)
    assert (before.fraction, progress.fraction, progress.eta_s) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("is_measured", [False, True])
@pytest.mark.parametrize("done", range(4))
def test_the_fraction_of_a_cancelled_job_is_what_was_done(catalog: Engine, done: int, is_measured: bool) -> None:
    job, attempt_ids = begin(catalog, [10, 10, 10_000], 0)
    with writing(catalog) as connection:
        attempts.complete(connection, attempt_ids[: done // 2])
        attempts.fail(connection, dict.fromkeys(attempt_ids[done // 2 : done], CAUSE))
        before = measure_and_store(connection, job).fraction if is_measured else 0.0
        assert cancel_job(connection, job) == 3 - done
        progress = measure_and_store(connection, job)
    row = job_row(catalog, job)
    assert row.outcome == ("cancelled" if done < 3 else "partial")
    assert progress.fraction == max(before, done / 3)
    assert (progress.fraction < 1) == (done < 3)


def test_measuring_progress_writes_nothing(catalog: Engine) -> None:
    job, attempt_ids = begin(catalog, [10, 20], 0)
    with writing(catalog) as connection:
        attempts.complete(connection, attempt_ids[:1])
        assert 0 < measure(connection, job).fraction < 1
    assert job_row(catalog, job).fraction == 0.0


# Rate and time left


def test_expected_files_count_like_the_files_seen_so_far(catalog: Engine) -> None:
    """Ten of forty small files are ingested: the fraction is a quarter."""
    job, attempt_ids = begin(catalog, [500] * 10, 40 * (500 + jobs.OVERHEAD_BYTES))
    with writing(catalog) as connection:
        connection.execute(jobs_table.update().where(jobs_table.c.id == job).values(intake_done=False))
        attempt_counters.set_chunks(connection, dict.fromkeys(attempt_ids, 2))
        attempts.complete(connection, attempt_ids)
        assert measure_and_store(connection, job).fraction == pytest.approx(0.25)


def test_expected_files_that_never_came_do_not_count(catalog: Engine) -> None:
    """The intake was killed or ended by Ctrl-C: only the files that were ingested count."""
    job, attempt_ids = begin(catalog, [500] * 10, 1000 * (500 + jobs.OVERHEAD_BYTES))
    with writing(catalog) as connection:
        attempt_counters.set_chunks(connection, dict.fromkeys(attempt_ids, 2))
        attempts.complete(connection, attempt_ids[:9])
        assert measure_and_store(connection, job).fraction > 0.8


def test_the_rate_is_measured_over_the_last_minute() -> None:
    slow_then_fast = [[0.0, 0.0], [100.0, 10.0], [150.0, 20.0], [160.0, 50.0]]
    assert rate(slow_then_fast) == pytest.approx(40 / 60)
    assert eta(Workload(50, 50), slow_then_fast) == pytest.approx(75)


def test_without_recent_progress_the_rate_is_that_of_the_whole_job() -> None:
    standing = [[0.0, 0.0], [100.0, 0.5], [130.0, 0.5], [160.0, 0.5]]
    assert rate(standing) == pytest.approx(0.5 / 160)


@pytest.mark.parametrize("samples", [[], [[0.0, 0.0]], [[0.0, 0.0], [9.0, 0.0]], [[0.0, 0.0], [0.1, 0.5]]])
def test_rate_and_time_left_are_unknown_at_first(samples: list[list[float]]) -> None:
    assert rate(samples) is None
    assert eta(Workload(0, 1), samples) is None


@pytest.mark.parametrize("left", [0.0, -1e-16])
def test_where_no_work_is_left_nothing_says_when_the_job_ends(left: float) -> None:
    """Sums of fractions may be a little more than the whole."""
    assert eta(Workload(60.0, left), [[0.0, 0.0], [60.0, 60.0]]) is None


@pytest.mark.parametrize(
    ("work", "samples"),
    [
        # 25 files, 33 s: a page was read after the last sample, which held one cut text. 6 %, 73 min.
        (Workload(100.4, 1463.7), [[0.0, 0.0], [1.2, 0.4]]),
        # 46 files, 2 min: the same with four texts. 8 %, 38 min.
        (Workload(160.0, 1840.0), [[0.0, 0.0], [2.0, 1.6]]),
        # One file that is tried again, 26 s: a page after 1.5 s, the next ones end together. 8 s, then 52 s.
        (Workload(100.2, 533.0), [[0.0, 0.0], [1.5, 100.2]]),
        (Workload(100.2, 533.0), [[0.0, 0.0], [1.5, 100.2], [9.8, 100.2]]),
        # A long time and a rate, but of next to nothing.
        (Workload(4.0, 96.0), [[0.0, 0.0], [300.0, 4.0]]),
    ],
)
def test_an_estimate_without_basis_is_none(work: Workload, samples: list[list[float]]) -> None:
    assert rate(samples) is not None
    assert eta(work, samples) is None


HISTORIES = st.lists(st.tuples(st.floats(0.1, 10.0), st.sampled_from([0.0, 0.0, 0.4, 5.0, 100.0, 1000.0])), max_size=60)


@given(HISTORIES, st.floats(0.0, 1e6))
def test_estimates_rest_on_time_and_work_that_were_measured(history: list[tuple[float, float]], left: float) -> None:
    """However unevenly work ends: none at the beginning, and in the first minute none beyond what the basis allows."""
    now, done, kept = 0.0, 0.0, list[list[float]]()
    for pause, work in history:
        now, done = now + pause, done + work
        kept = progress._sampled(kept, 0.0, now, done)
        seconds = eta(Workload(done, left), kept)
        elapsed = now - kept[0][0]
        if elapsed < BASIS_S:
            assert seconds is None
        elif elapsed < WINDOW_S and seconds is not None:
            assert 0 < seconds <= elapsed * (1 - BASIS_PART) / BASIS_PART * 1.001


@given(st.floats(0.0, 200.0), st.floats(0.5, 50.0), st.integers(40, 200))
def test_a_start_of_any_length_does_not_change_the_estimate(loading: float, per_s: float, seconds: int) -> None:
    """Texts are cut, the model is loaded, and then the work is steady."""
    kept = list[list[float]]()
    for second in range(int(loading)):
        kept = progress._sampled(kept, 0.0, float(second), 0.4, is_starting=True)
        assert eta(Workload(0.4, 100.0), kept) is None
    for second in range(seconds):
        done, left = 0.4 + per_s * second, per_s * (seconds - second)
        kept = progress._sampled(kept, 0.0, int(loading) + float(second), done)
        guess = eta(Workload(done, left), kept)
        assert guess is None or guess == pytest.approx(seconds - second, rel=0.1)
    assert guess is not None


@given(st.lists(st.floats(0.1, 5.0), min_size=1, max_size=300))
def test_progress_samples_are_few_and_span_the_window(pauses: list[float]) -> None:
    """However often progress is measured, the kept samples are few, in order, and include the newest."""
    now, kept = 0.0, list[list[float]]()
    for position, pause in enumerate(pauses, 1):
        now += pause
        kept = progress._sampled(kept, 0.0, now, position / len(pauses))
        assert len(kept) <= progress.SAMPLES
        assert kept == sorted(kept)
        assert now - kept[-1][0] < SPACING_S
        # The clock starts with the first work: at the last measurement that found none done.
        assert kept[0] in ([0.0, 0.0], [pauses[0], 0.0])
    assert len(kept) < 3 or now < WINDOW_S or kept[1][0] < now - WINDOW_S / 3


def test_the_clock_starts_with_the_first_work() -> None:
    """Workers that still load their model say nothing about their speed."""
    kept = list[list[float]]()
    for now, fraction in ((10.0, 0.0), (20.0, 0.0), (40.0, 0.2), (60.0, 0.4)):
        kept = progress._sampled(kept, 0.0, now, fraction)
    assert kept == [[20.0, 0.0], [40.0, 0.2], [60.0, 0.4]]
    assert eta(Workload(0.4, 0.6), kept) == pytest.approx(60.0)


def test_the_clock_starts_anew_with_the_first_embedded_chunk(catalog: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts wait for the model; then a chunk is embedded and upserted each second."""
    job, attempt_ids = begin(catalog, [1000] * 2, 0)
    began = job_row(catalog, job).created_at
    with writing(catalog) as connection:
        attempt_counters.set_chunks(connection, dict.fromkeys(attempt_ids, 50))
        attempts.advance(connection, attempt_ids, "embedding")
    etas, upserted = {}, {"chunks_embedded": 2, "chunks_upserted": 2}
    for second in range(2, 180, 2):
        monkeypatch.setattr(time, "time", lambda moment=began + second: moment)
        with writing(catalog) as connection:
            if second > 100:
                attempt_counters.add(connection, {attempt_ids[second > 150]: upserted})
            etas[second] = measure_and_store(connection, job).eta_s
    assert {etas[second] for second in range(2, 130, 2)} == {None}
    for second in range(132, 180, 2):
        assert etas[second] == pytest.approx(200 - second, rel=0.1), second


def test_a_steady_job_counts_down(catalog: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    job, attempt_ids = begin(catalog, [1000] * 20, 0)
    began = job_row(catalog, job).created_at
    etas = []
    for number, attempt in enumerate(attempt_ids[:-1], 1):
        monkeypatch.setattr(time, "time", lambda moment=began + 2 * number: moment)
        with writing(catalog) as connection:
            attempt_counters.set_chunks(connection, {attempt: 2})
            attempts.complete(connection, [attempt])
            etas.append(measure_and_store(connection, job).eta_s)
    assert etas[:14] == [None] * 14
    assert etas[14:] == pytest.approx([2.0 * (20 - number) for number in range(15, 20)], rel=0.25)
    assert etas[14:] == sorted(etas[14:], reverse=True)
