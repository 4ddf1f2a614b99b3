"""Form fields, remarks and notes of PDF pages: each once, where a reader sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdf_builder import annotated, at, book, show

from extractors import Document, Options, extract
from extractors.errors import Empty
from extractors.options import PdfEngine

NAME = at(10, 150, "Name:")


def _read(folder: Path, data: bytes, engine: PdfEngine = "pdfium") -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(pdf_engine=engine))


def _text(folder: Path, content: bytes, *annotations: bytes, extra: tuple[bytes, ...] = ()) -> str:
    return _read(folder, annotated(content, *annotations, extra=extra)).text


def _field(kind: bytes, box: tuple[int, int, int, int], more: bytes) -> bytes:
    return b"/Subtype /Widget /FT /%s /T (f%d-%d) /Rect [%d %d %d %d] %s" % (kind, box[0], box[1], *box, more)


def test_a_value_stands_after_its_label(tmp_path: Path) -> None:
    content = NAME + at(10, 120, "Town:") + at(110, 120, "Code:") + at(10, 90, "Signed in blue ink.")
    fields = [
        _field(b"Tx", (160, 115, 190, 130), b"/V (21335)"),
        _field(b"Tx", (50, 115, 100, 130), b"/V (L\\374neburg)"),
        _field(b"Tx", (50, 145, 190, 160), b"/V (Okonjo)"),
    ]
    expected = "Name: Okonjo\nTown: Lüneburg Code: 21335\nSigned in blue ink."
    assert _text(tmp_path, content, *fields) == expected


def test_fields_beside_each_other_stand_on_one_line_under_their_labels(tmp_path: Path) -> None:
    content = at(10, 180, "Item") + at(110, 180, "Count") + at(10, 60, "Total")
    boxes = [(110, 120, 195, 135), (10, 120, 95, 135), (110, 150, 195, 165), (10, 150, 95, 165), (10, 20, 95, 35)]
    fields = [_field(b"Tx", box, b"/V (%d-%d)" % box[:2]) for box in boxes]
    assert _text(tmp_path, content, *fields) == "Item Count\n10-150 110-150\n10-120 110-120\nTotal\n10-20"


def test_fields_above_all_text_begin_the_page(tmp_path: Path) -> None:
    fields = [_field(b"Tx", (110, 170, 190, 185), b"/V (Okonjo)"), _field(b"Tx", (10, 170, 95, 185), b"/V (Kiel)")]
    assert _text(tmp_path, at(10, 150, "(place)") + at(110, 150, "(name)"), *fields) == "Kiel Okonjo\n(place) (name)"


def test_a_value_over_a_rule_to_write_on_stands_behind_it(tmp_path: Path) -> None:
    fields = [_field(b"Tx", (42, 148, 70, 160), b"/V (Ada)"), _field(b"Tx", (130, 148, 160, 160), b"/V (May)")]
    content = at(10, 150, "Name: __________ Date: ..........")
    assert _text(tmp_path, content, *fields) == "Name: __________ Ada Date: .......... May"


def test_a_value_under_its_label_stands_on_the_next_line(tmp_path: Path) -> None:
    content = at(10, 150, "Remarks") + at(10, 60, "End of form")
    value = _field(b"Tx", (10, 80, 190, 140), b"/V (two lines:\\rof text)")
    assert _text(tmp_path, content, value) == "Remarks\ntwo lines:\nof text\nEnd of form"


@pytest.mark.parametrize(
    ("content", "boxes", "expected"),
    [
        (at(40, 150, "Newsletter"), [(20, 147, 32, 159)], "☒ Newsletter"),
        (at(10, 150, "Newsletter"), [(80, 147, 92, 159)], "Newsletter ☒"),
        (at(40, 150, "yes") + at(120, 150, "no"), [(20, 147, 32, 159), (100, 147, 112, 159)], "☒ yes ☒ no"),
        (at(20, 150, "yes") + at(120, 150, "no"), [(45, 147, 57, 159), (140, 147, 152, 159)], "yes ☒ no ☒"),
    ],
)
def test_a_tick_stands_beside_its_label(
    tmp_path: Path, content: bytes, boxes: list[tuple[int, int, int, int]], expected: str
) -> None:
    fields = [_field(b"Btn", box, b"/AS /Yes /V /Yes") for box in boxes]
    assert _text(tmp_path, content, *fields) == expected


@pytest.mark.parametrize(
    ("more", "mark"),
    [
        (b"/AS /Yes", "☒"),
        (b"/AS /Off /V /Yes", "☐"),
        (b"/V /Yes", "☒"),
        (b"/V /Off", "☐"),
        (b"", "☐"),
        (b"/V /b /AP << /N << /a 3 0 R /Off 3 0 R >> >>", "☐"),
        (b"/V /a /AP << /N << /a 3 0 R /Off 3 0 R >> >>", "☒"),
    ],
)
def test_ticked_and_empty_boxes(tmp_path: Path, more: bytes, mark: str) -> None:
    field = _field(b"Btn", (20, 147, 32, 159), more)
    assert _text(tmp_path, at(40, 150, "Vegan"), field) == f"{mark} Vegan"


def test_the_choice_of_a_radio_group_is_marked(tmp_path: Path) -> None:
    group = b"<< /FT /Btn /Ff 49152 /T (pay) /V /cash /Kids [5 0 R 6 0 R] >>"
    buttons = [
        b"/Subtype /Widget /Parent 7 0 R /Rect [20 147 32 159] /AP << /N << /bill 3 0 R /Off 3 0 R >> >>",
        b"/Subtype /Widget /Parent 7 0 R /Rect [100 147 112 159] /AP << /N << /cash 3 0 R /Off 3 0 R >> >>",
    ]
    content = at(40, 150, "Invoice") + at(120, 150, "Cash")
    assert _text(tmp_path, content, *buttons, extra=(group,)) == "☐ Invoice ☒ Cash"


def test_a_tick_without_text_beside_it_names_what_it_means(tmp_path: Path) -> None:
    field = _field(b"Btn", (20, 47, 32, 59), b"/AS /Yes /TU (Newsletter by post)")
    assert _text(tmp_path, NAME, field) == "Name:\n☒ Newsletter by post"


@pytest.mark.parametrize(
    ("more", "value"),
    [
        (b"/Ff 131072 /V (b) /Opt [[(a) (Harbour basics)] [(b) (Night passage)]]", "Night passage"),
        (b"/V (Berth C7) /Opt [(Berth A1) (Berth C7)]", "Berth C7"),
        (b"/Ff 2097152 /V [(red) (blue)] /Opt [(red) (green) (blue)]", "red, blue"),
        (b"/I [1 2] /Opt [(red) (green) (blue)]", "green, blue"),
        (b"/Ff 393216 /V (typed in) /Opt [(red)]", "typed in"),
    ],
)
def test_choices_are_read_as_they_are_shown(tmp_path: Path, more: bytes, value: str) -> None:
    assert _text(tmp_path, NAME, _field(b"Ch", (60, 145, 190, 160), more)) == f"Name: {value}"


@pytest.mark.parametrize(
    "field",
    [
        _field(b"Tx", (60, 145, 190, 160), b"/F 2 /V (hidden)"),
        _field(b"Tx", (60, 145, 190, 160), b"/F 32 /V (no view)"),
        _field(b"Tx", (60, 145, 190, 160), b"/Ff 8192 /V (password)"),
        _field(b"Tx", (60, 145, 60, 145), b"/V (no area)"),
        _field(b"Btn", (60, 145, 190, 160), b"/Ff 65536 /V (push button)"),
        _field(b"Sig", (60, 145, 190, 160), b"/V << /Name (signature without appearance) >>"),
        b"/Subtype /Link /Rect [0 0 99 99] /Contents (description of a link)",
        b"/Subtype /Popup /Rect [0 0 99 99] /Contents (window of a note)",
        b"/Subtype /FreeText /F 2 /Rect [0 0 99 99] /Contents (hidden)",
        b"/Subtype /FileAttachment /Rect [0 0 9 9] /Contents (a.txt) /FS << /F (a.txt) >>",
        b"/Subtype /Text /Rect [0 0 9 9] /Contents (Accepted) /StateModel (Review) /State (Accepted)",
    ],
)
def test_what_is_not_seen_is_left_out(tmp_path: Path, field: bytes) -> None:
    assert _text(tmp_path, NAME, field) == "Name:"


def test_what_the_page_shows_itself_is_not_repeated(tmp_path: Path) -> None:
    content = NAME + at(62, 150, "Okonjo") + at(10, 100, "Okonjo is the skipper.")
    assert _text(tmp_path, content, _field(b"Tx", (60, 145, 190, 160), b"/V (Okonjo)")) == (
        "Name: Okonjo\nOkonjo is the skipper."
    )


def test_typed_remarks_stand_between_the_lines_that_they_stand_between(tmp_path: Path) -> None:
    content = at(10, 150, "Article 1.") + at(10, 50, "Article 2.")
    remark = b"/Subtype /FreeText /Rect [10 90 190 120] /Contents (Agreed by phone: 8,450 francs)"
    rich = b"/Subtype /FreeText /Rect [10 10 190 30] /RC (<body><p>R&amp;D</p><p>pays <b>half</b></p></body>)"
    assert _text(tmp_path, content, rich, remark) == (
        "Article 1.\nAgreed by phone: 8,450 francs\nArticle 2.\nR&D\npays half"
    )


def test_a_page_with_only_a_remark_has_it_as_its_text(tmp_path: Path) -> None:
    document = _read(tmp_path, annotated(b"", b"/Subtype /FreeText /Rect [10 90 190 120] /Contents (model HX-12)"))
    assert [(page.text, page.origin) for page in document.pages] == [("model HX-12", "text")]


def test_notes_and_comments_stand_at_the_end_of_the_page_once(tmp_path: Path) -> None:
    comment = b"/Subtype /Highlight /Rect [10 140 60 160] /T (Ada) /Contents (who is this?)"
    notes = [
        b"/Subtype /Text /Rect [0 90 9 99] /Contents (check the date)",
        comment,
        comment,
        b"/Subtype /StrikeOut /Rect [10 140 60 160] /T (Bo) /Contents ()",
    ]
    assert _text(tmp_path, NAME, *notes) == "Name:\nNote (Ada): who is this?\nNote: check the date"


def _appearance(content: bytes, resources: bytes = b"/Font << /F 3 0 R >>") -> bytes:
    head = b"<< /Subtype /Form /BBox [0 0 130 20] /Resources << %s >> /Length %d >>" % (resources, len(content))
    return b"%s\nstream\n%s\nendstream" % (head, content)


def test_the_text_of_a_stamp_is_read_from_its_appearance(tmp_path: Path) -> None:
    stamps = [
        b"/Subtype /Stamp /Rect [10 90 100 110] /Contents (by the night desk) /AP << /N 7 0 R >>",
        b"/Subtype /Stamp /Rect [10 50 100 70] /Name /NotApproved",
    ]
    assert _text(tmp_path, NAME, *stamps, extra=(_appearance(at(2, 2, "RECEIVED 3 May")),)) == (
        "Name:\nRECEIVED 3 May\nNot Approved\nNote: by the night desk"
    )


def test_a_signature_is_read_as_it_is_drawn(tmp_path: Path) -> None:
    """The appearance of a signature is a form within a form."""
    signature = b"/Subtype /Widget /FT /Sig /T (s) /Rect [10 90 140 110] /V << /Name (Ada) >> /AP << /N 6 0 R >>"
    extra = (_appearance(b"/FRM Do", b"/XObject << /FRM 7 0 R >>"), _appearance(at(2, 2, "Signed by Ada Okonjo")))
    assert _text(tmp_path, NAME + at(10, 60, "Place"), signature, extra=extra) == "Name:\nSigned by Ada Okonjo\nPlace"


@pytest.mark.parametrize(("more", "value"), [(b"", " 41.50 EUR"), (b"/V ()", ""), (b"/Ff 8192", "")])
def test_a_field_without_a_stored_value_is_read_as_it_is_drawn(tmp_path: Path, more: bytes, value: str) -> None:
    field = _field(b"Tx", (60, 145, 190, 160), b"/AP << /N 6 0 R >> " + more)
    assert _text(tmp_path, NAME, field, extra=(_appearance(at(2, 2, "41.50 EUR")),)) == f"Name:{value}"


def test_fields_of_a_page_that_is_shown_turned(tmp_path: Path) -> None:
    content = b"BT /F 10 Tf 0 1 -1 0 50 10 Tm (Name:) Tj ET BT /F 10 Tf 0 1 -1 0 90 10 Tm (Town:) Tj ET"
    fields = [_field(b"Tx", (80, 60, 95, 190), b"/V (Kyoto)"), _field(b"Tx", (40, 60, 55, 190), b"/V (Ono)")]
    data = annotated(content, *fields).replace(b"/MediaBox", b"/Rotate 90 /MediaBox")
    assert _read(tmp_path, data).text == "Name: Ono\nTown: Kyoto"


def test_fields_of_an_encrypted_file(tmp_path: Path) -> None:
    import pypdf

    path = tmp_path / "plain.pdf"
    path.write_bytes(annotated(NAME, _field(b"Tx", (60, 145, 190, 160), b"/V (Okonjo)")))
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt("geheim", algorithm="RC4-128")
    writer.write(path)
    assert extract(path, Options(passwords=("geheim",))).text == "Name: Okonjo"


def _doubling(first: int, level: bytes, last: bytes) -> list[bytes]:
    """Forty levels, from this object number on, that each name the next one twice."""
    return [*(level % (number, number) for number in range(first + 1, first + 41)), last]


def test_a_form_that_doubles_with_each_level_is_not_started(tmp_path: Path) -> None:
    """pdfium would walk it for hours; the page that OCR needs is drawn all the same."""
    from extractors.pdf.extract import render_page

    tree = _doubling(5, b"<< /Kids [%d 0 R %d 0 R] >>", b"<< /FT /Tx /T (x) /V (y) >>")
    form = b"/AcroForm << /Fields [5 0 R] /NeedAppearances true >>"
    path = tmp_path / "file.pdf"
    path.write_bytes(book([show("Harmless"), b"0 0 99 99 re f"], form, tree))
    assert extract(path, Options()).pages[0].text == "Harmless"
    assert render_page(path, 2, Options(ocr_dpi=72)).getpixel((50, 150)) == 0
    path.write_bytes(book([b""], form, tree))
    with pytest.raises(Empty):
        extract(path, Options())


def test_the_parents_of_a_field_may_lead_round_in_a_circle(tmp_path: Path) -> None:
    field = b"/Subtype /Widget /Rect [60 145 190 160] /Parent 5 0 R /V (x)"
    assert _text(tmp_path, NAME, field) == "Name:"


def test_a_form_is_drawn_for_ocr(tmp_path: Path) -> None:
    from extractors.pdf.extract import render_page

    filled = b"<< /Subtype /Form /BBox [0 0 100 100] /Length 14 >>\nstream\n0 0 99 99 re f\nendstream"
    field = _field(b"Tx", (50, 50, 150, 150), b"/V (x) /AP << /N 6 0 R >>")
    path = tmp_path / "file.pdf"
    path.write_bytes(annotated(b"", field, extra=(filled,)))
    assert render_page(path, 1, Options(ocr_dpi=72)).getpixel((100, 100)) == 0


@pytest.mark.parametrize("engine", ["pypdf", "pypdf2"])
def test_other_engines_place_annotations_too(tmp_path: Path, engine: PdfEngine) -> None:
    if engine == "pypdf2":
        pytest.importorskip("PyPDF2", exc_type=ImportError)
    content = NAME + at(30, 120, "Vegan") + at(10, 50, "Signed.")
    fields = [
        _field(b"Btn", (10, 117, 22, 129), b"/AS /Yes"),
        _field(b"Tx", (60, 145, 190, 160), b"/V (Okonjo)"),
        b"/Subtype /FreeText /Rect [10 70 190 90] /Contents (no nuts)",
        b"/Subtype /Text /Rect [0 90 9 99] /T (Ada) /Contents (ask again)",
    ]
    document = _read(tmp_path, annotated(content, *fields), engine)
    assert document.text == "Name: Okonjo\n☒ Vegan\nno nuts\nSigned.\nNote (Ada): ask again"


def test_a_damaged_annotation_does_not_take_the_page_with_it(tmp_path: Path) -> None:
    document = _read(tmp_path, annotated(NAME, _field(b"Tx", (60, 145, 190, 160), b"/V 6 0 R"), extra=(b"<< /A",)))
    assert document.text == "Name:"


def test_a_field_that_lies_over_its_label_divides_no_word(tmp_path: Path) -> None:
    tick = _field(b"Btn", (14, 147, 22, 159), b"/AS /Yes")
    value = _field(b"Tx", (20, 95, 90, 110), b"/V (Okonjo)")
    text = _text(tmp_path, at(10, 150, "Newsletter by post") + at(10, 100, "Surname: here"), tick, value)
    assert text == "☒ Newsletter by post\nSurname: here Okonjo"


def test_fields_beyond_the_limit_stand_at_the_end_of_the_page(tmp_path: Path) -> None:
    """Each of these fields covers the whole page, so that all its text would have to be looked at for each."""
    content = b"".join(at(5 + number % 4 * 45, 190 - number // 4 * 2, f"label{number}") for number in range(300))
    fields = [_field(b"Tx", (0, 0, 200, 200), b"/V (value%d)" % number) for number in range(1_000)]
    words = _text(tmp_path, content, *fields).split()
    assert sorted(words) == sorted([f"label{n}" for n in range(300)] + [f"value{n}" for n in range(1_000)])
    assert words[-2:] == ["value998", "value999"]


@pytest.mark.parametrize(
    ("value", "drawn", "shown"),
    [
        (b"1234.5", b"1.234,50 EUR", "1.234,50 EUR"),
        (b"0.19", b"19 %", "19 %"),
        (b"12345", b"1 2 3 4 5", "12345"),
        (b"1234.5", b"77", "1234.5"),
        (b"Holm 12", b"12", "Holm 12"),
    ],
)
def test_a_number_is_read_as_its_field_writes_it(tmp_path: Path, value: bytes, drawn: bytes, shown: str) -> None:
    field = _field(b"Tx", (60, 145, 190, 160), b"/V (%s) /AP << /N 6 0 R >>" % value)
    look = b"BT /F 9 Tf 2 4 Td (%s) Tj ET" % drawn
    resources = b"/BBox [0 0 130 15] /Resources << /Font << /F 3 0 R >> >>"
    form = b"<< /Subtype /Form %s /Length %d >>\nstream\n%s\nendstream" % (resources, len(look), look)
    assert _text(tmp_path, NAME, field, extra=(form,)) == f"Name: {shown}"


def test_a_button_without_text_beside_it_names_its_option(tmp_path: Path) -> None:
    group = b"/FT /Btn /Ff 49152 /V /1 /Opt [(North pier) (South pier)] /Kids [5 0 R 6 0 R]"
    states = [b"/AS /Off /AP << /N << /0 3 0 R /Off 3 0 R >> >>", b"/AS /1 /AP << /N << /1 3 0 R /Off 3 0 R >> >>"]
    buttons = [
        b"/Subtype /Widget /Parent 7 0 R /Rect [20 %d 32 %d] %s" % (100 - 30 * n, 112 - 30 * n, state)
        for n, state in enumerate(states)
    ]
    text = _text(tmp_path, at(10, 150, "Which berth?"), *buttons, extra=(b"<< %s >>" % group,))
    assert text == "Which berth?\n☐ North pier\n☒ South pier"


def test_text_in_the_drawing_of_a_shape_is_read_once(tmp_path: Path) -> None:
    look = b"BT /F 9 Tf 2 4 Td (Quay length 42 m) Tj ET"
    resources = b"/BBox [0 0 130 15] /Resources << /Font << /F 3 0 R >> >>"
    form = b"<< /Subtype /Form %s /Length %d >>\nstream\n%s\nendstream" % (resources, len(look), look)
    line = b"/Subtype /Line /Rect [10 90 140 105] /L [10 90 140 90] /Contents (Quay length 42 m) /AP << /N 6 0 R >>"
    assert _text(tmp_path, NAME, line, extra=(form,)) == "Name:\nQuay length 42 m"
