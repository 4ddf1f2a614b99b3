"""Query plans: queries that run for every file use an index and never scan a table that grows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.documents import garbage, live_versions, lookup, moves
from pipeline.catalog.documents.versions import describe_versions
from pipeline.catalog.work import (
    admission,
    attempt_counters,
    attempts,
    batch_documents,
    batches,
    endings,
    fatal_attempts,
    ledger,
    stage_load,
)
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings

GROWS = (
    "documents",
    "versions",
    "attempts",
    "submissions",
    "jobs",
    "batches",
    "tasks",
    "events",
    "failures",
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    yield services
    services.catalog.dispose()


def submit(services: Services, text: bytes) -> None:
    draft = Draft(services)
    draft.write(text)
    submit_uploads(
        services, GroupWriter(services.catalog), Request(()), [draft.finish("upload://a.txt")], SubmitOptions()
    )


def reads_all(step: str) -> bool:
    """Whether a step of a plan, `SCAN versions_1 …`, reads a table that grows, or makes an index of it each time."""
    word, name, *_ = [*step.split(), ""]
    return (word == "SCAN" and re.sub(r"_\d+$", "", name) in GROWS) or "AUTOMATIC" in step


def carry_through(services: Services) -> None:
    """Process the one waiting batch in the catalog as the stages do."""
    catalog = services.catalog
    with writing(catalog) as connection:
        (batch,) = admission.admit(connection, 4, 99, "extract")
        wanted = ledger.task_id(batch, "extract")
        assert ledger.claim(connection, wanted, "me", ())
        attempts.begin_batch(connection, batch, "extracting")
        (attempt,) = batch_documents.running(connection, batch)
        attempt_counters.set_pages(connection, {attempt.attempt_id: {"pages_total": 1, "pages_done": 1}})
        describe_versions(connection, {attempt.version_id: {"title": "A"}})
        assert ledger.finish(connection, wanted, "me")
        assert not ledger.count_unfinished(connection, batch, ("extract", "ocr"))
        attempt_counters.set_chunks(connection, {attempt.attempt_id: 1})
        attempts.advance(connection, [attempt.attempt_id], "embedding")
        ledger.add_due(connection, [(batch, "embed", 0, None)])
        attempt_counters.add(connection, {attempt.attempt_id: {"chunks_embedded": 1}}, batch)
        attempts.advance_embedded(connection, [attempt.attempt_id])
        live_versions.switch(connection, {attempt.document_id: attempt.version_id})
        unseen = garbage.unused_versions(connection, [attempt.document_id], batch)
        garbage.group_by_index(connection, unseen)
        garbage.mark_removed(connection, unseen)
        attempts.complete(connection, [attempt.attempt_id])
        garbage.unneeded_originals(connection, batch)
        attempts.end_batch(connection, batch)
        batches.finish(connection, batch)


def test_no_query_scans_a_growing_table(services: Services) -> None:
    asked: dict[str, int] = {}

    @sa.event.listens_for(services.catalog, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        rows = parameters if isinstance(parameters, list) else [parameters]
        asked[statement] = len(rows[0]) if rows else 0

    for text in (b"one", b"two"):
        submit(services, text)
        carry_through(services)
    submit(services, b"two")
    with services.catalog.connect() as connection:
        assert list(lookup.ids_of_sources(connection, "documents", ["upload://a.txt"]).values()) == ["upload://a.txt"]
        live_versions.metadata_of(connection, ["x"])
        # The reconciler and each scrape of the metrics ask these.
        assert endings.list_endings(connection, 0, endings.newest_event(connection), 10)
        assert not stage_load.stage_loads(connection)
        assert not stage_load.waiting_batches(connection)
        assert not moves.waiting_for_labels(connection, 10)
    sa.event.remove(services.catalog, "before_cursor_execute", note)

    whole = []
    with services.catalog.connect() as connection:
        for statement, number in asked.items():
            if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("x",) * number)
                steps = [str(row[3]) for row in plan]
                whole += [(step, statement) for step in steps if reads_all(step)]
    assert len(asked) > 30
    assert whole == []


def test_fatal_attempts_are_counted_without_the_attempts_of_other_files(services: Services) -> None:
    """A catalog of 100,000 completed documents has as many attempts of one state."""
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(services.catalog, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    with services.catalog.connect() as connection:
        assert fatal_attempts.count_fatal(connection, "none") == 0
        sa.event.remove(services.catalog, "before_cursor_execute", note)
        ((statement, parameters),) = [found for found in asked if found[0].startswith("SELECT count(*)")]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [str(row[3]) for row in plan if " attempts " in str(row[3])]
    assert steps == ["SEARCH attempts USING INDEX ix_attempts_version_id (version_id=?)"] * 2
