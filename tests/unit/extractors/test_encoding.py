"""Code pages: the one whose text reads best, the languages that are expected, and a warning where it is not certain."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from extractors import Options, extract
from extractors.encodings.code_pages import CODECS, EBCDIC
from extractors.encodings.detect import decode

PHRASES = (Path(__file__).parents[2] / "data" / "german_phrases.txt").read_text("utf-8").splitlines()

SENTENCES = {
    "fr": "La facture a été réglée à l'échéance prévue, après un contrôle très sévère.",
    "es": "El señor Muñoz pidió la reparación del camión después del almuerzo.",
    "pt": "A manutenção não está concluída; as peças chegarão amanhã à estação.",
    "sv": "Båten ligger förtöjd vid bryggan och får inte röras före påsk.",
    "da": "Nøglen ligger på køkkenbordet, så døren står åben hele året.",
    "pl": "Proszę zamknąć drzwi, ponieważ pada śnieg i jest bardzo źle na łące.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy v městské čtvrti.",
    "hu": "Kérjük, őrizze meg a jegyet, mert a kapuőr később újra kéri tőle.",
    "tr": "Müşteri, ödeme yapılmadığı için siparişin gönderilmediğini söyledi.",
    "el": "Ό,τι έγραψε ο καπετάνιος στο ημερολόγιο χάθηκε στη φουρτούνα.",
    "ru": "Договор вступает в силу со дня подписания обеими сторонами.",
    "uk": "Їхній човен стоїть біля пристані, і його ніхто не чіпає.",
    "bg": "Лодката е завързана на кея и не бива да се пипа до пролетта.",
    "he": "הסירה קשורה ליד הרציף ואסור לגעת בה עד האביב.",
    "ar": "القارب مربوط عند الرصيف ولا يجوز لمسه حتى الربيع.",
    "th": "เรือจอดอยู่ที่ท่าเรือ ห้ามผู้ใดแตะต้องจนถึงฤดูร้อน",
    "lv": "Laiva ir piesieta pie krasta, un to nedrīkst aiztikt līdz pavasarim šķūnī.",
    "ja": "船は桟橋につながれています。春まで触らないでください。",
    "zh": "船停在码头上，春天以前请不要动它，谢谢合作。",
    "ko": "배는 부두에 묶여 있으니 봄까지 만지지 마십시오.",
}
PAGES = {
    "fr": ("cp1252", "iso8859-15", "cp850", "mac-roman", "cp037", "cp500"),
    "es": ("cp1252", "cp850", "mac-roman"),
    "pt": ("cp1252", "cp850", "cp860"),
    "sv": ("cp1252", "cp437", "cp865"),
    "da": ("cp1252", "cp850", "mac-roman"),
    "pl": ("cp1250", "iso8859-2", "cp852", "mac-latin2"),
    "cs": ("cp1250", "iso8859-2", "cp852", "mac-latin2"),
    "hu": ("cp1250", "iso8859-2", "cp852"),
    "tr": ("cp1254", "iso8859-9", "cp857", "cp1026"),
    "el": ("cp1253", "iso8859-7", "cp737", "mac-greek"),
    "ru": ("cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic"),
    "uk": ("cp1251", "koi8-u", "iso8859-5", "cp1125", "mac-cyrillic"),
    "bg": ("cp1251", "iso8859-5", "cp866", "cp855"),
    "he": ("cp1255", "iso8859-8", "cp862", "cp424"),
    "ar": ("cp1256", "iso8859-6", "cp720"),
    "th": ("cp874", "tis-620"),
    "lv": ("cp1257", "iso8859-13", "cp775"),
    "ja": ("cp932", "euc_jp", "iso2022_jp", "utf-7"),
    "zh": ("gb18030", "gb2312", "hz", "utf-7"),
    "ko": ("cp949", "euc_kr", "johab", "iso2022_kr"),
}


@pytest.mark.parametrize(("language", "page"), [(code, page) for code, pages in PAGES.items() for page in pages])
def test_a_sentence_is_read_in_every_code_page_of_its_language(language: str, page: str) -> None:
    decoded = decode(SENTENCES[language].encode(page))
    assert decoded is not None
    assert (decoded.text, decoded.damaged) == (SENTENCES[language], False)


@pytest.mark.parametrize("page", ["cp1252", "iso8859-15", "cp850", "mac-roman"])
def test_short_german_phrases_are_read_as_they_are(page: str) -> None:
    readable = [phrase for phrase in PHRASES if phrase == phrase.encode(page, "replace").decode(page)]
    read = [decode(phrase.encode(page)) for phrase in readable]
    exact = sum(one is not None and one.text == phrase for one, phrase in zip(read, readable, strict=True))
    assert len(readable) > 90
    assert exact >= 0.97 * len(readable)


WINDOWS_1252 = (
    "It’s “fine” – really…", "Don’t panic", "The price is £5 or €6", "20 °C, 3 µm, ½ l, 5 m²", "„Guten Tag“, sagte er.",
    "« Bonjour », dit-il.", "Copyright © 2024 Acme® GmbH™", "Preis: 12,50 €", "§ 5 Abs. 3 BGB", "• first\n• second",
    "10% ± 2% × 3", "100 ‰", "µ-Controller", "»Ja«, sagte sie.", "ÄÖÜ äöü ß", "ü", "Tür", "ÖSTERREICH", "cœur", "Þór",
    "¿Qué? ¡Hola!", "Müller;Köln;12,5\nJäger;Fürth;7\n", "int main() { // Rückgabewert prüfen\n return 0; }",
)  # fmt: skip


@pytest.mark.parametrize("text", WINDOWS_1252)
def test_signs_quotes_and_single_letters_are_windows_1252(text: str) -> None:
    decoded = decode(text.encode("cp1252"))
    assert decoded is not None
    assert (decoded.text, decoded.encoding) == (text, "cp1252")


@pytest.mark.parametrize("page", ["cp437", "cp850", "cp852"])
def test_frames_of_dos_are_read(page: str) -> None:
    text = "┌──────┬─────┐\n│ Name │ Ort │\n├──────┼─────┤\n│ Jörg │ Ulm │\n└──────┴─────┘\n"
    decoded = decode(text.encode(page))
    assert decoded is not None
    assert decoded.text == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.sampled_from("äЖ語ßé€"))
def test_every_text_that_is_valid_utf8_is_utf8(text: str, letter: str) -> None:
    assume(not text.startswith("\ufeff"))
    decoded = decode((text + letter).encode())
    assert decoded is not None
    assert (decoded.text, decoded.encoding, decoded.uncertain) == (text + letter, "utf-8", False)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(PHRASES), min_size=4, max_size=40))
def test_several_german_lines_are_certain(lines: list[str]) -> None:
    text = "\r\n".join([*PHRASES[:8], *lines])
    decoded = decode(text.encode("cp1252"))
    assert decoded is not None
    assert (decoded.text, decoded.encoding, decoded.uncertain) == (text, "cp1252", False)


@pytest.mark.parametrize(
    ("text", "page", "language"),
    [("Niğde", "cp857", "tr"), ("קוד מקור של Scala ממ", "iso8859-8", "he"), ("più £5", "mac-roman", "it")],
)
def test_expected_languages_decide_between_code_pages(text: str, page: str, language: str) -> None:
    decoded = decode(text.encode(page), [language])
    assert decoded is not None
    assert decoded.text == text


def test_expected_languages_change_what_is_read() -> None:
    data = "Niğde".encode("cp857")
    free, turkish = decode(data), decode(data, ("tr",))
    assert free is not None
    assert turkish is not None
    assert free.text != turkish.text == "Niğde"


@pytest.mark.parametrize(
    ("name", "data"),
    [("bill.txt", "Gebühr 120,00 €\r\n"), ("greeting.md", "# Grüße aus Köln"), ("list.csv", "Müller;5 €")],
)
def test_a_short_text_is_windows_1252_with_a_warning(tmp_path: Path, name: str, data: str) -> None:
    path = tmp_path / name
    path.write_bytes(data.encode("cp1252"))
    document = extract(path)
    assert document.text == data.replace("\r\n", "\n")
    (warning,) = document.warnings
    assert "cp1252" in warning
    assert "`languages`" in warning
    assert document.missing == ()


def test_expected_languages_reach_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "town.txt"
    path.write_bytes("Niğde".encode("cp857"))
    assert extract(path, Options(languages=("tr",))).text == "Niğde"


@pytest.mark.parametrize("language", ["zh", "ja", "ko"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_mark_and_without_ascii_is_read(language: str, encoding: str) -> None:
    text = SENTENCES[language].replace(" ", "").replace(".", "")
    decoded = decode(text.encode(encoding))
    assert decoded is not None
    assert (decoded.text, decoded.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("The program reads its settings at start. See the manual. " * 30 + "設定を確かめてください。", "cp932"),
        ("The program reads its settings at start. See the manual. " * 30 + "Größe prüfen", "cp1252"),
        ("Voir la page de dpkg\xa01.14, ou\xa0: la note\xa0! Puis la page\xa05.", "cp1252"),
        ("Lidhja me shërbyesin dështoi, ju lutemi provoni përsëri më vonë.", "cp1252"),
    ],
)
def test_texts_of_two_languages_and_with_hard_spaces_are_read(text: str, page: str) -> None:
    decoded = decode(text.encode(page))
    assert decoded is not None
    assert decoded.text == text


def test_a_latin_name_in_a_text_of_another_script_decides_nothing() -> None:
    text = "fullblock натрупване"
    decoded = decode(text.encode("iso8859-5"))
    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize("text", ["ada@example.org", "@ada@grace@joan", "a@b@c@d@e", "user@host:/path/to@file"])
def test_addresses_are_no_hebrew(text: str) -> None:
    decoded = decode(text.encode())
    assert decoded is not None
    assert (decoded.text, decoded.encoding) == (text, "utf-8")


def test_a_declared_encoding_is_taken() -> None:
    text = '<?xml version="1.0" encoding="iso-8859-2"?><a>ł</a>'
    decoded = decode(text.encode("iso8859-2"))
    assert decoded is not None
    assert decoded.text == text


def test_lines_of_a_mainframe_end_where_they_should() -> None:
    text = "Die Größe der Häuser überrascht\nStraße für Straße\n"
    decoded = decode(text.encode("cp273").replace(b"\x25", b"\x15"))
    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize("page", [*CODECS, *EBCDIC])
def test_every_code_page_of_the_table_is_known_to_python(page: str) -> None:
    assert "a".encode(page).decode(page) == "a"


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_no_text(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is None or decoded.text.encode("utf-8", "surrogatepass") is not None


@pytest.mark.parametrize(
    ("codec", "line"), [("cp1252", "Zeile über Köln für alle, „heute“"), ("cp1251", "Протокол собрания жильцов дома")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_a_code_page_among_lines_of_utf8_are_read_as_such(codec: str, line: str, end: str) -> None:
    own = f"Grüße aus Köln{end}plain line{end}für Österreich, über Zürich{end}"
    decoded = decode(own.encode() + f"{line}{end}".encode(codec) + own.encode())
    assert decoded is not None
    assert decoded.text == f"{own}{line}{end}{own}"
    assert (decoded.encoding, decoded.beside, decoded.damaged) == ("utf-8", codec, False)


def test_a_broken_byte_in_a_line_of_utf8_is_replaced() -> None:
    decoded = decode("für Österreich\n".encode() * 20 + b"pier \xff \xc3\xbc\n")
    assert decoded is not None
    assert (decoded.encoding, decoded.damaged, decoded.text.count("\ufffd"), decoded.beside) == ("utf-8", True, 1, "")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_character_that_the_end_of_a_line_cuts_is_replaced(end: str) -> None:
    cut = f"Zugriff verweigert f{end}".encode().replace(end.encode(), b"\xc3" + end.encode())
    decoded = decode(f"für Österreich{end}".encode() * 9 + cut + f"für Zürich{end}".encode())
    assert decoded is not None
    assert (decoded.encoding, decoded.damaged, decoded.text.count("f\ufffd"), decoded.beside) == ("utf-8", True, 1, "")


def test_a_few_characters_that_are_utf8_by_chance_do_not_decide() -> None:
    text = "Ã¼ ist ein Zeichenfehler\nGrüße aus Köln\nfür alle Gäste\n"
    decoded = decode(text.encode("cp1252"))
    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gb18030", "发票号码查询\n机械密封的检查\n我们的产品目录\n水泵\n联通\n今天天气很好，我们去公园散步\n"),
        ("big5", "發票號碼查詢\n機械密封的檢查\n我們的產品目錄\n水泵\n今天天氣很好，我們去公園散步\n"),
        ("euc_jp", "請求書の件について\n機械の点検\nポンプの部品\n水\n今日は天気がとても良いです\n"),
        ("cp949", "세금계산서를 발행합니다\n기계 점검\n펌프\n오늘은 날씨가 아주 좋습니다\n"),
    ],
)
def test_lines_in_a_code_page_of_ideograms_are_no_utf8(codec: str, text: str) -> None:
    decoded = decode(text.encode(codec) * 3)
    assert decoded is not None
    assert (decoded.text, decoded.beside) == (text * 3, "")


@pytest.mark.parametrize(
    "text", ["สวัสดีชาวโลก", "ใบเสร็จรับเงิน", "ซีลกันรั่วของปั๊มน้ำ", "วันจันทร์ที่ 5 มีนาคม", "ประเทศไทย", "ราคา 500 บาท"]
)
def test_short_thai_is_known_by_its_syllables(text: str) -> None:
    decoded = decode(text.encode("cp874"))
    assert decoded is not None
    assert decoded.text == text
