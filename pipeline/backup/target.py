"""Where a backup is restored to: an empty catalog, store and spool that no other process uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.catalog import Engine
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.copying import tables_with_rows
from pipeline.catalog.documents import restoring
from pipeline.engine.heartbeat import living_nodes
from pipeline.errors import Conflict
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import ORIGINALS, Spool
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stages.kept_texts import TEXTS
from pipeline.vectorstore import VectorStore

__all__ = ["Target", "open_target"]

MAY_HAVE_ROWS = {"counters", "watched", "seen"}
"""Tables in which a deployment may have rows before the first document."""

FOLDERS = (ORIGINALS, TEXTS, "batches")
HINT = "Restore into a new data folder (--data-dir), or an empty database and an empty Qdrant."


@dataclass(frozen=True)
class Target:
    """The open target of a restore."""

    settings: Settings
    catalog: Engine
    store: VectorStore
    spool: Spool
    drafts: Path

    def begin(self, names: Sequence[str]) -> None:
        """Check that the target is empty, and mark it; what an interrupted restore has left is removed.

        Args:
            names: the indexes that the store is to get.

        Raises:
            Conflict: it is not empty.
        """
        with writing(self.catalog) as connection:
            is_interrupted = restoring.is_restoring(connection)
            full = [f"the table {name}" for name in tables_with_rows(connection) if name not in MAY_HAVE_ROWS]
            if not is_interrupted:
                full += [f"the index {name}" for name in sorted(set(names) & self.store.collections().keys())]
                full += [f"the folder {name} of the spool" for name in FOLDERS if self.spool.names(name)]
            if full:
                raise Conflict(f"The target of the restore is not empty: {', '.join(full)}.", HINT)
            restoring.mark_restoring(connection)
        if is_interrupted:
            for name in names:
                self.store.drop(name)
            for name in FOLDERS:
                self.spool.delete(name)


@contextmanager
def open_target(settings: Settings) -> Iterator[Target]:
    """Open the target of a restore, for this process alone.

    Raises:
        Conflict: a stack or workers work on it.
    """
    services = Services(settings, owner=True)
    with ExitStack() as scope:
        if settings.redis_url is not None:
            if living_nodes(services.redis):
                raise Conflict("Workers are running on the target of the restore.", "Stop them, then restore.")
        else:
            _lock_folder(settings, scope)
        catalog = open_catalog(settings.database_url or sqlite_url(settings.data_dir))
        scope.callback(catalog.dispose)
        scope.callback(services.store.close)
        yield Target(settings, catalog, services.store, services.spool, services.drafts)


def _lock_folder(settings: Settings, scope: ExitStack) -> None:
    """Keep all commands from starting a stack on the data folder."""
    folder = Folder(settings.data_dir)
    folder.create()
    lease = scope.enter_context(FileLock(folder.lease_lock))
    if not lease.acquire(timeout_s=2.0):
        raise Conflict(f"A stack runs on {settings.data_dir}.", "End it, or restore into another data folder.")
