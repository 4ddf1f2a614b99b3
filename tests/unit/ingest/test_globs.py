"""Patterns of file names: which files of a path job match, and when no match is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import BadRequest
from pipeline.ingest.path_jobs import FILES_CHECKED, matching_files, require_match
from pipeline.services import Services
from pipeline.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path))
    yield services
    services.catalog.dispose()


def test_a_glob_over_more_files_than_are_checked_is_accepted(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(FILES_CHECKED):
        (folder / f"{number}.txt").touch()
    with pytest.raises(BadRequest):
        require_match(services, [folder], "*.pdf")
    (folder / "z.md").touch()
    require_match(services, [folder], "*.pdf")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("**/*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("**/**/*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("a/**/*.txt", {"a/mid.txt", "a/b/low.txt"}),
        ("**/b/*.txt", {"a/b/low.txt"}),
        ("**/a/*.md", {"a/note.md"}),
        ("a/*.txt", {"a/mid.txt", "a/b/low.txt"}),
        ("a/**", {"a/mid.txt", "a/b/low.txt", "a/note.md"}),
        ("top.txt/**/x", set()),
    ],
)
def test_a_glob_matches_names_and_folders(services: Services, tmp_path: Path, pattern: str, expected: set[str]) -> None:
    root = tmp_path / "files"
    for name in ("top.txt", "a/mid.txt", "a/b/low.txt", "a/note.md", "ab/c.pdf"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    matched = {str(entry.path.relative_to(root)) for entry in matching_files(services, [root], pattern)}
    assert matched == expected


def test_a_glob_matches_a_file_that_was_named_by_its_name(services: Services, tmp_path: Path) -> None:
    (tmp_path / "top.txt").touch()
    for pattern in ("*.txt", "**/*.txt"):
        require_match(services, [tmp_path / "top.txt"], pattern)
