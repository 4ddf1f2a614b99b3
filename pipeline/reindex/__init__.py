"""Batch re-index: other vectors, other chunks or other texts for documents that are there already.

    plan(services, wish)       what would be done; nothing changes
    start(services, wish)      begin; `pipeline.reindex.driver` goes on with it, whatever is killed in between
    pause, resume, cancel, rollback, status     by the collection's name

A new index is built beside the one that readers see, from kept texts; documents that come in meanwhile are carried
over; when it is whole and finds what it should, readers are switched to it in one step. The old one soaks, kept up to
date, so that one can go back.
"""

from __future__ import annotations

from pipeline.reindex.control import cancel, pause, resume, rollback, start, status
from pipeline.reindex.estimate import plan
from pipeline.reindex.request import ReindexRequest

__all__ = ["ReindexRequest", "cancel", "pause", "plan", "resume", "rollback", "start", "status"]
