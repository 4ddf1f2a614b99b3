"""Parts of mails that a mail program shows in its own way: flowed lines, invitations, reports, wrong charsets."""

from __future__ import annotations

from base64 import encodebytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import Document, extract
from extractors.mail.calendar import calendar_text
from extractors.mail.plain import enriched_text, flowed_text

HEAD = b"From: grete@example.org\nSubject: s\nMIME-Version: 1.0\n"
INVITATION = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
SUMMARY:Bootsprüfung\\, jährlich
LOCATION:Steg 3
DTSTART;TZID=Berlin:20260304T090000
DTEND:20260304T100000Z
ORGANIZER;CN="Möller, Grete":mailto:grete@example.org
ATTENDEE;ROLE=CHAIR:MAILTO:office@example.org
DESCRIPTION:Bitte Papiere\\nmit
 bringen
BEGIN:VALARM
DESCRIPTION:REMINDER
END:VALARM
END:VEVENT
END:VCALENDAR
"""
SHOWN = """Event: Bootsprüfung, jährlich
Place: Steg 3
Start: 2026-03-04 09:00 (Berlin)
End: 2026-03-04 10:00 UTC
Organizer: Möller, Grete <grete@example.org>
Attendee: office@example.org
Bitte Papiere mitbringen"""


def read(folder: Path, *lines: str, body: bytes = b"") -> Document:
    path = folder / "a.eml"
    path.write_bytes(HEAD + "\n".join(lines).encode() + body)
    return extract(path)


def body_of(document: Document) -> str:
    return document.text.partition("Subject: s\n\n")[2]


def parts(kind: str, *content: str) -> str:
    inside = "".join(f"--b\n{part}\n" for part in content)
    return f"Content-Type: {kind}; boundary=b\n\n{inside}--b--\n"


def test_the_lines_of_a_flowed_paragraph_are_one(tmp_path: Path) -> None:
    lines = (
        "The ferry \ngoes at \nnine.\n",
        ">> quoted \n>> lines\n> other ",
        " From here on \nall is one\n-- \nGrete",
    )
    document = read(tmp_path, "Content-Type: text/plain; format=flowed", "", *lines)
    expected = "The ferry goes at nine.\n\n>> quoted lines\n> other\nFrom here on all is one\n-- \nGrete"
    assert body_of(document) == expected


def test_the_space_at_the_end_of_a_flowed_line_may_be_no_part_of_the_text() -> None:
    assert flowed_text("機械密 \n封の点検 \n\nend", keeps_space=False) == "機械密封の点検\n\nend"


@given(st.text(alphabet="ab >-\n", max_size=40))
def test_flowing_changes_only_space_and_marks_of_quotes(text: str) -> None:
    def letters(source: str) -> str:
        return "".join(char for char in source if char in "ab")

    assert letters(flowed_text(text)) == letters(text)


def test_commands_of_enriched_text_are_left_out() -> None:
    source = "<bold>Now</bold> is\n<color><param>red</param>it</color>\n\ndone << 5"
    assert enriched_text(source) == "Now is it\ndone < 5"


def test_an_invitation_is_what_when_where_and_who(tmp_path: Path) -> None:
    document = read(tmp_path, "Content-Type: text/calendar; method=REQUEST; charset=utf-8", "", INVITATION)
    assert body_of(document) == SHOWN
    assert document.missing == ()


def test_an_invitation_that_is_also_attached_is_read_once(tmp_path: Path) -> None:
    encoded = "Content-Transfer-Encoding: base64\n\n" + encodebytes(INVITATION.encode()).decode()
    plain = "Content-Type: text/plain\n\nPlease come"
    calendar = f"Content-Type: text/calendar; charset=utf-8\n{encoded}"
    attached = f"Content-Type: application/ics; name=invite.ics\nContent-Disposition: attachment\n{encoded}"
    inner = parts("multipart/alternative", plain, calendar).replace("=b", "=c").replace("--b", "--c")
    document = read(tmp_path, parts("multipart/mixed", inner, attached))
    assert body_of(document) == f"Please come\n\n{SHOWN}"
    assert document.missing == ()


def test_a_calendar_without_an_event_is_missing(tmp_path: Path) -> None:
    document = read(tmp_path, "Content-Type: text/calendar; name=a.ics", "", "BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    assert [sentence.partition("(")[0] for sentence in document.missing] == ["The attached file a.ics "]


@given(st.lists(st.sampled_from(INVITATION.split("\n")), max_size=20))
def test_any_order_of_fields_is_read(lines: list[str]) -> None:
    text = calendar_text("\n".join(["BEGIN:VCALENDAR", *lines]))
    assert text.count("Event: ") <= lines.count("SUMMARY:Bootsprüfung\\, jährlich")
    assert "19701025" not in text


@pytest.mark.parametrize("rest", [";" * 500, ';"";' * 500, ";A=b" * 500])
def test_a_field_without_a_value_is_no_field(rest: str) -> None:
    assert calendar_text(f"BEGIN:VEVENT\nATTENDEE{rest}\nSUMMARY:Pier\nEND:VEVENT") == "Event: Pier"


def test_very_many_flowed_lines_and_commands_are_read() -> None:
    assert flowed_text("a \n" * 400_000) == "a " * 399_999 + "a\n"
    assert enriched_text("<param>" * 50_000 + "red</param>it") == "it"


def test_a_report_says_what_was_not_delivered(tmp_path: Path) -> None:
    status = (
        "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; x@example.org\nDiagnostic-Code: smtp; 550 no"
    )
    document = read(
        tmp_path,
        parts(
            "multipart/report; report-type=delivery-status",
            "Content-Type: text/plain\n\nNot delivered",
            f"Content-Type: message/delivery-status\n\n{status}\n",
            "Content-Type: text/rfc822-headers\n\nFrom: office@example.org\nSubject: =?utf-8?q?F=C3=A4hre?=\nX-Y: z",
        ),
    )
    assert body_of(document) == f"Not delivered\n\n{status}\n\nFrom: office@example.org\nSubject: Fähre"
    assert document.missing == ()


def test_an_alternative_for_certain_programs_is_not_missing(tmp_path: Path) -> None:
    amp = "Content-Type: text/x-amp-html\n\n<html amp4email>Hello</html>"
    document = read(tmp_path, parts("multipart/alternative", "Content-Type: text/plain\n\nHello", amp))
    assert (body_of(document), document.missing) == ("Hello", ())


def test_html_is_read_where_it_says_much_more_than_a_long_plain_text(tmp_path: Path) -> None:
    plain = "Content-Type: text/plain\n\n" + "This program cannot show the table of prices. " * 5
    rows = "".join(f"<tr><td>Part KP-{n}<td>{n} EUR" for n in range(40))
    html = f'Content-Type: text/html\n\n<div style="color:red; display: none">Preview</div><table>{rows}</table>'
    text = body_of(read(tmp_path, parts("multipart/alternative", plain, html)))
    assert text.startswith("Part KP-0 | 0 EUR\nPart KP-1 | 1 EUR\n")
    assert text.endswith("Part KP-39 | 39 EUR")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("iso-8859-1", "cp1252"),
        ("iso-8859-1", "utf-8"),
        ("us-ascii", "utf-8"),
        ("us-ascii", "cp1252"),
        ("utf-8", "cp1252"),
        ("no-such", "utf-8"),
        ("windows-1252", "utf-8"),
    ],
)
def test_a_declared_charset_that_is_wrong_does_no_harm(declared: str, encoding: str, tmp_path: Path) -> None:
    text = "Größe über alles – „gut“ für 5 €"
    document = read(tmp_path, f"Content-Type: text/plain; charset={declared}", "", "", body=text.encode(encoding))
    assert body_of(document) == text


def test_a_declared_charset_stands_for_the_larger_one_that_programs_write(tmp_path: Path) -> None:
    body = "①髙橋 様".encode("cp932")
    document = read(tmp_path, "Content-Type: text/plain; charset=shift_jis", "", "", body=body)
    assert body_of(document) == "①髙橋 様"


def test_lists_and_program_code_of_html_stand_as_they_are_shown(tmp_path: Path) -> None:
    items = "<ol start=3><li>oar<li value=7>rope<li><ul><li>hemp</ul></ol><ol type=a><li>x</ol><ol><li></ol>"
    code = "<pre>if a:\n    b()</pre>"
    document = read(tmp_path, "Content-Type: text/html; charset=utf-8", "", f"<p>List</p>{items}{code}")
    assert body_of(document) == "List\n3. oar\n7. rope\n- hemp\n- x\nif a:\nb()"


def test_paragraphs_in_items_of_lists_have_their_numbers_and_marked_up_code_its_lines(tmp_path: Path) -> None:
    items = "<ol><li><p>oar</p><p>of ash</p></li><li><div><p>rope</p></div><li><p></p></ol><p>end</p>"
    code = "<pre><code><span>if</span> a:\n    b()\n</code></pre><p>one\nline</p>"
    document = read(tmp_path, "Content-Type: text/html; charset=utf-8", "", items + code)
    assert body_of(document) == "1. oar\nof ash\n2. rope\nend\nif a:\nb()\none line"


def test_parts_that_nothing_parts_are_shown_as_they_stand(tmp_path: Path) -> None:
    document = read(tmp_path, "Content-Type: multipart/mixed", "", "The ferry goes at nine.")
    assert (body_of(document), document.missing) == ("The ferry goes at nine.", ())
