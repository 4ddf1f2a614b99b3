"""vCards and calendars: what a reader sees of them, line for line."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from random import Random
from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import extract
from extractors.text.cards import unfolded
from extractors.text.source_text import SourceText

PHOTO = "\n ".join(wrap(b64encode(Random(3).randbytes(600)).decode(), 70))


def _read(folder: Path, source: str, name: str) -> tuple[str, tuple[str, ...]]:
    path = folder / name
    path.write_bytes(source.replace("\n", "\r\n").encode())
    document = extract(path)
    return document.text, document.warnings


def test_quoted_printable_is_decoded(tmp_path: Path) -> None:
    source = (
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg\n"
        "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:Gr=FC=\n=DFe aus K=F6ln=0D=0Aund Ulm\nTEL:0221\nEND:VCARD\n"
    )
    text, warnings = _read(tmp_path, source, "a.vcf")
    lines = text.split("\n")
    assert lines[2].endswith(":Müller;Jörg")
    assert lines[3].endswith(":Grüße aus Köln und Ulm")
    assert lines[5] == "TEL:0221"
    assert warnings == ()


def test_folded_lines_are_joined_and_pictures_left_out(tmp_path: Path) -> None:
    source = f"BEGIN:VCARD\nPHOTO;ENCODING=b;TYPE=PNG:{PHOTO}\nADR:;;Am Kai 5\\, Hof;Lüne\n burg\nEND:VCARD\n"
    text, warnings = _read(tmp_path, source, "card")
    lines = text.split("\n")
    assert "PHOTO;ENCODING=b;TYPE=PNG:[data]" in lines
    assert lines[source.split("\n").index("ADR:;;Am Kai 5\\, Hof;Lüne")] == "ADR:;;Am Kai 5, Hof;Lüneburg"
    assert len(warnings) == 1


def test_a_calendar_is_read(tmp_path: Path) -> None:
    source = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Prüfung\\, Kran 3\nDESCRIPTION:um neun\\nam Tor\nEND:VEVENT\n"
    text, _ = _read(tmp_path, source, "a.ics")
    assert "SUMMARY:Prüfung, Kran 3\nDESCRIPTION:um neun am Tor" in text


@pytest.mark.parametrize("source", ["NOTE:a\n b", "see BEGIN:VCARD\n x", "begin\n x=\ny"])
def test_other_texts_stay(source: str) -> None:
    assert unfolded(SourceText(source, "utf-8")).text == source


@given(st.lists(st.sampled_from(["N:a", " b", "X;ENCODING=QUOTED-PRINTABLE:=C3=", "=BC", "", ":", "=", "\\n"])))
def test_lines_keep_their_numbers(lines: list[str]) -> None:
    source = "\n".join(["BEGIN:VCARD", *lines, "END:VCARD"])
    text = unfolded(SourceText(source, "utf-8")).text
    assert text.count("\n") == source.count("\n")
