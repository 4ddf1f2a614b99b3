"""Watching: one thread for each folder, for as long as the process lives."""

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
from pipeline.retries import TRANSIENT
from pipeline.services import Services
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch.events import Events, is_trusted
from pipeline.watch.ignore import IGNORE_FILE
from pipeline.watch.lease import Lease
from pipeline.watch.mirror import Mirror

__all__ = ["Watcher", "watch_all"]

log = structlog.get_logger()

Say = Callable[[str], None]

TURN_S = 1.0
"""How often a waiting watcher asks whether it is its turn, and a working one whether it still is."""

LONGEST_PAUSE_S = 30.0
SECOND_LOOK_S = 1.0
"""A new folder is looked at once more: the system's events begin a moment after the folder."""

MOST_PATHS = 2000
"""From so many paths on, looking at the whole folder is simpler."""

HELD_RESCAN_S = 5.0
"""How often a folder with deletions that are held back is looked at: files may return, or somebody may confirm."""

RESTLESS_REST = 10.0
"""Looking at a folder for what changes again and again takes at most this part of the time."""

REST = 50.0
"""Listing the whole folder takes at most this part of the time."""


class Watcher:
    """Keeps one folder mirrored, whenever it is its turn to."""

    def __init__(self, services: Services, folder: WatchFolder, others: Sequence[Path], lease: Lease, say: Say) -> None:
        self.mirror = Mirror(services, folder, others)
        self._services = services
        self._folder = self.mirror.folder
        self._lease = lease
        self._say = say
        self._ended = threading.Event()
        self._events: Events | None = None
        self._trusted = True
        self._scope: dict[Path, bool] | None = None
        self._later: dict[Path, tuple[float, bool]] = {}
        # What events have named since the last look: it did not go unnoticed, even if the next look comes late.
        self._named: set[Path] = set()
        self._whole_at = 0.0
        self._told = ""
        # Whether the next look at the whole folder was asked for by what is known: at the start, or by events.
        self._expected = True

    def run(self, ended: threading.Event) -> None:
        """Watch until the end, whatever happens meanwhile."""
        self._ended = ended
        failures = 0
        while not ended.is_set():
            try:
                if not self._lease.acquire(self.mirror.root):
                    self._tell(f"Another process watches {self.mirror.root}; waiting for it to end")
                    ended.wait(TURN_S)
                    continue
                self._watch()
                failures = 0
            except Exception as error:  # the last door of this thread: the folder is watched again after a while
                self._trouble(error)
                failures += 1
                ended.wait(backoff_s(failures, TURN_S, LONGEST_PAUSE_S))
            finally:
                self._close_events()

    def _watch(self) -> None:
        self.mirror.load()
        self._scope, self._expected, first = None, True, True
        self._named = set()
        while not self._ended.is_set() and self._lease.holds(self.mirror.root):
            self._keep_events()
            wait = self._look()
            if wait is None:
                if first:
                    self._tell(f"Watching {self.mirror.root} ({self._mode})")
                    self._note(trouble=None, mode=self._mode)
                first = False
            self._gather(wait)
        self._note(mode=None)

    def _look(self) -> float | None:
        whole = self._scope is None
        wait = self.mirror.look(self._scope, self._named) if whole or self._scope else None
        self._named = set()
        if whole and not self._expected and self.mirror.missed and self._events is not None:
            self._distrust(f"{self.mirror.missed} changes were not told of")
        if wait is None:
            if whole:
                self._whole_at = time.monotonic() + max(self._rescan_s, REST * self.mirror.scanning_s)
            self._scope, self._expected = {}, self._expected and not whole
            pause = max(self._services.settings.watch_settle_ms / 1000, RESTLESS_REST * self.mirror.scanning_s)
            for path in {path_of(key[1]).parent for key in self.mirror.restless}:
                self._later.setdefault(path, (time.monotonic() + pause, False))
        return wait

    def _gather(self, wait: float | None) -> None:
        """Wait for events, or until it is time to look again, and say where."""
        now = time.monotonic()
        whole_at = self._whole_at if self._scope is not None else now
        soon = min([whole_at, *(due for due, _ in self._later.values())]) - now
        seconds = max(0.0, min(TURN_S, soon if wait is None else wait))
        if self._events is not None and self._events.alive:
            self._note_paths(self._events.wait(seconds))
        else:
            if self._events is not None:
                self._distrust("the system gives none")
            self._ended.wait(seconds)
        now = time.monotonic()
        if now >= self._whole_at:
            self._scope = None
        for folder in [folder for folder, (due, _) in self._later.items() if due <= now]:
            _, deep = self._later.pop(folder)
            if deep:
                self._named.add(folder)
            if self._scope is not None:
                self._scope[folder] = deep or self._scope.get(folder, False)

    def _note_paths(self, paths: set[str]) -> None:
        if len(paths) > MOST_PATHS or any(path.endswith("/" + IGNORE_FILE) for path in paths):
            self._scope, self._expected = None, True
        restless = {key[1] for key in self.mirror.restless}
        named = {Path(path) for path in paths}
        self._named |= named
        for path in named:
            if source_of(path) in restless:
                continue  # its folder is looked at in a moment anyway
            if path == self._folder.path:
                # Anything in it: a name of which no event can tell, which may change again and again.
                soon = time.monotonic() + RESTLESS_REST * self.mirror.scanning_s
                self._whole_at, self._expected = min(self._whole_at, soon), True
                continue
            if self._scope is None:
                return
            self._scope.setdefault(path.parent, False)
            is_folder = path.is_dir()
            if is_folder or not path.exists():
                self._scope[path] = True
            if is_folder:
                self._later[path] = (time.monotonic() + SECOND_LOOK_S, True)

    @property
    def _rescan_s(self) -> float:
        settings = self._services.settings
        usual = settings.watch_rescan_s if self._events is not None else settings.watch_poll_s
        return min(usual, HELD_RESCAN_S) if self.mirror.hold is not None else usual

    @property
    def _mode(self) -> str:
        return "polling" if self._events is None else "native"

    def _keep_events(self) -> None:
        """Have events where they are wanted, and none of a folder that is not there: another will come in its place."""
        if not self._folder.path.is_dir():
            self._close_events()
        elif self._events is None and self._trusted:
            chosen = self._services.settings.watch_events
            if chosen == "native" or (chosen == "auto" and is_trusted(self._folder.path)):
                self._events = Events(self._folder.path)
            else:
                self._trusted = False

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _distrust(self, why: str) -> None:
        log.warning("watch.polling", folder=self.mirror.root, why=why)
        self._trusted = False
        self._close_events()
        self._whole_at = 0.0
        self._note(mode=self._mode)

    def _trouble(self, error: Exception) -> None:
        code = problem_of(error).code
        if isinstance(error, TRANSIENT):
            code = "stack_unavailable"
        if code != "internal":
            log.warning("watch.trouble", folder=self.mirror.root, error=str(error))
        else:
            log.error("watch.failed", folder=self.mirror.root, exc_info=error)
        self._tell(f"{self.mirror.root} cannot be watched just now: {error}")
        try:
            self._note(trouble=f"{code}: {error}")
        except Exception as second:  # the catalog itself may be what is in trouble
            log.warning("watch.trouble", folder=self.mirror.root, error=str(second))

    def _note(self, **values: object) -> None:
        with writing(self._services.catalog) as connection:
            watched_files.update_folder(connection, self.mirror.root, looked_at=time.time(), **values)

    def _tell(self, line: str) -> None:
        if line != self._told:
            self._say(line)
            self._told = line


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
        say: takes lines for people.
        check: called every second; what it raises ends it too.

    Returns:
        The mirrors as they were at the end.
    """
    lease = Lease(services.redis)
    paths = [folder.path for folder in folders]
    found = {one.mirror.root: one for one in (Watcher(services, folder, paths, lease, say) for folder in folders)}
    watchers = list(found.values())
    if len(watchers) < len(folders):
        log.warning("watch.same_folder", folders=[source_of(path) for path in paths])
        say("Of folders that are the same by different names, the last one is watched")
    threads = [
        threading.Thread(target=one.run, args=(ended,), name=f"watch {source_of(one.mirror.folder.path)}", daemon=True)
        for one in watchers
    ]
    for thread in threads:
        thread.start()
    try:
        while not ended.wait(TURN_S):
            if check is not None:
                check()
    finally:
        ended.set()
        for thread in threads:
            thread.join(LONGEST_PAUSE_S)
        lease.close()
    return [one.mirror for one in watchers]
