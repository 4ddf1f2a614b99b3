"""Lists of documents and jobs are what a filter in Python makes of all of them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from list_rig import Facts, ListCatalog

import pipeline.catalog
from pipeline.catalog.database import keyset
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import collections
from pipeline.lists.documents import DocumentQuery, list_documents
from pipeline.lists.jobs import JobQuery, list_jobs
from pipeline.names import STATES
from pipeline.results import iso
from pipeline.source_names import select

pytest_plugins = ("postgres_fixture",)

DOCUMENTS = 90
ENDS = ("completed",) * 8 + ("failed", "failed", "refused", "queued", "cancelled", "deleted")
TAGS = ("common", "rare", "größe")
CODES = ("corrupt", "encrypted", "timeout")
COLLECTIONS = ("documents", "letters")
NAMES = ("report", "letter [final]", "Ärger", "50% off")
HOUR_S = 3600.0
FIRST = 1_700_000_000.0


@dataclass
class Filled:
    """A catalog, and what is known of its documents and jobs: facts by id."""

    catalog: ListCatalog
    documents: dict[str, Facts]
    jobs: dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    native = request.param == "postgresql"
    url = {"database_url": request.getfixturevalue("postgres").create()} if native else {}
    catalog = ListCatalog(tmp_path_factory.mktemp("lists") / "data", **url)
    with writing(catalog.services.catalog) as connection:
        for name in COLLECTIONS:
            connection.execute(collections.insert().values(name=name, fingerprint={}, created_at=0.0))
    found = Filled(catalog, {}, {})
    chance = random.Random(12)
    while len(found.documents) < DOCUMENTS:
        _add_job(found, chance)
    yield found
    catalog.services.catalog.dispose()


def _add_job(found: Filled, chance: random.Random) -> None:
    """A job of up to six documents, which ends, goes on, or is cancelled."""
    collection, workflow = chance.choice(COLLECTIONS), chance.choice(("ingest", "redacted"))
    at = FIRST + chance.randrange(24) * HOUR_S
    job_id = found.catalog.begin(collection, workflow, at)
    taken = [_facts(chance, collection, len(found.documents) + number) for number in range(chance.randrange(7))]
    found.documents |= {found.catalog.put(job_id, facts): facts for facts in taken}
    end = chance.choice(("close", "close", "close", "open", "cancel"))
    going_on = [facts for facts in taken if facts.end == "queued"]
    if end != "open":
        found.catalog.close(job_id, cancel=end == "cancel")
    if end == "cancel":
        cancelled = {facts.source: replace(facts, end="cancelled") for facts in going_on}
        found.documents = {row: cancelled.get(facts.source, facts) for row, facts in found.documents.items()}
    failed = [facts for facts in taken if facts.state == "failed"]
    if end == "cancel":
        state = "cancelled"
    elif end == "open":
        state = "taking_in"
    elif going_on:
        state = "running"
    else:
        state = "completed" if not failed else "failed" if len(failed) == len(taken) else "partial"
    found.jobs[job_id] = {
        "state": state,
        "collection": collection,
        "workflow": workflow,
        "at": at,
        "codes": {facts.code for facts in failed},
        "documents": len(taken),
        "failed": len(failed),
        "completed": sum(facts.end in ("completed", "deleted") for facts in taken),
    }


def _facts(chance: random.Random, collection: str, number: int) -> Facts:
    end = chance.choice(ENDS)
    tags = () if end == "refused" else tuple(sorted(chance.sample(TAGS, chance.randrange(3))))
    name = f"{chance.choice(NAMES)} {number}.{chance.choice(('pdf', 'txt'))}"
    more = chance.choice(({}, {}, {"parts_missing": 1}, {"pages_failed": 2}, {"extraction": "1-x"}, {"chunker": "0"}))
    at = FIRST + chance.randrange(24) * HOUR_S
    return Facts(f"/srv/{name}", collection, end, tags, chance.randrange(4) * 1000, at, chance.choice(CODES), more)


moments = st.none() | st.integers(-1, 25).map(
    lambda hour: datetime.fromtimestamp(FIRST + hour * HOUR_S, UTC).isoformat()
)
document_queries = st.fixed_dictionaries(
    {
        "collection": st.none() | st.sampled_from(COLLECTIONS),
        "state": st.none() | st.sampled_from(STATES),
        "code": st.none() | st.sampled_from(CODES),
        "tag": st.none() | st.sampled_from(TAGS),
        "since": moments,
        "before": moments,
        "source": st.none()
        | st.sampled_from(
            ["*.pdf", "report*", "letter [final] ?.txt", "*[12].txt", "Ärger*", "50% off *", "none", "*"]
        ),
        "outdated": st.sampled_from([False, False, True]),
        "incomplete": st.sampled_from([False, False, True]),
        "sort": st.sampled_from(["id", "source", "time", "size", "state"]).flatmap(
            lambda name: st.sampled_from([name, f"-{name}"])
        ),
        "limit": st.sampled_from([1, 3, 10, 100]),
    }
)
job_queries = st.fixed_dictionaries(
    {
        "collection": st.none() | st.sampled_from(COLLECTIONS),
        "state": st.none() | st.sampled_from(["taking_in", "running", "completed", "partial", "failed", "cancelled"]),
        "workflow": st.none() | st.sampled_from(["ingest", "redacted", "none"]),
        "code": st.none() | st.sampled_from(CODES),
        "since": moments,
        "before": moments,
        "sort": st.sampled_from(["time", "-time"]),
        "limit": st.sampled_from([1, 3, 10, 100]),
    }
)
bounds = st.sampled_from([(0, 4), (3, 5), (20, 9), (2000, 3000)])
"""How many rows count as few, and how many of an index are looked at: nothing of a list may depend on them."""

many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@many
@given(query=document_queries, bound=bounds)
def test_documents_are_what_a_filter_in_python_finds(
    filled: Filled, query: dict[str, Any], bound: tuple[int, int]
) -> None:
    asked = DocumentQuery(**query)
    rows = _whole(
        lambda after: list_documents(filled.catalog.services, replace(asked, after=after)), bound, "documents"
    )
    assert [row.id for row in rows] == _expected_documents(filled, query)
    for row in rows:
        facts = filled.documents[row.id]
        size = facts.size if facts.has_version else None
        assert (row.source, row.state, tuple(row.tags), row.size) == (facts.source, facts.state, facts.tags, size)
        assert (row.created_at, row.code) == (iso(facts.at), facts.code if facts.state == "failed" else None)


@many
@given(query=job_queries, bound=bounds)
def test_jobs_are_what_a_filter_in_python_finds(filled: Filled, query: dict[str, Any], bound: tuple[int, int]) -> None:
    asked = JobQuery(**query)
    rows = _whole(lambda after: list_jobs(filled.catalog.services, replace(asked, after=after)), bound, "jobs")
    wanted = {name: query[name] for name in ("state", "collection", "workflow") if query[name] is not None}
    expected = [
        (facts["at"], job_id)
        for job_id, facts in filled.jobs.items()
        if all(facts[name] == value for name, value in wanted.items())
        and (query["code"] is None or query["code"] in facts["codes"])
        and _is_within(facts["at"], query)
    ]
    assert [row.id for row in rows] == [row_id for _, row_id in sorted(expected, reverse=query["sort"] == "-time")]
    for row in rows:
        facts = filled.jobs[row.id]
        names = ("state", "documents", "failed", "completed")
        assert {name: getattr(row, name) for name in names} == {name: facts[name] for name in names}


def test_a_list_says_of_a_job_what_its_status_says(filled: Filled) -> None:
    from pipeline.task_manager import TaskManager

    manager = TaskManager(filled.catalog.services)
    rows = {row.id: row for row in manager.list_jobs(JobQuery(limit=1000)).jobs}
    assert rows.keys() == filled.jobs.keys()
    for job_id, row in rows.items():
        status = manager.job(job_id).model_dump()
        assert {name: status[name] for name in row.model_dump()} == row.model_dump()


def test_sizes_and_tags_are_those_of_the_rows_they_come_from(filled: Filled) -> None:
    with filled.catalog.services.catalog.connect() as connection:
        sizes = connection.exec_driver_sql(
            "SELECT count(*) FROM documents LEFT JOIN versions ON versions.id = live_version_id "
            "WHERE documents.size <> coalesce(versions.size, 0)"
        )
        assert sizes.scalar() == 0
        tagged = {tuple(row) for row in connection.execute(sa.text("SELECT document_id, tag FROM document_tags"))}
        rows = connection.execute(
            sa.select(sa.column("id"), sa.column("tags", sa.JSON)).select_from(sa.table("documents"))
        )
        assert tagged == {(row.id, tag) for row in rows for tag in row.tags}


def _whole(page: Callable[[str | None], Any], bound: tuple[int, int], rows: str) -> list[Any]:
    """All rows of a list, page by page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyset, "FEW", bound[0])
        patch.setattr(keyset, "EXAMINED", bound[1])
        found, after = list[Any](), None
        for _ in range(10 * DOCUMENTS):
            listed = page(after)
            found += getattr(listed, rows)
            after = listed.next
            if after is None:
                return found
    raise AssertionError("the list has no end")


