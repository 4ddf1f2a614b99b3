"""A folder that should be watched and is not shows as 1, whatever is the cause."""

from __future__ import annotations

import pytest

from pipeline.health.watcher import Folders
from pipeline.metrics.documents import watched_folders
from pipeline.results import WatchedFolder

FOLDER = WatchedFolder(
    root="/in", files=3, mode="native", held=None, held_files=0, held_since=None, trouble=None, looked_at=None
)
IN_TROUBLE = FOLDER.model_copy(update={"trouble": "disk_full: no room"})


@pytest.mark.parametrize(
    ("folders", "value"),
    [
        (Folders(["/in"], {"/in": FOLDER}, {"/in": 0.4}), 0),
        (Folders(["/in"], {"/in": FOLDER}, {}), 1),  # its watcher was killed
        (Folders(["/in"], {"/in": IN_TROUBLE}, {"/in": 0.4}), 1),
        (Folders(["/in"], {}, {}), 1),  # of the settings, and no watcher has ever begun
        (Folders([], {"/in": FOLDER}, {}), 0),  # need not be watched any more
        (Folders([], {"/in": IN_TROUBLE}, {}), 0),  # an earlier version left its trouble
    ],
)
def test_trouble(folders: Folders, value: int) -> None:
    found = {family.name: family for family in watched_folders(folders)}
    samples = [(sample.labels, sample.value) for sample in found["docrelay_watch_trouble"].samples]
    assert samples == [({"folder": "/in"}, value)]
