"""What is held back in a folder, where others can see it, and what they say to it."""

from __future__ import annotations

import time

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import watched_files
from pipeline.services import Services
from pipeline.watch.deletion_guard import Hold

__all__ = ["Holding"]

log = structlog.get_logger()


class Holding:
    """The deletions that are held back in one folder; None while there are none."""

    def __init__(self, services: Services, root: str) -> None:
        self.hold: Hold | None = None
        self._services = services
        self._root = root
        self._noted: dict[str, object] = {}

    def confirmed(self) -> int | None:
        """So many of them may be done, somebody has said, maybe to another process; None if nobody has."""
        with self._services.catalog.connect() as connection:
            row = watched_files.folder(connection, self._root)
        return row.confirmed if row is not None and row.held is not None else None

    def say(self, hold: Hold | None, files: int) -> None:
        """Write down how it is now: what is held back, and how many files are known.

        Once nothing is held back, nothing is confirmed any more.
        """
        if hold is not None and hold != self.hold:
            log.warning("watch.held", folder=self._root, reason=hold.reason, files=hold.files)
        self.hold = hold
        values: dict[str, object] = {
            "held": hold.reason if hold else None,
            "held_files": hold.files if hold else 0,
            "files": files,
        }
        if values == self._noted:
            return
        now = time.time()
        since = {"held_since": now if hold else None} if values["held"] != self._noted.get("held") else {}
        fresh = {} if hold else {"confirmed": None}
        with writing(self._services.catalog) as connection:
            watched_files.update_folder(connection, self._root, **values, **since, **fresh, looked_at=now)
        self._noted = values
