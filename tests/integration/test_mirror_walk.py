"""A seeded random walk of file operations: after it, folder = catalog = store, and nothing was embedded twice.

`DOCRELAY_TEST_SEEDS` and `DOCRELAY_TEST_OPERATIONS` make it longer.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flow_rig import FlowRig, stack_on
from mirror_rig import SETTLE_MS, MirrorRig, mirrored

from pipeline.settings.watch_folders import WatchFolder

SEEDS = int(os.environ.get("DOCRELAY_TEST_SEEDS", "1"))
OPERATIONS = int(os.environ.get("DOCRELAY_TEST_OPERATIONS", "100" if SEEDS == 1 else "500"))
KILLS = 2
"""So often the watcher is killed in every walk, at random places."""

FOLDERS = ("", "one", "two", "one/deep", "three")
RULES = (
    {"folder": "one", "tags": ["one"]},
    {"folder": "one/deep", "tags": ["deep", "one"]},
    {"folder": "moved-1", "tags": ["moved"]},
    {"folder": "three", "tags": []},
)


class Walk:
    """Does to a folder what people and programs do."""

    def __init__(self, mirror: MirrorRig, seed: int) -> None:
        self.mirror = mirror
        self.root = mirror.root
        self.chance = random.Random(seed)
        self.contents: set[str] = set()
        self.seed = seed
        self.done: list[str] = []

    def go(self, operations: int) -> None:
        """So many operations, kills among them."""
        kills = self.chance.sample(range(operations), KILLS)
        for number in range(operations):
            self.step(self.restart if number in kills else self.any_kind())

    def step(self, kind: Callable[[], None]) -> None:
        """One operation; a short pause now and then, so that the watcher sees some of them apart."""
        kind()
        self.done.append(kind.__name__)
        pause = self.chance.choices((0.0, 0.02, SETTLE_MS / 1000 * 2, 1.0), (50, 30, 15, 3))[0]
        time.sleep(pause)

    def any_kind(self) -> Callable[[], None]:
        kinds = {
            self.create: 24, self.edit: 14, self.save_as_editors_do: 6, self.write_in_parts: 4, self.rename: 16,
            self.remove: 10, self.move_folder: 4, self.copy: 3, self.swap: 3, self.onto: 3, self.bring_back: 5,
            self.touch: 3, self.link: 2, self.restart: 1, self.other_capitals: 4,
        }  # fmt: skip
        (kind,) = self.chance.choices(list(kinds), list(kinds.values()))
        return kind

    def text(self) -> str:
        """A content that there never was: one chunk."""
        words = " ".join(self.chance.choices(("boat", "yard", "sail", "mast", "keel", "tide"), k=8))
        made = f"Letter {len(self.contents)} of walk {self.seed}: {words}.\n"
        self.contents.add(made)
        return made

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*.txt") if path.is_file())

    def any_file(self) -> Path | None:
        files = self.files()
        return self.chance.choice(files) if files else None

    def any_path(self) -> Path:
        folder = self.root / self.chance.choice(FOLDERS)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.chance.choice(('Note', 'note', 'letter'))}-{self.chance.randint(1, 40)}.txt"

    def free_path(self) -> Path:
        while (path := self.any_path()).exists():
            continue
        return path

    # What may happen

    def create(self) -> None:
        self.free_path().write_text(self.text())

    def edit(self) -> None:
        if (path := self.any_file()) and path.stat().st_nlink == 1:
            path.write_text(self.text())

    def save_as_editors_do(self) -> None:
        if path := self.any_file():
            draft = path.with_name(f".{path.name}.swp")
            draft.write_text(self.text())
            draft.replace(path)

    def write_in_parts(self) -> None:
        path, text = self.free_path(), self.text()
        with path.open("w") as file:
            for start in range(0, len(text), 20):
                file.write(text[start : start + 20])
                file.flush()
                time.sleep(SETTLE_MS / 1000 / 10)

    def rename(self) -> None:
        if path := self.any_file():
            path.rename(self.free_path())

    def other_capitals(self) -> None:
        """Of a file, or of a folder and with it of all below it."""
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        if path := self.any_file() if self.chance.random() < 0.7 or not folders else self.chance.choice(folders):
            other = path.with_name(path.stem.swapcase() + path.suffix)
            if not other.exists() or other.samefile(path):
                path.rename(other)

    def onto(self) -> None:
        if (path := self.any_file()) and (other := self.any_file()) and not path.samefile(other):
            path.replace(other)

    def swap(self) -> None:
        if (path := self.any_file()) and (other := self.any_file()) and path != other:
            between = path.with_name(".between")
            path.rename(between)
            other.rename(path)
            between.rename(other)

    def remove(self) -> None:
        if path := self.any_file():
            path.unlink()

    def bring_back(self) -> None:
        """Away for a moment, and back under the same name or another."""
        if path := self.any_file():
            away = self.root.parent / "away.txt"
            path.rename(away)
            time.sleep(self.chance.choice((0.0, SETTLE_MS / 1000 * 3)))
            away.rename(self.chance.choice((path, self.free_path())))

    def copy(self) -> None:
        if path := self.any_file():
            shutil.copy(path, self.free_path())

    def link(self) -> None:
        if path := self.any_file():
            os.link(path, self.free_path())

    def touch(self) -> None:
        if path := self.any_file():
            path.touch()

    def move_folder(self) -> None:
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        if folders:
            folder = self.chance.choice(folders)
            target = self.root / f"moved-{self.chance.randint(1, 5)}"
            if not target.exists():
                folder.rename(target)

    def restart(self) -> None:
        self.mirror.kill()
        for _ in range(self.chance.randint(0, 3)):
            self.create()
            self.rename()
            self.remove()
        self.mirror.start()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("walk") / "data", embed_processes=1) as rig:
        yield rig


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_folder_catalog_and_store_are_equal_after_random_changes(stack: FlowRig, tmp_path: Path, seed: int) -> None:
    with mirrored(stack, tmp_path / "folder", watch_undo_s=2.0, watch_rescan_s=3.0) as mirror:
        mirror.collection = f"walk-{seed}"
        ruled = WatchFolder.model_validate({"path": mirror.root, "rules": RULES})
        chosen = {"collection": mirror.collection, "watch": (ruled,)}
        mirror.settings = mirror.settings.model_copy(update=chosen)
        mirror.kill()
        mirror.start()
        walk, before = Walk(mirror, seed), mirror.texts_known()
        walk.go(OPERATIONS)
        mirror.await_step(120)
        mirror.await_removal()
        mirror.assert_exact()
        mirror.assert_tags(ruled)
        # Each content is one chunk. Those that were replaced before the watcher saw them are never embedded; of the
        # others, half-written ones among them, each text once.
        assert mirror.embedded() == mirror.texts_known()
        texts = {text.strip() for text in mirror.names().values()}
        assert len(texts) <= mirror.texts_known() - before <= len(walk.contents) + walk.done.count("write_in_parts")
        assert walk.done.count("restart") >= KILLS
        assert mirror.stop() == 0