def _expected_documents(filled: Filled, query: dict[str, Any]) -> list[str]:
    extraction = filled.catalog.extraction
    in_scope = [
        facts.source
        for facts in filled.documents.values()
        if (facts.state == "deleted") == (query["state"] == "deleted")
        and query["collection"] in (None, facts.collection)
    ]
    named = None if query["source"] is None else set(select(in_scope, [query["source"]]))

    def is_meant(facts: Facts) -> bool:
        version = {"extraction": extraction, **facts.facts} if facts.has_version else {}
        is_outdated = bool(version) and (version["extraction"] == "1-x" or "chunker" in version)
        is_incomplete = bool(version.get("parts_missing") or version.get("pages_failed"))
        return (
            facts.source in in_scope
            and query["state"] in (None, facts.state)
            and (query["code"] is None or (facts.state == "failed" and facts.code == query["code"]))
            and (query["tag"] is None or query["tag"] in facts.tags)
            and (named is None or facts.source in named)
            and (is_outdated or not query["outdated"])
            and (is_incomplete or not query["incomplete"])
            and _is_within(facts.at or 0.0, query)
        )

    keys: dict[str, Callable[[Facts], Any]] = {
        "id": lambda facts: 0,
        "source": lambda facts: facts.source,
        "time": lambda facts: facts.at,
        "size": lambda facts: facts.size if facts.has_version else 0,
        "state": lambda facts: STATES.index(facts.state),
    }
    name = query["sort"].removeprefix("-")
    chosen = [(keys[name](facts), row_id) for row_id, facts in filled.documents.items() if is_meant(facts)]
    return [row_id for _, row_id in sorted(chosen, reverse=query["sort"].startswith("-"))]


