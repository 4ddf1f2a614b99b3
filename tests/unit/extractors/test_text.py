"""Text and Markdown: every encoding, equal line ends, headings as sections."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import Options, extract
from extractors.encodings.detect import decode
from extractors.errors import TooLarge, Unsupported
from extractors.text.extract import extract_text, markdown_sections

GERMAN = "Die Größe der Häuser in München überrascht die Gäste aus Übersee.\nStraße für Straße, Tür für Tür.\n" * 3
RUSSIAN = "Привет, мир! Это обычный текст на русском языке, и в нём много слов.\n" * 3
CHINESE = "这是一个没有字节顺序标记的中文文本，用来测试编码检测是否正确。\n" * 3


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, CHINESE, "ok\n"], ids=["german", "russian", "chinese", "short"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_unicode_with_and_without_mark(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded is not None
    assert (decoded.text, decoded.damaged) == (text, False)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "cp437"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (CHINESE, "gb18030"),
        ("これは日本語の文章です。文字コードの判定を確かめます。\n" * 3, "shift_jis"),
        ("これは日本語の文章です。文字コードの判定を確かめます。\n" * 3, "iso2022_jp"),
    ],
)
def test_texts_in_legacy_encodings_are_decoded(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded is not None
    assert (decoded.text, decoded.damaged) == (text, False)


def test_a_legacy_letter_far_into_a_file_is_found() -> None:
    decoded = decode(b"plain ascii line\n" * 50_000 + GERMAN.encode("cp1252"))
    assert decoded is not None
    assert decoded.text.endswith(GERMAN)
    assert decoded.encoding == "cp1252"


def test_a_few_broken_bytes_do_not_turn_utf8_into_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((GERMAN * 5).encode() + "ü".encode()[:1])
    document = extract(path)
    assert document.text == GERMAN * 5 + "\ufffd"
    assert document.metadata == {"encoding": "utf-8"}
    assert len(document.warnings) == 1


def test_nul_padding_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first line\n" * 20 + b"\0" * 8 + b"last line\n")
    assert extract(path).text == "first line\n" * 20 + "last line\n"


@given(st.text())
def test_any_utf8_comes_back_as_it_was(text: str) -> None:
    decoded = decode(b"\xef\xbb\xbf" + text.encode())
    assert decoded is not None
    assert (decoded.text, decoded.encoding) == (text, "utf-8")


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_no_text(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is None or decoded.text.encode("utf-8") is not None


def test_one_page_without_number_and_equal_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\rc\n\r\n d ")
    document = extract(path)
    assert document.text == "a\nb\nc\n\n d "
    assert [(page.number, page.origin) for page in document.pages] == [(None, "text")]
    assert document.sections == ()


def test_text_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 41)
    for limit in (10, 40):
        with pytest.raises(TooLarge, match="max_chars"):
            extract(path, Options(max_chars=limit))
    assert len(extract(path, Options(max_chars=41)).text) == 41


def test_binary_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(Unsupported):
        extract_text(path, Options())


def _sections(text: str) -> list[tuple[tuple[str, ...], str]]:
    return [(section.path, text[section.char_start : section.char_end]) for section in markdown_sections(text)]


def test_headings_become_sections() -> None:
    text = "intro\n# One #\na\n### Deep\nb\n## Two\nc\n# *Thr*ee [link](http://x) `code`\n"
    assert _sections(text) == [
        (("One",), "# One #\na\n"),
        (("One", "Deep"), "### Deep\nb\n"),
        (("One", "Two"), "## Two\nc\n"),
        (("Three link code",), "# *Thr*ee [link](http://x) `code`\n"),
    ]


def test_setext_headings_begin_with_their_paragraph() -> None:
    text = "Long\ntitle\n===\na\n\nSub\n---\nb\n"
    assert _sections(text) == [(("Long title",), "Long\ntitle\n===\na\n\n"), (("Long title", "Sub"), "Sub\n---\nb\n")]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# code\n```\n",
        "~~~ py\n# code\n```\n# code\n",
        "    # code\n",
        "#hashtag\n",
        "####### seven\n",
        "---\ntitle: x\n---\ntext\n",
        "- item\n---\n",
        "> quote\nlazy\n---\n",
        "text\n\n---\n",
        "a | b\n--- | ---\n",
        "\\# escaped\n",
    ],
)
def test_lines_that_only_look_like_headings_are_no_sections(text: str) -> None:
    assert _sections(text) == []


def test_a_fence_closes_only_by_its_own_kind() -> None:
    assert _sections("````\n# a\n```\n# b\n````\n# c\n") == [(("c",), "# c\n")]


def test_long_lines_take_no_time() -> None:
    for line in (
        "# " + " \t" * 50_000 + "x",
        "#" * 100_000,
        "[" * 50_000,
        "_" * 50_000 + "a",
        "`" * 50_000 + "x`",
        "- " * 50_000 + "x",
    ):
        assert len(_sections(f"{line}\n===\n# {line}\n")) <= 2


@given(st.lists(st.sampled_from(["# a", "## b", "### c", "===", "---", "text", "", "```", "- x", "  y", "# "])))
def test_sections_are_in_order_apart_and_to_the_end(lines: list[str]) -> None:
    text = "\n".join(lines)
    sections = list(markdown_sections(text))
    edges = [edge for section in sections for edge in (section.char_start, section.char_end)]
    assert edges == sorted(edges)
    assert edges[1:-1:2] == edges[2::2]
    assert not edges or edges[-1] == len(text)


def test_markdown_is_read_with_its_encoding_and_sections(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes("# Größe\r\ntext\r\n".encode("utf-16"))
    document = extract(path)
    assert document.media_type == "text/markdown"
    assert document.metadata == {"encoding": "utf-16-le"}
    (section,) = document.sections
    assert (section.path, section.char_start, section.char_end) == (("Größe",), 0, len("# Größe\ntext\n"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Республика Татарстан: новости, архив, справочник. Учредитель: агентство.\n" * 3, "iso8859-5"),
        ("Άνεμοι και θάλασσα. Ό,τι έγραψε ο ποιητής, το έγραψε για Έλληνες και Άραβες.\n" * 3, "iso8859-7"),
        ("Pfad C:\\Daten\\~temp\n日本語の文章です。設定を確かめてください。\n" * 3, "cp932"),
        ("Türkiye'nin güneşli şehirlerinde ağaçlar çiçek açıyor, ığdır yağmurlu.\n" * 3, "iso8859-9"),
    ],
)
def test_a_codec_is_not_taken_for_one_that_maps_its_bytes_otherwise(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize(("name", "media_type"), [("a.csv", "text/csv"), ("a.tsv", "text/tab-separated-values")])
def test_tables_of_values_are_text_with_a_type_of_their_own(tmp_path: Path, name: str, media_type: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"part,price\r\nvalve,3\r\n")
    document = extract(path)
    assert (document.media_type, document.text) == (media_type, "part,price\nvalve,3\n")


def test_what_no_program_shows_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    title, link = "\x1b]0;title\x07", "\x1b]8;;https://example.org\x1b\\pier\x1b]8;;\x1b\\"
    path.write_text(f"{title}\x1b[1;31mERROR\x1b[0m Donau\u00addampfer\x1b[K at {link}\nESC [31m stays\n", "utf-8")
    assert extract(path).text == "ERROR Donaudampfer at pier\nESC [31m stays\n"
