"""Log files of the stack's processes."""

from __future__ import annotations

from pathlib import Path

from pipeline.stack.folder import rotate, tail


def test_a_log_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "w.out"
    rotate(path, 10)
    with path.open("ab", buffering=0) as writer:
        writer.write(b"0123456789")
        rotate(path, 10)
        assert path.stat().st_size == 10
        writer.write(b"x")
        rotate(path, 10)
        writer.write(b"new")
    assert path.read_bytes() == b"new"
    assert (tmp_path / "w.out.1").read_bytes() == b"0123456789x"


def test_the_last_lines_of_a_log_are_returned(tmp_path: Path) -> None:
    path = tmp_path / "w.out"
    assert tail(path) == ""
    path.write_bytes(b"x" * 9000 + b"\n\none\n\xff two\n\n")
    assert tail(path, 2) == "one\n\ufffd two"
    assert len(tail(path)) < 4200
