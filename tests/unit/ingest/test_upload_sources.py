"""Two uploaded files of one name are two documents, unless their sender names one source for both."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.api.multipart import Form
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import documents
from pipeline.catalog.documents import lookup
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import original_key

NAME = "upload://report.pdf"
FIRST, SECOND = b"Of the harbour.", b"Of the yard."


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    yield services
    services.catalog.dispose()


class LateWriter(GroupWriter):
    """Writes only after another request has done something."""

    def __init__(self, services: Services, before: Callable[[], object]) -> None:
        super().__init__(services.catalog)
        self._before = [before]

    def run(self, change: Callable[..., Any]) -> Any:
        while self._before:
            self._before.pop()()
        return super().run(change)


def submit(services: Services, text: bytes, *, named: bool = False, writer: GroupWriter | None = None) -> str:
    """Submit a file of one name; the source of its document."""
    draft = Draft(services)
    draft.write(text)
    upload = replace(draft.finish(NAME), is_named=named)
    answer = submit_uploads(services, writer or GroupWriter(services.catalog), Request(()), [upload], SubmitOptions())
    assert services.spool.exists(original_key(upload.content_sha256, answer["documents"][0]["source"]))
    return str(answer["documents"][0]["source"])


def contents(services: Services, *sources: str) -> list[int]:
    with services.catalog.connect() as connection:
        return [len(lookup.contents(connection, "documents", [source]).get(source, ())) for source in sources]


def test_a_name_that_another_content_has_gets_a_source_of_its_own(services: Services) -> None:
    first, second = submit(services, FIRST), submit(services, SECOND)

    assert first == NAME
    assert second != NAME
    assert second.endswith("/report.pdf")
    assert contents(services, first, second) == [1, 1]


def test_the_same_file_sent_again_is_the_same_document(services: Services) -> None:
    sources = [submit(services, text) for text in (FIRST, SECOND, FIRST, SECOND)]

    assert sources[:2] == sources[2:]


def test_a_named_source_is_replaced(services: Services) -> None:
    assert submit(services, FIRST) == submit(services, SECOND, named=True) == NAME
    assert submit(services, SECOND) == NAME


def test_a_name_that_is_taken_in_between_is_noticed(services: Services) -> None:
    late = LateWriter(services, lambda: submit(services, FIRST))

    second = submit(services, SECOND, writer=late)

    assert second != NAME
    assert contents(services, NAME, second) == [1, 1]


def submit_all(services: Services, *texts: bytes) -> list[str]:
    """Submit files of one name in one request, as a form does; the sources of their documents."""
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="report.pdf"\r\n\r\n'
    form = Form(b"b", lambda: Draft(services), 9)
    form.feed(b"".join(head.encode() + text + b"\r\n" for text in texts) + b"--b--\r\n")
    form.end()
    writer = GroupWriter(services.catalog)
    answer = submit_uploads(services, writer, Request(()), form.uploads, SubmitOptions())
    return [str(document["source"]) for document in answer["documents"]]


def test_files_of_one_name_are_the_same_documents_in_any_order(services: Services) -> None:
    first, second = submit_all(services, FIRST, SECOND)

    assert first != second
    assert submit_all(services, SECOND, FIRST) == [second, first]


def test_a_file_sent_twice_in_a_request_is_one_document(services: Services) -> None:
    assert submit_all(services, FIRST, FIRST) == [NAME]


def test_a_file_keeps_its_source_when_the_other_one_of_its_name_is_deleted(services: Services) -> None:
    submit(services, FIRST)
    second = submit(services, SECOND)
    with writing(services.catalog) as connection:
        document = documents.update().where(documents.c.source == NAME)
        connection.execute(document.values(deleted_at=1.0))

    assert submit(services, SECOND) == second


def test_a_file_that_a_full_disk_cuts_off_is_deleted(services: Services) -> None:
    """What is written is lost with the disk's room only when the file is closed."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    draft = Draft(services)
    draft.write(FIRST)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        draft.drop()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(services.drafts.iterdir()) == []
