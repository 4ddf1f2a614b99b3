"""`docrelay cancel` and `docrelay delete`."""

from __future__ import annotations

from pipeline import stack
from pipeline.cli.output import note, out, print_json, several
from pipeline.cli.server import manager_of
from pipeline.ingest.delete import choose
from pipeline.ingest.delete import delete as delete_documents
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["cancel", "delete"]


def cancel(settings: Settings, identity: str, as_json: bool) -> None:
    """Cancel; where a stack runs it is told at once, where none runs the catalog alone is enough."""
    if settings.server is not None:
        number = manager_of(settings).cancel(identity)
    else:
        with stack.peek(settings) as connected:
            number = TaskManager(Services(connected or settings)).cancel(identity)
    if as_json:
        print_json({"id": identity, "cancelled": number})
    else:
        done = f"Cancelled: {several(number, 'document')}." if number else "Nothing of it was running any more."
        out.print(f"{done} What was searchable before still is.")


def delete(settings: Settings, collection: str | None, sources: list[str], as_json: bool) -> None:
    """Delete, and verify that the points are gone."""
    name = collection or settings.collection
    if settings.server is not None:
        # Only with a server: HTTP, and the models of what the API answers.
        from pipeline.cli.remote import delete as delete_there

        deleted = delete_there(settings, collection, sources)
    else:
        choose(Services(settings), name, sources)  # a wrong name is told at once, without a stack
        with stack.connect(settings, say=None if as_json else note) as connected:
            deleted = delete_documents(Services(connected), name, sources)
    if as_json:
        print_json(deleted.model_dump())
    else:
        gone = f"{several(deleted.documents, 'document')} and {several(deleted.points, 'point')}"
        out.print(f"Deleted: {gone}. The files are untouched.")
