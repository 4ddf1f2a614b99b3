"""The watched folder as its users have it: `docrelay up` with a folder in its settings, real files, real events."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import sqlalchemy as sa
from api_rig import Api
from cli_rig import Cli, cli_on
from flow_tools import cmdline, eventually, writes_on

from pipeline.catalog.database.schema import attempts

SETTINGS = {"watch_settle_ms": 200, "watch_rescan_s": 5, "api_port": 0}


def watcher(cli: Cli) -> psutil.Process | None:
    """The process that watches."""
    watchers = [process for process in cli.left() if "pipeline.watch" in " ".join(cmdline(process))]
    return watchers[0] if watchers else None


def hold_is(cli: Cli, reason: str | None) -> bool:
    """Wait until the catalog has this reason for held deletions; quicker to look at than with `docrelay status`."""
    return eventually(lambda: [row.held for row in cli.rows(sa.text("SELECT held FROM watched"))] == [reason])


def runs(cli: Cli) -> int:
    return int(cli.rows(sa.select(sa.func.count()).select_from(attempts))[0][0])


def finds(cli: Cli, words: str, *names: str) -> bool:
    return eventually(lambda: cli.search_names(words, "documents") == set(names))


def test_a_folder_in_the_settings_is_mirrored_by_up(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    (root / "early.txt").write_text("written before the watch began: walrus")
    with cli_on(tmp_path / "data", **SETTINGS, watch=str(root)) as cli, cli.up():
        assert finds(cli, "walrus", "early.txt")

        # Drop, save as an editor does, rename a folder, remove.
        (root / "letters").mkdir()
        for number in range(20):
            (root / f"letters/l{number}.txt").write_text(f"zebra number {number}")
        assert eventually(lambda: len(cli.search_names("zebra", "documents")) == 10)
        assert eventually(lambda: cli.json("status")["watched"][0]["files"] == 21)
        draft = root / ".draft"
        draft.write_text("okapi")
        draft.replace(root / "early.txt")
        assert finds(cli, "okapi", "early.txt")
        assert finds(cli, "walrus")
        before = runs(cli)
        (root / "letters").rename(root / "Post")
        (root / "early.txt").rename(root / "Early.txt")
        assert finds(cli, "okapi", "Early.txt")
        assert runs(cli) == before
        (root / "Early.txt").unlink()
        assert finds(cli, "okapi")

        # A killed watcher is started again, and finds what happened meanwhile.
        first = watcher(cli)
        assert first is not None
        first.send_signal(signal.SIGKILL)
        (root / "late.txt").write_text("giraffe")
        assert finds(cli, "giraffe", "late.txt")
        assert eventually(lambda: (current := watcher(cli)) is not None and current.pid != first.pid)
        assert runs(cli) == before + 1

        # A second watcher waits for its turn, and a single scan is refused.
        once = cli.quick("watch", root, "--once")
        assert (once.code, "Another process watches" in once.err) == (2, True)

        # The folder vanishes: everything stays searchable, and that is said.
        root.rename(tmp_path / "away")
        assert hold_is(cli, "root_missing")
        assert cli.json("status")["watched"][0]["held"] == "root_missing"
        assert cli.search_names("giraffe", "documents") == {"late.txt"}
        api = Api(cli)
        assert api.metrics("docrelay_watch_held_deletions") == {str(root): 21}
        api.close()
        (tmp_path / "away").rename(root)
        assert hold_is(cli, None)
        assert cli.json("status")["watched"][0]["held"] is None

        # Too much goes at once, until the user confirms it.
        for path in (root / "Post").iterdir():
            path.unlink()
        assert hold_is(cli, "many_gone")
        assert cli.json("status")["watched"][0]["held"] == "many_gone"
        assert "20 files are missing" in cli.quick("status").out
        assert cli.search_names("zebra", "documents")
        assert cli.quick("watch", root, "--confirm-deletions").code == 0
        assert finds(cli, "zebra")
        assert cli.search_names("giraffe", "documents") == {"late.txt"}


def test_watch_command_runs_until_a_signal(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    (root / "a.txt").write_text("walrus")
    os.mkfifo(root / "pipe")
    with cli_on(tmp_path / "data", **{**SETTINGS, "watch_settle_ms": 600}) as cli:
        assert cli.quick("watch", root / "nothing").code == 2
        with cli.held():
            once = cli.quick("watch", root, "--once", "--collection", "sea")
            outcome, next_step = once.out.strip().splitlines()
            assert (once.code, outcome) == (1, f"{root} is up to date: 2 files, 1 of them failed.")
            assert next_step.startswith("See them with: docrelay failures list")
            with writes_on(root / "log.txt"):
                once = cli.quick("watch", root, "--once", "--collection", "sea")
            assert (once.code, "Left for later: 1 that still change" in once.out) == (1, True)
            (root / "log.txt").unlink()
            (root / "pipe").unlink()
            process = cli.start("watch", root, "--collection", "sea")
            assert eventually(lambda: cli.rows(sa.text("SELECT 1 FROM watched WHERE mode IS NOT NULL")))
        # From here on the stack is held by this command alone.
        (root / "b.txt").write_text("walrus")
        assert eventually(lambda: cli.search_names("walrus", "sea") == {"a.txt", "b.txt"})
        root.rename(tmp_path / "away")
        assert hold_is(cli, "root_missing")
        process.terminate()
        ended = cli.end(process)
        assert ended.code == 1
        assert "2 files are missing, and the folder itself is not there" in ended.err
        assert cli.gone()
