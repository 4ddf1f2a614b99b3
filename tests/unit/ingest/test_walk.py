"""Finding files by the settings: the limit of a file's size, and Docrelay's own data folder left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadRequest, TooLargeToTake
from pipeline.ingest.walk import find_files, path_of, source_of, source_of_path, walk_files
from pipeline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data_dir = tmp_path / "in" / "data"
    data_dir.mkdir(parents=True)
    (data_dir / "catalog.txt").write_text("not a document")
    return Settings(data_dir=data_dir, max_file_mb=1)


def test_files_are_found_by_the_settings(settings: Settings, tmp_path: Path) -> None:
    small, large = tmp_path / "in" / "a.txt", tmp_path / "in" / "b.txt"
    small.write_text("a")
    with large.open("wb") as file:
        file.truncate((1 << 20) + 1)
    candidates = find_files(settings, [tmp_path / "in"])
    walked = [candidate.path for candidate in walk_files(settings, [tmp_path / "in"])]
    assert [candidate.path for candidate in candidates] == walked == [small, large]
    assert candidates[0].problem is None
    assert isinstance(candidates[1].problem, TooLargeToTake)


def test_an_empty_folder_and_a_missing_path_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no files"):
        find_files(settings, [tmp_path / "in"])
    with pytest.raises(BadRequest, match="no file or folder"):
        find_files(settings, [tmp_path / "nothing"])


@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_a_path_and_its_source_belong_to_each_other(name: bytes) -> None:
    """For names of any bytes."""
    path = Path(os.fsdecode(b"/" + name))
    assert path_of(source_of(path)) == path


def test_the_source_of_a_relative_path_is_that_of_the_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_of_path("below/../a.txt") == source_of(tmp_path / "a.txt")
