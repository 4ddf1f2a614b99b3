"""Facts of a model come from its files; no transaction reads them while it holds the catalog's write lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from write_lock import guarded

from embeddings.errors import ModelUnavailable
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import attempts as attempts_table
from pipeline.catalog.database.schema import jobs as jobs_table
from pipeline.catalog.database.schema import versions
from pipeline.catalog.index import collections, indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import reindexes
from pipeline.catalog.reindex.reindexes import Options, Reindex
from pipeline.catalog.work import attempts, jobs
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.jobs import Job
from pipeline.errors.problem import Problem
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.reindex import cutover
from pipeline.reindex.validation import ValidationResult
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

MODEL = "all-MiniLM-L6-v2"
"""A model whose facts are in files; those of `hashing` are in the code."""

Process = Callable[[], Services]
"""Makes the services of a process that has read nothing yet. They are configured for the model `hashing`."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    settings = Settings(data_dir=tmp_path, embedding_model="hashing", redis_url="redis://127.0.0.1:9")
    made = list[Services]()

    def make() -> Services:
        made.append(Services(settings, owner=True))
        return made[-1]

    yield make
    for services in made:
        if "store" in services.__dict__:
            services.store.close()
        services.catalog.dispose()


def pin_to_another_model(services: Services) -> None:
    """Record the collection as a re-index to another model leaves it."""
    other = Services(services.settings.model_copy(update={"embedding_model": MODEL}))
    with writing(services.catalog) as connection:
        index = collections.register(connection, "documents", other.fingerprint, other.spec)
        indexes.pin(connection, index.name)


def submit(services: Services) -> str:
    draft = Draft(services)
    draft.write(b"some text")
    upload = draft.finish("upload://a.txt")
    accepted = submit_uploads(services, GroupWriter(services.catalog), Request(()), [upload], SubmitOptions())
    return str(accepted["documents"][0]["document_id"])


def recipes(services: Services) -> list[tuple[str, str]]:
    """Index and recipe of each version, oldest first."""
    with services.catalog.connect() as connection:
        rows = connection.execute(sa.select(versions.c.index_name, versions.c.recipe)).all()
    return [(row.index_name, row.recipe) for row in rows]


def recipe_of(services: Services, name: str) -> str:
    with services.catalog.connect() as connection:
        return services.recipe(indexes.get(connection, name))


def test_the_first_upload_into_a_collection_of_another_model(process: Process) -> None:
    pin_to_another_model(process())
    services = process()
    assert services.fingerprint.model == "hashing"  # the API reads its own model when it starts
    with guarded(services):
        submit(services)

    assert recipes(services) == [("documents~1", recipe_of(services, "documents~1"))]
    with services.catalog.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(jobs_table)) == 1


@pytest.mark.parametrize("pinned", [False, True])
def test_a_retry_from_the_copy_of_a_file(process: Process, pinned: bool) -> None:
    before = process()
    if pinned:
        pin_to_another_model(before)
    document_id = submit(before)
    with writing(before.catalog) as connection:
        (attempt_id,) = connection.scalars(sa.select(attempts_table.c.id))
        attempts.fail(connection, {attempt_id: Failure("extract", Problem("corrupt", "It is damaged.", "Mend it."))})
    services = process()
    with guarded(services):
        job_ids = TaskManager(services).retry([document_id])

    with services.catalog.connect() as connection:
        query = sa.select(attempts_table.c.state).where(attempts_table.c.job_id.in_(job_ids))
        assert list(connection.scalars(query)) == ["queued"]
    assert {recipe for _, recipe in recipes(services)} == {recipe_of(services, "documents~1")}


def reindex_to(services: Services, model: str) -> Reindex:
    """A re-index to another model that may switch readers; a document of the collection waits for admission."""
    submit(services)
    with writing(services.catalog) as connection:
        live = indexes.get(connection, "documents~1")
        spec = replace(live.spec, model=model)
        indexes.add(connection, Index("documents~2", "documents", "building", live.fingerprint, spec, pinned=True))
        job = jobs.create(connection, Job("documents", "reindex", 1), "request", 0).id
        reindex_id = reindexes.create(connection, job, "documents", ("documents~1", "documents~2"), Options())
        return reindexes.get(connection, reindex_id)


def test_a_switch_to_a_model_that_this_process_has_not_read(process: Process) -> None:
    reindex = reindex_to(process(), MODEL)
    services = process()
    with guarded(services):
        cutover.switch(services, reindex, ValidationResult({}, ()))

    assert recipes(services) == [("documents~2", recipe_of(services, "documents~2"))]


def test_a_switch_to_a_model_that_cannot_be_read_changes_nothing(process: Process, tmp_path: Path) -> None:
    reindex = reindex_to(process(), str(tmp_path / "nowhere"))
    services = process()
    with guarded(services), pytest.raises(ModelUnavailable):
        cutover.switch(services, reindex, ValidationResult({}, ()))

    with services.catalog.connect() as connection:
        assert reindexes.get(connection, reindex.id).state == reindex.state
    assert [name for name, _ in recipes(services)] == ["documents~1"]
