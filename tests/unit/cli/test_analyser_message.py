"""What `docrelay status` says of a collection whose words an earlier analyser made."""

from __future__ import annotations

import pytest

from pipeline.cli.status import _print_system
from pipeline.names import ANALYSER
from pipeline.results import SystemStatus
from pipeline.results.system import WatchedFolder

WATCHED = WatchedFolder(
    root="/srv/in", files=3, mode=None, held=None, held_files=0, held_since=None, trouble=None, looked_at=None
)


def test_an_earlier_analyser_is_named_with_the_command_that_replaces_it(capsys: pytest.CaptureFixture[str]) -> None:
    system = SystemStatus(
        jobs=[],
        documents={"completed": 3},
        collections={"old": 7, "new": 8},
        analysers={"old": 1, "new": ANALYSER},
        failures=0,
        queues=None,
        watched=[WATCHED],
    )

    _print_system(system)

    text = " ".join(capsys.readouterr().out.split())
    assert f"words are matched by analyser 1 (re-index to analyser {ANALYSER} with:" in text
    assert "reindex --collection old" in text
    assert "reindex --collection new" not in text
