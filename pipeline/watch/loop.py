"""The loop of the watcher: one thread for each folder, which scans whenever the folder's schedule says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from pipeline.backoff import backoff_s
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import watched_files
from pipeline.errors.problem import problem_of
from pipeline.ingest.walk import path_of, source_of
from pipeline.retries import TRANSIENT, needs_room
from pipeline.services import Services
from pipeline.settings.room import check_room
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch.events import Events, is_trusted
from pipeline.watch.lease import Lease
from pipeline.watch.mirror import Mirror
from pipeline.watch.schedule import Schedule

__all__ = ["Watcher", "watch_all"]

log = structlog.get_logger()

Say = Callable[[str], None]

LEASE_CHECK_S = 1.0
"""How often a waiting watcher asks for the lease, and a working one whether it still has it."""

MAX_PAUSE_S = 30.0

HELD_RESCAN_S = 5.0
"""How often a folder with held deletions is scanned: its files may be back, or a user may confirm the deletions."""


class Watcher:
    """Keeps one folder mirrored while this process has the folder's lease."""

    def __init__(self, services: Services, folder: WatchFolder, others: Sequence[Path], lease: Lease, say: Say) -> None:
        self.mirror = Mirror(services, folder, others)
        self._services = services
        self._path = self.mirror.folder.path
        self._lease = lease
        self._say = say
        self._ended = threading.Event()
        self._events: Events | None = None
        self._trusts_events = True
        self._schedule = Schedule(self._path)
        self._last_line = ""

    def run(self, ended: threading.Event) -> None:
        """Watch until the event is set; after an error the folder is watched again after a pause.

        With this end the folder need not be watched any more, and its trouble is over.
        """
        self._ended = ended
        failures, is_taken = 0, False
        while not ended.is_set():
            try:
                is_taken = not self._lease.acquire(self.mirror.root)
                if is_taken:
                    self._say_once(f"Another process watches {self.mirror.root}; waiting for it to end")
                    ended.wait(LEASE_CHECK_S)
                    continue
                self._watch()
                failures = 0
            except Exception as error:  # entry point of the thread: it watches again after a pause
                self._report(error)
                failures += 1
                ended.wait(backoff_s(failures, LEASE_CHECK_S, MAX_PAUSE_S))
            finally:
                self._close_events()
        if not is_taken:
            self._store_status_if_possible(mode=None, trouble=None)

    def _watch(self) -> None:
        """Scan when the schedule says so, for as long as this process has the lease."""
        self.mirror.load()
        self._schedule.restart()
        first = True
        while not self._ended.is_set() and self._lease.holds(self.mirror.root):
            self._open_or_close_events()
            check_room(self._services.settings)
            wait = self._sync()
            if wait is None:
                if first:
                    self._say_once(f"Watching {self.mirror.root} ({self._mode})")
                    self._store_status(trouble=None, mode=self._mode)
                first = False
            self._wait(wait)

    def _sync(self) -> float | None:
        """Scan what the schedule says; seconds after which the same has to be scanned again, None if it is done."""
        schedule, mirror, settings = self._schedule, self.mirror, self._services.settings
        whole, had_cause = schedule.scope is None, schedule.has_cause
        wait = mirror.sync(schedule.scope, schedule.event_paths) if whole or schedule.scope else None
        schedule.event_paths = set()
        if whole and not had_cause and mirror.missed and self._events is not None:
            self._poll_from_now(f"{mirror.missed} changes had no event")
        if wait is None:
            folders = {path_of(source).parent for _, source in mirror.unstable}
            schedule.done(mirror.scanning_s, self._rescan_s, settings.watch_settle_ms / 1000, folders)
        return wait

    def _wait(self, wait: float | None) -> None:
        """Wait for events, or until a scan is due, and add both to the schedule."""
        schedule = self._schedule
        seconds = max(0.0, min(LEASE_CHECK_S, schedule.seconds_left() if wait is None else wait))
        if self._events is not None and self._events.alive:
            unstable = {source for _, source in self.mirror.unstable}
            schedule.add_events(self._events.wait(seconds), unstable, self.mirror.scanning_s)
        else:
            if self._events is not None:
                self._poll_from_now("the system gives none")
            self._ended.wait(seconds)
        schedule.add_due()

    @property
    def _rescan_s(self) -> float:
        settings = self._services.settings
        usual = settings.watch_rescan_s if self._events is not None else settings.watch_poll_s
        return min(usual, HELD_RESCAN_S) if self.mirror.hold is not None else usual

    @property
    def _mode(self) -> str:
        return "polling" if self._events is None else "native"

    def _open_or_close_events(self) -> None:
        """Listen to file events where the settings ask for them and they can be trusted.

        A missing folder has no events: another folder may come in its place.
        """
        if not self._path.is_dir():
            self._close_events()
        elif self._events is None and self._trusts_events:
            chosen = self._services.settings.watch_events
            if chosen == "native" or (chosen == "auto" and is_trusted(self._path)):
                self._events = Events(self._path)
            else:
                self._trusts_events = False

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _poll_from_now(self, why: str) -> None:
        """Stop to trust file events, and scan by the clock from now on."""
        log.warning("watch.polling", folder=self.mirror.root, why=why)
        self._trusts_events = False
        self._close_events()
        self._schedule.scan_all_now()
        self._store_status(mode=self._mode)

    def _report(self, error: Exception) -> None:
        """Log and store an error, and tell the user."""
        code = problem_of(error).code
        if needs_room(self._services.settings, error):
            code = "disk_full"
        elif isinstance(error, TRANSIENT):
            code = "stack_unavailable"
        if code != "internal":
            log.warning("watch.trouble", folder=self.mirror.root, error=str(error))
        else:
            log.error("watch.failed", folder=self.mirror.root, exc_info=error)
        self._say_once(f"{self.mirror.root} cannot be watched just now: {error}")
        self._store_status_if_possible(trouble=f"{code}: {error}", mode=self._mode)

    def _store_status_if_possible(self, **values: object) -> None:
        try:
            self._store_status(**values)
        except Exception as error:  # the catalog itself may be what is in trouble
            log.warning("watch.trouble", folder=self.mirror.root, error=str(error))

    def _store_status(self, **values: object) -> None:
        """Store in the catalog that the folder was scanned now, with these values, for other processes to show."""
        with writing(self._services.catalog) as connection:
            watched_files.update_folder(connection, self.mirror.root, looked_at=time.time(), **values)

    def _say_once(self, line: str) -> None:
        if line != self._last_line:
            self._say(line)
            self._last_line = line


