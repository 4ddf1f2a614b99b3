"""Part `watcher`: is every folder watched that should be, is it there, and are deletions held back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import redis

from pipeline.catalog.documents import watched_files
from pipeline.catalog.work.status import watched_folder
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.ingest.walk import source_of
from pipeline.results import WatchedFolder
from pipeline.services import Services
from pipeline.watch.held_deletions import hold_message
from pipeline.watch.lease import lease_ages

__all__ = ["Folders", "check_watcher", "judge_folders", "read_folders"]

GONE_HINT = "Mount the disk or put the folder back; until then its documents are kept."
WATCH_HINT = "Start it with: docrelay up (folders of the setting `watch`), or: docrelay watch DIR"
HELD_HINT = "If the files are to go: docrelay watch DIR --confirm-deletions"
TROUBLE_HINT = "The watcher tries again by itself; its log is in `logs/` of the data folder."


@dataclass(frozen=True, slots=True)
class Folders:
    """Watched folders by their paths.

    Args:
        roots: those that should be watched: of the settings, or begun by a process that has not ended as it should.
        known: what the watchers have stored, also of folders that need not be watched any more.
        leases: seconds since a living watcher renewed its lease of a folder.
    """

    roots: Sequence[str]
    known: Mapping[str, WatchedFolder]
    leases: Mapping[str, float]

    def is_watched(self, root: str) -> bool:
        """Whether a living process has the folder and nothing keeps it from watching it."""
        folder = self.known.get(root)
        return root in self.leases and (folder is None or folder.trouble is None)


def read_folders(services: Services, connection: redis.Redis) -> Folders:
    """Read what is known of the watched folders. Raises redis.RedisError, or the error of the database."""
    with services.catalog.connect() as rows:
        known = {row.root: watched_folder(row) for row in watched_files.list_folders(rows)}
    begun = [root for root, folder in known.items() if folder.mode is not None]
    roots = sorted({*(source_of(folder.path) for folder in services.settings.watch), *begun})
    return Folders(roots, known, lease_ages(connection, roots))


def check_watcher(services: Services, connection: redis.Redis) -> Finding:
    """Compare the folders of the settings with those in the catalog and with the leases of living watchers."""
    paths = (folder.path for folder in services.settings.watch)
    missing = {source_of(path) for path in paths if not path.is_dir()}
    return judge_folders(read_folders(services, connection), missing)


def judge_folders(folders: Folders, missing: Iterable[str]) -> Finding:
    """Judge the watched folders; the worst of them decides. `missing`: those of the settings that are not there."""
    roots, leases = folders.roots, folders.leases
    measured = {"folders": float(len(roots)), "watched": float(len(leases))}
    missing = set(missing)
    troubles = [trouble for root in roots for trouble in _troubles(root, folders.known.get(root), root in leases)]
    troubles[:0] = [failed(f"{root} is not there or cannot be read.", GONE_HINT) for root in roots if root in missing]
    worst = next((trouble for trouble in troubles if trouble.state == "failed"), next(iter(troubles), None))
    if worst is None:
        return ok(max(leases.values(), default=0.0), **measured)
    return replace(worst, age_s=0.0 if worst.state == "degraded" else None, measured=measured)


def _troubles(root: str, folder: WatchedFolder | None, is_watched: bool) -> Iterator[Finding]:
    """What is wrong with one folder."""
    if not is_watched:
        yield failed(f"No process watches {root}.", WATCH_HINT)
    if folder is not None and folder.trouble is not None:
        yield failed(f"{root} cannot be watched: {folder.trouble}", TROUBLE_HINT)
    if folder is not None and folder.held is not None:
        yield degraded(f"{root}: {hold_message(folder.held, folder.held_files)}", HELD_HINT)
