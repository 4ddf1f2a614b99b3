"""What docs/watching.md says of what goes wrong and of what is held back, row by row."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from error_checks import reported_codes
from flow_rig import FlowRig
from flow_tools import eventually, writes_on
from mirror_rig import NEVER_SO_LONG_MS, InProcessMirror, watching

from embeddings.base import Fingerprint
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import collections as spaces
from pipeline.catalog.database.schema import indexes, seen
from pipeline.catalog.documents import watched_files
from pipeline.catalog.index import collections
from pipeline.cli.watch import WatchOptions, watch_folder
from pipeline.errors import BadRequest
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.settings.watch_folders import WatchFolder

PAGE = (Path(__file__).parents[2] / "docs/watching.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture
def stack(shared_stack: FlowRig) -> FlowRig:
    return shared_stack


@pytest.fixture
def mirror(stack: FlowRig, tmp_path: Path) -> InProcessMirror:
    root = tmp_path / "folder"
    root.mkdir()
    return InProcessMirror(stack, root, WatchFolder(path=root), watch_rescan_s=1.0)


def noted(mirror: InProcessMirror, name: str) -> str | None:
    with mirror.services.catalog.connect() as connection:
        row = watched_files.get_folder(connection, mirror.mirror.root)
    return row and getattr(row, name)


# What goes wrong: each does it, and returns the code by which it was reported


def refused_by_the_command(mirror: InProcessMirror, folder: Path, *, once: bool = False) -> str:
    with pytest.raises(BadRequest) as caught:
        watch_folder(mirror.services.settings, WatchOptions(folder, once=once))
    code, leaves, _ = reported_codes(caught.value)
    assert leaves == 2
    return code


def no_such_folder(mirror: InProcessMirror) -> str:
    return refused_by_the_command(mirror, mirror.root / "nothing")


def watched_by_another(mirror: InProcessMirror) -> str:
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: noted(mirror, "mode"))
        return refused_by_the_command(mirror, mirror.root, once=True)


def not_there_yet(mirror: InProcessMirror) -> str:
    mirror.root.rmdir()
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: noted(mirror, "held") == "root_missing")
        mirror.root.mkdir()
        mirror.write(a="zebra")
        assert eventually(lambda: mirror.search_names("zebra") == {"a.txt"})
        assert eventually(lambda: noted(mirror, "held") is None)
    return ""


def settings_without_sense(mirror: InProcessMirror) -> str:
    file, codes = mirror.root / "docrelay.toml", set()
    for text in (
        '["/a", "/a"]',
        '[{path = "/a", colection = "x"}]',
        '[{path = "/a", rules = [{folder = "../b", collection = "x"}]}]',
        '[{path = "/a", rules = [{folder = "b"}]}]',
        '[{path = "/a", tags = [""]}]',
    ):
        file.write_text(f"watch = {text}\n")
        with pytest.raises(BadRequest, match="watch") as caught:
            load_settings({"data_dir": mirror.root})
        codes.add(reported_codes(caught.value)[0])
    (code,) = codes
    return code


def gone_while_it_is_watched(mirror: InProcessMirror) -> str:
    mirror.write(a="zebra")
    away = mirror.root.with_name("away")
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: mirror.search_names("zebra") == {"a.txt"})
        mirror.root.rename(away)
        assert eventually(lambda: noted(mirror, "held") == "root_missing")
        assert mirror.search_names("zebra") == {"a.txt"}
        away.rename(mirror.root)
        assert eventually(lambda: noted(mirror, "held") is None)
    return ""


def fails_alone(mirror: InProcessMirror, *make: Callable[[Path], object]) -> str:
    """Only the files made by `make` are refused; each is ingested when a good file replaces it."""
    mirror.write(a="zebra")
    paths = [mirror.root / f"wrong-{number}.txt" for number in range(len(make))]
    for path, make_one in zip(paths, make, strict=True):
        make_one(path)
    mirror.sync_to_end()
    codes, jobs = mirror.codes(), sa.select(sa.func.count()).select_from(sa.text("jobs"))
    assert codes.keys() == {path.name for path in paths}
    assert mirror.search_names("zebra") == {"a.txt"}
    before = mirror.rig.scalar(jobs)
    assert mirror.mirror.sync() is None
    assert mirror.rig.scalar(jobs) == before
    for path in paths:
        path.unlink()
        path.write_text("okapi")
    mirror.sync_and_check()
    assert mirror.codes() == {}
    assert mirror.search_names("okapi") == {path.name for path in paths}
    (code,) = set(codes.values())
    return code


def too_large(mirror: InProcessMirror) -> str:
    return fails_alone(mirror, lambda path: path.write_bytes(b"x" * (1 << 21)))


def without_permission(mirror: InProcessMirror) -> str:
    def closed(path: Path) -> None:
        path.write_text("zebra")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("who is root reads every file")

    return fails_alone(mirror, closed)


def no_file(mirror: InProcessMirror) -> str:
    def listening(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as here:
            here.bind(os.path.relpath(path))

    kinds: list[Callable[[Path], object]] = [os.mkfifo, listening]
    if os.geteuid() == 0:
        kinds.append(lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)))
    return fails_alone(mirror, *kinds)


def links(mirror: InProcessMirror) -> str:
    outside = mirror.root.with_name("outside.txt")
    outside.write_text("zebra")
    return fails_alone(
        mirror,
        lambda path: path.symlink_to(outside),
        lambda path: path.symlink_to("nothing"),
        lambda path: path.symlink_to(path),
    )


def never_rests(mirror: InProcessMirror) -> str:
    mirror = mirror.with_settle(NEVER_SO_LONG_MS)
    mirror.mirror.load()
    mirror.write(log="otter")
    mirror.sync_and_check()
    with writes_on(mirror.root / "log.txt"):
        mirror.write(a="zebra")
        mirror.mirror.catch_up()
        assert eventually(lambda: mirror.search_names("zebra") == {"a.txt"})
        assert mirror.search_names("otter") == {"log.txt"}
    with watching(mirror.services, mirror.folder):
        mirror.await_step()
    return ""


def trouble_of(mirror: InProcessMirror, services: Services) -> str:
    """The code of what is in the way of a watcher that has these services."""

    def trouble() -> str:
        return str(noted(mirror, "trouble") or "").partition(":")[0]

    with watching(services, mirror.folder):
        assert eventually(trouble)
        code = trouble()
        assert noted(mirror, "mode")
    # The watcher ended as it should: the folder need not be watched any more.
    assert (noted(mirror, "trouble"), noted(mirror, "mode")) == (None, None)
    return code


def another_model(mirror: InProcessMirror) -> str:
    mirror.write(a="zebra")
    with writing(mirror.services.catalog) as connection:
        other = Fingerprint("test/other", "1", "float", "mean", True, "", "", 8)
        collections.register(connection, mirror.collection, other, mirror.services.spec)
    code = trouble_of(mirror, mirror.services)
    with writing(mirror.services.catalog) as connection:
        connection.execute(indexes.delete().where(indexes.c.collection == mirror.collection))
        connection.execute(spaces.delete().where(spaces.c.name == mirror.collection))
    follows(mirror)
    return code


def stack_away(mirror: InProcessMirror) -> str:
    mirror.write(a="zebra")
    code = trouble_of(
        mirror, Services(mirror.services.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    )
    follows(mirror)
    return code


def follows(mirror: InProcessMirror) -> None:
    """Nothing was missed, once nothing is in the way any more."""
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: mirror.search_names("zebra") == {"a.txt"})
        assert eventually(lambda: noted(mirror, "trouble") is None)


WRONG: dict[str, Callable[[InProcessMirror], str]] = {
    "a folder that does not exist": no_such_folder,
    "a folder that another process watches, with `--once`": watched_by_another,
    "a folder of the settings that does not exist (yet)": not_there_yet,
    "a folder named twice, an unknown key, a rule outside the folder or without effect, an invalid tag": (
        settings_without_sense
    ),
    "the folder disappears while it is watched": gone_while_it_is_watched,
    "a file that is too large": too_large,
    "a file without read permission": without_permission,
    "a pipe, a socket, a device": no_file,
    "a link that leads out of the folder, nowhere or in a circle": links,
    "a file that never rests": never_rests,
    "a collection of another model": another_model,
    "Redis, the catalog or the store is away": stack_away,
}


def codes_in_the_table() -> dict[str, str]:
    rows = re.findall(r"^\| ([^|]+) \| (?:`(\w+)`)? *\| [^|]+ \|$", section("What goes wrong"), flags=re.M)
    return dict(rows)


def test_every_row_of_the_trouble_table_is_tested() -> None:
    lines = [line for line in section("What goes wrong").splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[1:]] == [*WRONG]
    assert [*codes_in_the_table()] == [*WRONG]


@pytest.mark.parametrize("what", WRONG)
def test_trouble_is_reported_as_in_the_table(mirror: InProcessMirror, what: str) -> None:
    mirror.mirror.load()
    assert WRONG[what](mirror) == codes_in_the_table()[what]


# What is held back: each takes 11 of 20 files away, and returns what brings them back

Undo = Callable[[], object]


def root_missing(mirror: InProcessMirror) -> Undo:
    away = mirror.root.with_name("away")
    mirror.root.rename(away)
    return lambda: away.rename(mirror.root)


def other_disk(mirror: InProcessMirror) -> Undo:
    """As if the sub-folder had been one, whose place is empty now."""
    with writing(mirror.services.catalog) as connection:
        here = seen.c.source.startswith(f"{mirror.root}/sub/")
        connection.execute(seen.update().where(here).values(device="another"))
    undo = many_gone(mirror)
    mirror.mirror.load()
    return undo


def unreadable(mirror: InProcessMirror) -> Undo:
    """Root lists every folder; but no process can read an ignore file that leads in a circle."""
    rules = mirror.root / "sub/.docrelayignore"
    rules.symlink_to(rules)
    return rules.unlink


def many_gone(mirror: InProcessMirror) -> Undo:
    away = mirror.root.with_name("away")
    (mirror.root / "sub").rename(away)
    (mirror.root / "sub").mkdir()

    def undo() -> None:
        (mirror.root / "sub").rmdir()
        away.rename(mirror.root / "sub")

    return undo


HELD = {one.__name__: one for one in (root_missing, other_disk, unreadable, many_gone)}


def test_every_reason_for_held_deletions_is_tested() -> None:
    documented = section("Deletions that are held back").partition("`docrelay status`")[0]
    assert re.findall(r"\(`(\w+)`", documented) == [*HELD]


@pytest.mark.parametrize("reason", HELD)
def test_deletions_are_held_as_the_page_says(
    mirror: InProcessMirror, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (mirror.root / "sub").mkdir()
    mirror.write(**{f"f{number}": f"giraffe {number}" for number in range(9)})
    mirror.write(**{f"sub/f{number}": f"zebra {number}" for number in range(11)})
    mirror.mirror.load()
    mirror.sync_and_check()
    before = mirror.extracted()
    undo = HELD[reason](mirror)
    number = {"root_missing": 20}.get(reason, 11)
    if reason != "root_missing":
        # Elsewhere one goes: it is held where all is.
        (mirror.root / "f0.txt").unlink()
        number += reason != "unreadable"
    mirror.sync_to_end()
    assert mirror.mirror.hold is not None
    assert (mirror.mirror.hold.reason, mirror.mirror.hold.files) == (reason, number)
    assert (noted(mirror, "held"), noted(mirror, "held_files")) == (reason, number)
    assert len(mirror.search_names("zebra")) == 11
    assert len(mirror.search_names("giraffe")) == 9 - (reason == "unreadable")
    if reason != "root_missing":
        # The command ends with the reason; without a folder it does not begin.
        assert watch_folder(mirror.services.settings, WatchOptions(mirror.root, once=True)) == 1
        assert f"{number} files are missing" in capsys.readouterr().err

    undo()
    mirror.sync_and_check()
    assert (mirror.mirror.hold, noted(mirror, "held")) == (None, None)
    assert len(mirror.search_names("zebra")) == 11
    assert mirror.extracted() == before


def test_deletions_are_confirmed_and_done_by_one_command(
    mirror: InProcessMirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.write(**{f"f{number}": f"okapi {number}" for number in range(20)})
    mirror.sync_and_check()
    for number in range(15):
        (mirror.root / f"f{number}.txt").unlink()
    settings = mirror.services.settings
    assert watch_folder(settings, WatchOptions(mirror.root, once=True)) == 1
    assert len(mirror.search_names("okapi")) == 20

    assert watch_folder(settings, WatchOptions(mirror.root, once=True, confirm=True)) == 0

    assert "15 documents may be deleted" in capsys.readouterr().out
    assert len(mirror.search_names("okapi")) == 5