def watch_all(
    services: Services,
    folders: Sequence[WatchFolder],
    ended: threading.Event,
    say: Say,
    check: Callable[[], None] | None = None,
) -> list[Mirror]:
    """Watch folders until the event is set.

    Args:
        services: the engine's services.
        folders: what to watch.
        ended: ends it.
        say: takes lines for the user.
        check: called every second; what it raises ends it too.

    Returns:
        The mirrors as they were at the end.
    """
    lease = Lease(services.redis)
    paths = [folder.path for folder in folders]
    all_watchers = [Watcher(services, folder, paths, lease, say) for folder in folders]
    watchers = list({watcher.mirror.root: watcher for watcher in all_watchers}.values())
    if len(watchers) < len(folders):
        log.warning("watch.same_folder", folders=[source_of(path) for path in paths])
        say("Of folders that are the same by different names, the last one is watched")
    threads = [
        threading.Thread(target=watcher.run, args=(ended,), name=f"watch {watcher.mirror.root}", daemon=True)
        for watcher in watchers
    ]
    for thread in threads:
        thread.start()
    try:
        while not ended.wait(LEASE_CHECK_S):
            if check is not None:
                check()
    finally:
        ended.set()
        for thread in threads:
            thread.join(MAX_PAUSE_S)
        lease.close()
    return [watcher.mirror for watcher in watchers]