def _is_within(at: float, query: dict[str, Any]) -> bool:
    since, before = query["since"], query["before"]
    is_late = since is None or at >= datetime.fromisoformat(since).timestamp()
    return is_late and (before is None or at < datetime.fromisoformat(before).timestamp())


def test_a_catalog_of_before_is_filled(filled: Filled) -> None:
    """What is stored once more for lists is made of the rows of an older catalog, too."""
    queries = (
        "SELECT id, size FROM documents",
        "SELECT * FROM document_tags",
        "SELECT id, outcome, outcomes FROM jobs",
    )

    def stored() -> list[list[str]]:
        with filled.catalog.services.catalog.connect() as connection:
            return [sorted(map(str, connection.exec_driver_sql(query).fetchall())) for query in queries]

    before = stored()
    config = Config()
    config.set_main_option("script_location", f"{next(iter(pipeline.catalog.__path__))}/migrations")
    with writing(filled.catalog.services.catalog) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "sorted_lists-1")
        command.upgrade(config, "sorted_lists")
    assert _without_order(stored()) == _without_order(before)


def _without_order(rows: list[list[str]]) -> list[list[list[str]]]:
    """The rows, with the signs of each in order: in JSON the order of keys says nothing."""
    return [[sorted(row) for row in table] for table in rows]
