"""Removing files from the spool that no document needs, while other processes may begin to need them.

No lock is held. Two rules make it safe:

1. Intake gives a file that it needs a new time (`Spool.renew`, or by writing it): before the catalog names it, so that
   it is there if the process is killed, and once more after that commit. If it is missing then, it is written again.
2. A process that removes files notes their times, then reads in the catalog which of them no document needs, and
   removes those whose time has not changed since (`Spool.delete_unchanged`).

If a commit comes too late to be seen by rule 2, the second renewal of rule 1 comes later still: before the removal,
which then keeps the file, or after it, and then the file is written again. One gap is left: a process that is killed
between its commit and the second renewal, in the same milliseconds in which another one removes the same content: that
document fails as "the copy is gone". The clean-up has not even this gap: it leaves files alone for an hour.

The times of an object store cannot be set, and a renewal changes nothing there: what was written in the last ten
minutes counts as renewed, and anything older is written again. So rule 2 leaves alone what was written in the last
twenty minutes (`Spool.removable_before`), and what it removes is no file that counts as renewed. The clean-up removes
the rest later. Stores cannot remove on a condition either: a file that is written again in the milliseconds between the
comparison of its time and its removal is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import suppress

from pipeline.catalog import Connection
from pipeline.catalog.documents import garbage
from pipeline.services import Services
from pipeline.spool import Spool, original_key

__all__ = ["discard", "discard_originals", "keys_in"]

SHA256 = 64
"""Length of the SHA-256 with which names of originals and texts begin."""


def discard(services: Services, unneeded: Callable[[Connection], Collection[str]], before: float = math.inf) -> None:
    """Remove keys from the spool that no document needs; what the spool cannot remove safely yet is left in it.

    Args:
        services: the engine's services.
        unneeded: reads these keys in the catalog; called twice, before and after their times are noted.
        before: only keys that were written or renewed before this time, in seconds since 1970.
    """
    before = min(before, services.spool.removable_before())
    with services.catalog.connect() as connection:
        keys = unneeded(connection)
    times: dict[str, float] = {}
    for key in keys:
        with suppress(FileNotFoundError):
            times[key] = services.spool.modified_at(key)
    old = {key: modified_at for key, modified_at in times.items() if modified_at < before}
    if not old:
        return
    with services.catalog.connect() as connection:
        keys = set(unneeded(connection))
    for key, modified_at in old.items():
        if key in keys:
            services.spool.delete_unchanged(key, modified_at)


def discard_originals(services: Services, batch_id: str) -> None:
    """Remove the originals that no document needs after this batch, unless the settings keep all of them.

    On an object store the new ones stay until the clean-up removes them, an hour after they were written.
    """
    if services.settings.keep_originals:
        return

    def unneeded(connection: Connection) -> set[str]:
        return {original_key(*row) for row in garbage.unneeded_originals(connection, batch_id)}

    discard(services, unneeded)


def keys_in(spool: Spool, folder: str, contents: Collection[str] | None = None) -> set[str]:
    """List the keys of originals or texts in a folder of the spool: of all contents, or of these SHA-256."""
    parts = spool.names(folder) if contents is None else {content[:2] for content in contents}
    return {
        f"{folder}/{part}/{name}"
        for part in parts
        for name in spool.names(f"{folder}/{part}")
        if contents is None or name[:SHA256] in contents
    }
