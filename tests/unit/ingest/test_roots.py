"""Files below the allowed roots: which links are followed, even if they are made at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import NotAFile, OutsideRoot, PathNotAllowed, TooLargeToTake, Unreadable
from pipeline.ingest.path_jobs import allowed_paths
from pipeline.ingest.roots import _step_by_step, bounds, find_again, open_regular, open_within, root_of
from pipeline.settings import Settings
from pipeline.types import NamedPaths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("inside")
    (tmp_path / "a.txt").write_text("outside")
    (folder / "out").symlink_to(tmp_path)
    (folder / "in").symlink_to("sub")
    (folder / "deep").mkdir()
    (folder / "latest").symlink_to("deep")
    return folder.resolve()


def read(path: Path, *roots: Path) -> bytes:
    descriptor = open_within(path, roots)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def test_links_within_a_root_are_followed(root: Path) -> None:
    assert read(root / "sub" / "a.txt", root) == read(root / "in" / "a.txt", root) == b"inside"
    assert read(root / "out" / "a.txt", root, root.parent) == b"outside"


def test_links_out_of_a_root_are_not(root: Path) -> None:
    with pytest.raises(OutsideRoot):
        open_within(root / "out" / "a.txt", [root])


@pytest.mark.parametrize("parts", [("out", "a.txt"), ("in", "a.txt"), ("sub", "link")])
def test_a_link_that_is_made_after_the_check_is_not_followed(root: Path, parts: tuple[str, ...]) -> None:
    (root / "sub" / "link").symlink_to(root.parent / "a.txt")
    with pytest.raises((NotADirectoryError, OSError)):
        _step_by_step(root, parts)


@pytest.mark.parametrize("below", ["latest/../../a.txt", "sub/../sub/a.txt", "..", "out/a.txt"])
def test_a_path_that_goes_up_or_out_is_refused(root: Path, below: str) -> None:
    with pytest.raises(PathNotAllowed):
        allowed_paths([f"{root}/{below}"], [str(root)])


def test_a_source_must_be_below_a_named_path(root: Path) -> None:
    named = NamedPaths((str(root / "sub"), str(root / "x.txt")))
    assert root_of(named, str(root / "sub" / "a.txt")) == root / "sub"
    assert root_of(named, str(root / "other.txt")) is None
    assert bounds(named, root / "sub", ()) == (root / "sub",)
    assert bounds(named, root / "x.txt", ()) is None
    assert bounds(NamedPaths(named.paths, confined=True), root / "x.txt", [str(root)]) == (root,)


def test_a_source_is_found_again_by_the_rules_of_its_job(root: Path) -> None:
    named, file = NamedPaths((str(root / "sub"),)), root / "sub" / "a.txt"
    candidate = find_again(Settings(), named, str(file))
    assert (candidate.path, candidate.size, candidate.problem, candidate.within) == (file, 6, None, (root / "sub",))
    confined_to = Settings(api_roots=(str(root),))
    assert find_again(confined_to, NamedPaths(named.paths, confined=True), str(file)).within == (root,)
    assert find_again(Settings(), NamedPaths(), str(root.parent / "a.txt")).within is None


def test_a_source_that_is_gone_or_not_the_jobs_is_not_found_again(root: Path) -> None:
    named = NamedPaths((str(root / "sub"),))
    (root / "sub" / "link").symlink_to(root.parent / "a.txt")
    problems = {
        name: find_again(Settings(), named, source, max_bytes=5).problem
        for name, source in {
            "gone": str(root / "sub" / "gone.txt"),
            "of another job": str(root.parent / "a.txt"),
            "no path": "upload://a.txt",
            "out of the folder": str(root / "sub" / "link"),
            "grown": str(root / "sub" / "a.txt"),
        }.items()
    }
    assert {name: type(problem) for name, problem in problems.items()} == {
        "gone": Unreadable,
        "of another job": Unreadable,
        "no path": Unreadable,
        "out of the folder": OutsideRoot,
        "grown": TooLargeToTake,
    }


def test_only_a_regular_file_is_opened(root: Path) -> None:
    with open_regular(root / "sub" / "a.txt", [root]) as file:
        assert file.read() == b"inside"
    os.mkfifo(root / "pipe")
    for name in ("pipe", "sub"):
        with pytest.raises(NotAFile):
            open_regular(root / name, None)
    with pytest.raises(OutsideRoot):
        open_regular(root / "out" / "a.txt", [root])
