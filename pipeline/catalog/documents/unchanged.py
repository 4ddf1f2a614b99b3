"""Recording the files of a group that have not changed, all together: most of what is ingested again is such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import storable
from pipeline.catalog.documents import lookup, records, tagging
from pipeline.catalog.documents.records import Recorded
from pipeline.catalog.documents.versions import FileRecord, Placement, point_at_completed
from pipeline.catalog.work import failures

__all__ = ["record_unchanged"]


def record_unchanged(
    connection: Connection, job_id: str, recipe: str, files: Sequence[FileRecord], placement: Placement
) -> dict[str, Recorded]:
    """Record those of these files that `records.record` would find unchanged, as it does; the others are left to it.

    A source that comes more than once is left to it too: the order of its files matters.

    Returns:
        What recording them has led to, by source.
    """
    times = Counter(storable(file.source) for file in files)
    once = [file for file in files if times[storable(file.source)] == 1]
    rows = lookup.unchanged_sources(connection, placement.collection, recipe, once, placement.same)
    results = [
        (file, Recorded(str(rows[file.source]["document_id"]), None, "unchanged"))
        for file in once
        if file.source in rows and rows[file.source]["id"] not in placement.gone
    ]
    ids = [result.document_id for _, result in results]
    _set_tags(connection, results)
    records.cancel_current(connection, ids)
    # Whatever went wrong with another content, this one is there and searchable.
    failures.delete_of_documents(connection, ids)
    point_at_completed(connection, ids)
    done = {name for group in split_list(ids) for name in records.done_of_job(connection, job_id, group)}
    records.add_submissions(connection, job_id, [item for item in results if item[1].document_id not in done])
    return {file.source: result for file, result in results}


def _set_tags(connection: Connection, results: Sequence[tuple[FileRecord, Recorded]]) -> None:
    """Set the tags of the documents whose files name other ones."""
    wanted = {result.document_id: file.tags for file, result in results if file.tags is not None}
    for group in split_list(wanted):
        tags = tagging.tags_of(connection, group)
        for document_id in group:
            if tags[document_id] != list(wanted[document_id]):
                tagging.set_tags(connection, document_id, wanted[document_id])
