"""Batch re-index: another model, other chunks or other texts for documents that are already ingested.

    plan(services, request)     estimate what would be done; nothing changes
    start(services, request)    start it; `pipeline.reindex.driver` goes on with it, whatever process is killed
    pause, resume, cancel, rollback, status     by the collection's name

A second index is built beside the live one, from kept texts; documents that come in meanwhile are carried over. When
it is complete and search finds in it what it should, readers are switched to it in one step. The old index soaks: it
is kept up to date for a while, so that one can go back.
"""

from __future__ import annotations

from pipeline.reindex.control import cancel, pause, resume, rollback, start, status
from pipeline.reindex.estimate import plan
from pipeline.reindex.request import ReindexRequest

__all__ = ["ReindexRequest", "cancel", "pause", "plan", "resume", "rollback", "start", "status"]
