"""The tables of the catalog. Times are seconds since 1970 (UTC); ids are UUID strings.

collections          collections by name, and the space of their vectors
indexes              where the points of a collection are: one live, beside it those being built or kept for a while
shadows              the live version and attempt of documents in the indexes beside the live one
reindexes            a re-index: its indexes, its state and progress, the report of its validation
jobs                 jobs that users submitted
documents            one per (collection, source) but for deleted ones; points at its live version and current attempt
document_tags        the tags of documents once more, to find documents by a tag
versions             one content of one document, cut and embedded by one recipe
attempts             one run of the stages over one version
submissions          which job submitted which document, and the outcome there
batches              documents that one canvas processes together
tasks                the ledger: the tasks of each batch that are due, running and done
failures             open failures of documents: the dead letters
attempt_errors       errors of documents' attempts, also those that were tried again: the history of the failures
events               events of jobs and documents in order, for followers of a job
api_keys             keys of the API with their scopes; the keys themselves are not stored
answers              answers by Idempotency-Key
orders               paths that the API has accepted to ingest
hooks                addresses to notify: of the end of a job, or of the events of a rule
deliveries           the outbox of notifications
notices              events that rules may report
delivery_notices     which notices a delivery reports
conditions           trouble that lasts: what was reported of it, and since when it is over
checks               results of the last checks of the index
counters             `switch`: grows with every change of what readers may see; `ends_counted`: the last event whose
                     end of a document the metrics have
watched              watched folders: their identity, deletions that are held back
seen                 files of those folders as they were when their documents were made
scheduled            entries of the schedule: the last run of each, and for which time it was
daily_metrics        the numbers of each day
archived_failures    failures that became too old for the list of open ones
"""

from __future__ import annotations

from pipeline.catalog.database.schema.api_tables import (
    answers,
    api_keys,
    conditions,
    deliveries,
    delivery_notices,
    hooks,
    notices,
    orders,
)
from pipeline.catalog.database.schema.columns import metadata, storable
from pipeline.catalog.database.schema.document_tables import (
    checks,
    collections,
    counters,
    document_tags,
    documents,
    indexes,
    is_incomplete,
    is_outdated,
    reindexes,
    seen,
    shadows,
    versions,
    watched,
)
from pipeline.catalog.database.schema.schedule_tables import archived_failures, daily_metrics, scheduled
from pipeline.catalog.database.schema.work_tables import (
    attempt_errors,
    attempts,
    batches,
    events,
    failures,
    jobs,
    rank,
    submissions,
    tasks,
)

__all__ = [
    "answers",
    "api_keys",
    "archived_failures",
    "attempt_errors",
    "attempts",
    "batches",
    "checks",
    "collections",
    "conditions",
    "counters",
    "daily_metrics",
    "deliveries",
    "delivery_notices",
    "document_tags",
    "documents",
    "events",
    "failures",
    "hooks",
    "indexes",
    "is_incomplete",
    "is_outdated",
    "jobs",
    "metadata",
    "notices",
    "orders",
    "rank",
    "reindexes",
    "scheduled",
    "seen",
    "shadows",
    "storable",
    "submissions",
    "tasks",
    "versions",
    "watched",
]
