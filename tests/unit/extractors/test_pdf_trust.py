"""Which text layers are trusted: by their characters, their fonts, and whether their letters form words."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_builder import FONT, book, pdf, show

from extractors import Document, Options, extract
from extractors.errors import Empty
from extractors.options import OcrMode
from extractors.pdf.trust import hardly_letters, is_clearly_text, why_distrusted, words_of

ENGLISH = """The harbour office lets the boat shed at the end of the northern quay to members of the sailing club for
seven years. Every tenant keeps the slipway free of ice and weed, repairs doors and windows, and reports
leaks to the owner within three working days. The rent is due on the first Monday of each month; whoever
pays late is charged interest. Pumps, winches and cradles belong to the shed and must not be lent to
others without a written permission."""
GERMAN = """Die Mitglieder der Genossenschaft haben in ihrer Versammlung beschlossen, die alte Wasserpumpe im
kommenden Frühjahr zu ersetzen. Zwölf Angebote wurden eingeholt, verglichen und geprüft; das günstigste
erhielt den Zuschlag. Bis zum Einbau bleibt der Brunnen geschlossen, und die Grundstücke werden aus dem
städtischen Netz versorgt, wofür Gebühren anfallen."""
RUSSIAN = """Члены товарищества решили заменить старый водяной насос будущей весной. Было получено двенадцать
предложений, самое выгодное из них приняли единогласно. До установки нового оборудования колодец остаётся
закрытым, а участки получают воду из городской сети, за что взимается отдельная плата. Ключ от сарая
хранится у председателя правления."""
GREEK = """Τα μέλη του συνεταιρισμού αποφάσισαν να αντικαταστήσουν την παλιά αντλία νερού την επόμενη άνοιξη. Έλαβαν
δώδεκα προσφορές από διάφορες εταιρείες και δέχτηκαν την πιο συμφέρουσα. Μέχρι την εγκατάσταση του νέου
εξοπλισμού το πηγάδι παραμένει κλειστό και τα οικόπεδα παίρνουν νερό από το δίκτυο της πόλης έναντι
ξεχωριστής πληρωμής."""
TEXTS = {"English": ENGLISH, "German": GERMAN, "Russian": RUSSIAN, "Greek": GREEK}
ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя", "αβγδεζηθικλμνξοπρστυφχψω")


def exchanged(text: str, partners: Callable[[str], str]) -> str:
    """The text with the letters of each alphabet exchanged for their partners, capitals likewise."""
    pairs = [(a, b) for alphabet in ALPHABETS for a, b in zip(alphabet, partners(alphabet), strict=True)]
    return text.translate({ord(a): b for a, b in [*pairs, *((a.upper(), b.upper()) for a, b in pairs)]})


def shifted(text: str, by: int) -> str:
    """The text as a font shows it whose glyph numbers are taken for characters."""
    return "".join(chr(max(1, ord(letter) + by)) if " " <= letter <= "~" else letter for letter in text)


@pytest.mark.parametrize("language", TEXTS)
def test_text_of_a_language_is_trusted(language: str) -> None:
    assert why_distrusted(TEXTS[language]) is None
    assert why_distrusted(TEXTS[language].upper()) is None
    assert is_clearly_text(TEXTS[language])


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("places", [1, 3, 7, 13, 20])
def test_letters_that_are_all_shifted_are_found(language: str, places: int) -> None:
    text = exchanged(TEXTS[language], lambda alphabet: alphabet[places:] + alphabet[:places])
    assert why_distrusted(text) == "the letters of its text layer do not form words"
    assert not is_clearly_text(text)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("seed", range(6))
def test_letters_in_the_order_of_an_exchanged_alphabet_are_found(language: str, seed: int) -> None:
    chance = random.Random(seed)
    text = exchanged(TEXTS[language], lambda alphabet: "".join(chance.sample(alphabet, len(alphabet))))
    assert why_distrusted(text) is not None


@pytest.mark.parametrize("by", [-31, -29, -3, 1])
def test_glyph_numbers_taken_for_characters_are_found(by: int) -> None:
    assert why_distrusted(shifted(ENGLISH, by)) is not None
    assert why_distrusted(shifted("Minutes of the allotment society, third of June", by), unmapped=1.0) == (
        "the fonts of its text layer do not say which characters they show"
    )


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"KXRT-{number} BNWQ/{number} LMZV{number}" for number in range(60)),
        "KXRT BNWQ LMZV PQRS TTRX WKLM ZXCV HJKL QWRT PLKM NBVC DFGH XSWZ RFVT YHNB UJMK KJHG PWQX TRWQ " * 3,
        "HTTP XML HTML CSS SQL TCP UDP DNS DHCP FTP SMTP IMAP SSH TLS SSL VPN LAN WAN BGB StGB HGB ZPO " * 3,
        "i ii iii iv vi vii viii ix xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii xxiv xxv xxvi " * 3,
        "\n".join(f"{number} {number * 7.25:.2f} {number * 3} %" for number in range(200)),
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDF\n" * 20,
        "mov eax, ebx\njmp short loop\npush ebp\nsub esp, edx\nxor ecx, ecx\npshufd xmm0, xmm1\n" * 20,
        "def words_of(text): return [match.group() for match in PATTERN.finditer(text) if match]\n" * 20,
        "离心泵的机械密封每周检查一次。请勿在没有水的情况下启动水泵。" * 20,
        "펌프는 매주 점검합니다. 물이 없을 때에는 펌프를 켜지 마십시오. " * 20,
        "यह पंप हर हफ्ते जाँचा जाता है और हर महीने तेल लगाया जाता है। " * 20,
        "يتم فحص المضخة كل أسبوع وتزييتها كل شهر ولا تشغل بدون ماء. " * 20,
        "המשאבה נבדקת כל שבוע ומשומנת כל חודש ואין להפעיל אותה ללא מים. " * 20,
        "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. " * 20,
        "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir â rheswm. " * 20,
        "Хүн бүр төрж мэндлэхдээ эрх чөлөөтэй, адилхан нэр төртэй, ижил эрхтэй байдаг. " * 20,
        "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo. " * 20,
    ],
)
def test_codes_figures_and_other_scripts_are_trusted(text: str) -> None:
    assert why_distrusted(text) is None


@given(words=st.lists(st.sampled_from(ENGLISH.split()), min_size=40))
def test_words_in_any_order_are_trusted(words: list[str]) -> None:
    assert why_distrusted(" ".join(words)) is None


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    words = words_of(text)
    assert words is None or (words.count > 0 and 0 <= words.usual <= 9)


def test_fonts_without_characters_are_no_matter_where_the_letters_form_words() -> None:
    assert why_distrusted(ENGLISH, unmapped=1.0) is None
    assert why_distrusted("4711 .... 4712", unmapped=0.2) is None


def test_digits_and_marks_alone_are_hardly_letters() -> None:
    assert hardly_letters("1. 23 % (456) - 78, 90. " * 4)
    assert not hardly_letters("1. 23 %")
    assert not hardly_letters(ENGLISH)


@pytest.mark.parametrize(
    "text",
    [
        "Check list 2026\n" + "".join(f"{row} X X X X X X\n" for row in range(12)),
        f"┌{'─' * 30}┬{'─' * 20}┐\n│ Rope │ 5.50 │\n└{'─' * 30}┴{'─' * 20}┘",
        "Gerät ★★★★★ ★★★★☆ ★★★☆☆\n" * 10,
        "Ja ☐ ☒ ☐ Nein ☐ ☑ ☐\n" * 12,
    ],
)
def test_tables_of_ticks_lines_and_stars_are_trusted(text: str) -> None:
    assert why_distrusted(text) is None


def test_glyphs_taken_for_ornaments_are_no_text() -> None:
    assert why_distrusted("▼✐♥✉t❡s✥♦❢✥t❤❡✥s♦❝✐❡t②✥♦♥✥t❤❡✥t❤✐r❞✥♦❢✥❏✉♥❡✥❚❤❡✥✇❛") is not None
    assert why_distrusted("✓ oiled ✓ checked ✗ cleaned ✓ tested " * 3) is None


def _extract(folder: Path, data: bytes, ocr: OcrMode = "auto") -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(ocr=ocr))


def _glyph_numbers(lines: list[str], head: list[str] | None = None) -> bytes:
    """A file whose font is of the kind Identity-H and says nothing about its characters: numbers from 3, the blank.

    The lines of the head are in an ordinary font.
    """
    shown = b" ".join(b"<%s> Tj T*" % "".join(f"{ord(letter) - 29:04x}" for letter in line).encode() for line in lines)
    plain = b" ".join(b"(%s) Tj T*" % line.encode() for line in head or [])
    content = b"BT /F 11 Tf 14 TL 50 500 Td %s ET BT /G 11 Tf 14 TL 50 800 Td %s ET" % (shown, plain)
    info = b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F 5 0 R /G 8 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type0 /BaseFont /Subset /Encoding /Identity-H /DescendantFonts [6 0 R] >>",
            b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Subset %s /FontDescriptor 7 0 R >>" % info,
            b"<< /Type /FontDescriptor /FontName /Subset /Flags 4 /FontBBox [0 -200 1000 900] /StemV 80 >>",
            FONT,
        ]
    )


def test_a_font_of_glyph_numbers_alone_is_not_trusted(tmp_path: Path) -> None:
    page = _extract(tmp_path, _glyph_numbers(["Minutes of the society", "The water pump is replaced"])).pages[0]
    assert (page.origin, page.layer) == ("pending", "check")
    assert page.warnings == ("Read by OCR: the fonts of its text layer do not say which characters they show.",)


def test_a_readable_head_does_not_vouch_for_a_body_without_characters(tmp_path: Path) -> None:
    words = ENGLISH.split()
    body = [" ".join(words[at : at + 8]) for at in range(0, 40, 8)]
    page = _extract(tmp_path, _glyph_numbers(body, ENGLISH.split("\n"))).pages[0]
    assert (page.origin, page.layer) == ("pending", "check")


def test_shifted_letters_of_an_ordinary_font_are_not_trusted(tmp_path: Path) -> None:
    lines = exchanged(ENGLISH, lambda alphabet: alphabet[3:] + alphabet[:3]).split("\n")
    document = _extract(tmp_path, book([show(*ENGLISH.split("\n")), show(*lines)]))
    assert [(page.origin, page.layer) for page in document.pages] == [("text", "keep"), ("pending", "check")]
    assert document.pages[1].text == "\n".join(lines)


def test_ocr_off_keeps_what_there_is_and_names_the_pages(tmp_path: Path) -> None:
    lines = exchanged(ENGLISH, lambda alphabet: alphabet[3:] + alphabet[:3]).split("\n")
    data = book(
        [show("A page with a text layer that is long enough to be one."), b"0 0 100 100 re f", show(*lines), b""]
    )
    document = _extract(tmp_path, data, "off")
    assert [page.origin for page in document.pages] == ["text", "empty", "text", "empty"]
    assert document.pages[2].text == "\n".join(lines)
    assert document.pages[1].warnings == ("Not read by OCR, as the setting `ocr` is `off`: it has no text layer.",)
    assert document.missing == ("Pages 2-3: writing is not read, as the setting `ocr` is `off`.",)
    assert document.missing[0] in document.warnings


def test_a_scan_with_ocr_off_is_empty_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(Empty, match="the setting `ocr` is `off`"):
        _extract(tmp_path, book([b"0 0 100 100 re f"]), "off")


def test_ocr_force_reads_every_page_on_which_anything_is_drawn(tmp_path: Path) -> None:
    document = _extract(tmp_path, book([show("A page with a text layer that is long enough."), b""]), "force")
    assert [(page.origin, page.layer) for page in document.pages] == [("pending", "replace"), ("empty", "keep")]
    assert document.pages[0].text == "A page with a text layer that is long enough."
