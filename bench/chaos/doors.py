"""Documents that come by other doors: a job of paths sent to the API, and files dropped into the watched folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import sqlalchemy as sa
from flow_tools import eventually
from stand import Stand, note

from pipeline.catalog.database.schema import documents
from pipeline.client import Client
from pipeline.ingest.walk import source_of_path

__all__ = ["Doors"]

SENT, DROPPED = 16, 8
TRIES = 90
LATE_S = 90.0


class Doors:
    """What came by the doors: `sent` are the files of the API's job, `dropped` those of the watched folder."""

    def __init__(self, stand: Stand, folder: Path, collection: str, seed: int) -> None:
        self.stand, self.folder, self.collection, self.seed = stand, folder, collection, seed
        self.sent: list[Path] = []
        self.dropped: list[Path] = []
        self.jobs: list[str] = []
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Send and drop the files; the request is repeated with its key until it is answered."""
        self.sent = _write(self.folder / "sent", SENT, self.seed)
        self.dropped = _write(self.stand.watched / self.collection, DROPPED, self.seed)
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def join(self) -> None:
        """Wait until the API has taken the job."""
        if self._thread is not None:
            self._thread.join()

    def missing(self) -> list[str]:
        """What did not arrive: a job that was never taken, dropped files that are not searchable."""
        trouble = ["the API took no job"] if self.sent and not self.jobs else []
        eventually(lambda: not self._not_live(), LATE_S, 0.5)
        return trouble + [f"dropped, and not searchable: {name}" for name in self._not_live()]

    def _send(self) -> None:
        key = f"chaos-{self.collection}-{time.time()}"
        for _ in range(TRIES):
            try:
                with Client(str(self.stand.api_url()), timeout_s=20) as client:
                    accepted = client.submit_paths(str(self.folder / "sent"), collection=self.collection, key=key)
                self.jobs.append(accepted.job_id)
                return
            except Exception as error:
                note(self.stand.history, "sent again", node=f"harness: {type(error).__name__}: {error}"[:300])
                time.sleep(1)

    def _not_live(self) -> list[str]:
        query = sa.select(documents.c.source).where(
            documents.c.collection == "watched", documents.c.live_version_id.is_not(None)
        )
        live = {row.source for row in self.stand.rig.rows(query)} if self.dropped else set()
        return [path.name for path in self.dropped if source_of_path(str(path)) not in live]


def _write(folder: Path, number: int, seed: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{folder.name}-{index}.txt" for index in range(number)]
    for path in paths:
        path.write_text(f"{path.name} of series {seed}: " + "sand and shingle " * 40, "utf-8")
    return paths
