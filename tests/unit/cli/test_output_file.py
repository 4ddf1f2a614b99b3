"""Files that commands write: whole or not at all, none is replaced by accident, and what is wrong is a wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.output_file import new_file
from pipeline.cli.report import _format_of
from pipeline.errors import BadRequest


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "page.png"
    with new_file(target, force=False) as path:
        path.write_bytes(b"half")
        assert not target.exists()
        assert path.suffix == ".png"
        path.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def break_off(target: Path) -> None:
    with new_file(target, force=True) as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one_and_if_its_user_says_so(tmp_path: Path) -> None:
    target = tmp_path / "page.png"
    target.write_bytes(b"before")
    with pytest.raises(BadRequest, match="there already") as refused, new_file(target, force=False) as path:
        path.write_bytes(b"after")
    assert "--force" in refused.value.hint
    with pytest.raises(ZeroDivisionError):
        break_off(target)
    assert target.read_bytes() == b"before"
    with new_file(target, force=True) as path:
        path.write_bytes(b"after")
    assert target.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_to_is_a_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "nowhere" / "x.html", tmp_path / "file" / "x.html", tmp_path / "folder"):
        with pytest.raises(BadRequest, match="cannot be written"), new_file(target, force=True) as path:
            path.touch()


@pytest.mark.parametrize(
    ("name", "found"),
    [(None, "html"), ("-", "html"), ("report", "html"), ("x.PDF", "pdf"), ("a.b.csv", "csv"), ("x.xlsx", "xlsx")],
)
def test_the_name_of_a_file_says_its_format(name: str | None, found: str) -> None:
    assert _format_of(None if name is None else Path(name)) == found


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadRequest, match="'doc'") as refused:
        _format_of(Path("x.doc"))
    assert "html, pdf, xlsx, csv" in refused.value.hint
