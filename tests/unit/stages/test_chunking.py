"""Chunking: properties of every text, and the expected cuts of ordinary texts."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from embeddings import load_tokenizer
from embeddings.base import Tokenizer
from embeddings.tokenizer import CautiousTokenizer
from extractors import extract
from extractors.document import PAGE_SEPARATOR, Document, Page, Section, Table
from extractors.errors import Unsupported
from extractors.text.tables import csv_table, markdown_tables
from pipeline.stages.chunking import chunk_id, cut, text_hash, with_lines
from pipeline.types import Chunk

TOKENIZERS: dict[str, Tokenizer] = {
    "minilm": load_tokenizer("all-MiniLM-L6-v2"),
    "hashing": load_tokenizer("hashing"),
    "cautious": CautiousTokenizer(),
}
ODDITIES = (
    "👩‍👩‍👧‍👦", "é", "क्षि", "שָׁלוֹם", "مرحبا بكم. ", "東京都。", "\u200b", "\u200d", "\x00", "\x1f", "\ufeff", "\u2028",
    "a" * 130, "·" * 40, "ﷺ", "한국어", "🇩🇪", "Z\u0301\u0302\u0303" * 30, "[SEP]", "\n\n",
    "\n", "\t", "z. B. ", "… ", "?! ",
)  # fmt: skip
texts = st.one_of(
    st.text(),
    st.lists(st.sampled_from(ODDITIES) | st.text(max_size=12) | st.from_regex(r"[a-z ]{1,40}[.\n]?"), max_size=60).map(
        "".join
    ),
)
LINES = ("The master wrote.", "", "  ", "# Größe 東京", "a\fb\f", "x\vy\u2028z\x85w\x1c", "word " * 30, "```", "===")
MARKS = {
    "utf-8": b"",
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
}
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain(text: str) -> Document:
    return Document("text/plain", (Page(None, text),))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    pages = draw(st.lists(texts, min_size=1, max_size=5))
    document = Document("application/pdf", tuple(Page(number, text) for number, text in enumerate(pages, 1)))
    length = len(document.text)
    bounds = sorted(draw(st.lists(st.integers(0, length), max_size=6)))
    path = st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=3).map(tuple)
    pairs = zip(bounds[::2], bounds[1::2], strict=False)
    return replace(document, sections=tuple(Section(draw(path), start, end) for start, end in pairs))


def visible(text: str, start: int = 0) -> set[int]:
    return {start + index for index, character in enumerate(text) if not character.isspace()}


def page_at(document: Document, position: int) -> int | None:
    """The page of an offset, found the slow way."""
    passed = 0
    for page in document.pages:
        passed += len(page.text) + len(PAGE_SEPARATOR)
        if position < passed:
            return page.number
    raise AssertionError(position)


def sound(document: Document, chunks: list[Chunk], tokenizer: Tokenizer, max_tokens: int) -> None:
    text = document.text
    assert [chunk.order for chunk in chunks] == list(range(len(chunks)))
    starts = [chunk.char_start for chunk in chunks]
    assert starts == sorted(set(starts))
    assert all(chunk.text == text[chunk.char_start : chunk.char_end] for chunk in chunks)
    assert all(chunk.text and chunk.text == chunk.text.strip() for chunk in chunks)
    assert [chunk.tokens for chunk in chunks] == tokenizer.count([chunk.text for chunk in chunks])
    assert all(chunk.tokens <= max_tokens for chunk in chunks)
    assert set().union(*(visible(chunk.text, chunk.char_start) for chunk in chunks)) == visible(text)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(document=documents(), max_tokens=st.sampled_from([16, 24, 64, 256]), overlap=st.sampled_from([0, 4, 32]))
@quick
def test_any_text_is_covered_in_order_within_the_limit(
    name: str, document: Document, max_tokens: int, overlap: int
) -> None:
    tokenizer = TOKENIZERS[name]
    chunks = cut(document, tokenizer, max_tokens, overlap)
    sound(document, chunks, tokenizer, max_tokens)
    assert chunks == cut(document, tokenizer, max_tokens, overlap)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=texts, max_tokens=st.sampled_from([16, 40]))
@quick
def test_a_chunk_cut_again_stays_whole(name: str, text: str, max_tokens: int) -> None:
    for chunk in cut(plain(text), TOKENIZERS[name], max_tokens, 8):
        again = cut(plain(chunk.text), TOKENIZERS[name], max_tokens, 8)
        assert [(repeated.text, repeated.tokens) for repeated in again] == [(chunk.text, chunk.tokens)]


@given(document=documents())
@quick
def test_pages_are_those_of_the_visible_characters(document: Document) -> None:
    for chunk in cut(document, TOKENIZERS["hashing"], 16, 4):
        touched = [page_at(document, position) for position in sorted(visible(chunk.text, chunk.char_start))]
        assert (chunk.page_start, chunk.page_end) == (touched[0], touched[-1])
        begun = zip(document.page_starts, document.pages, strict=True)
        inside = [(s - chunk.char_start, p.number) for s, p in begun if chunk.char_start < s < chunk.char_end]
        assert list(chunk.page_breaks) == inside


@given(document=documents())
@quick
def test_chunks_stay_in_their_section(document: Document) -> None:
    spans = {(s.char_start, s.char_end): s.path for s in document.sections}
    for chunk in cut(document, TOKENIZERS["hashing"], 16, 4):
        home = [path for (start, end), path in spans.items() if start <= chunk.char_start and chunk.char_end <= end]
        across = [path for (start, end), path in spans.items() if start < chunk.char_end and chunk.char_start < end]
        if chunk.section in home:
            continue
        # Outside every section, or headings that went with the section under them.
        assert not across if not chunk.section else all(chunk.section[: len(path)] == path for path in across)


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\u2028\u3000"])
def test_whitespace_gives_no_chunk(text: str) -> None:
    assert cut(plain(text), TOKENIZERS["minilm"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "東京都は日本の首都です" * 400,
        "Donaudampfschifffahrtsgesellschaft" * 300,
        "👩‍👩‍👧‍👦" * 500,
        "\u200b" * 20_000,
        "." * 5_000,
        "x" + " " * 50_000 + "y",
        "ᾼ" * 2_000,
        "\x00a" * 5_000,
    ],
)
@pytest.mark.parametrize("name", TOKENIZERS)
def test_text_without_breaks_is_cut(name: str, text: str) -> None:
    document = plain(text)
    chunks = cut(document, TOKENIZERS[name], 64, 8)
    sound(document, chunks, TOKENIZERS[name], 64)
    assert len(chunks) > 1
    assert max(len(chunk.text) for chunk in chunks) <= 64 * 16


def test_a_combined_character_is_not_cut() -> None:
    family = "👩\u200d👩\u200d👧"
    for chunk in cut(plain(family * 300), TOKENIZERS["cautious"], 32, 0):
        assert chunk.text == family * (len(chunk.text) // len(family))
    for chunk in cut(plain("e\u0301" * 300), TOKENIZERS["cautious"], 32, 8):
        assert not chunk.text.startswith("\u0301")


def test_breaks_at_paragraphs_then_sentences() -> None:
    sentence = "The harbour master wrote every ship into the great ledger of the town. "
    paragraphs = [(sentence * count).strip() for count in (5, 5, 5, 30, 4)]
    chunks = cut(plain("\n\n".join(paragraphs)), TOKENIZERS["minilm"], 128, 0)
    assert chunks[0].text == paragraphs[0]
    assert all(chunk.text.startswith("The harbour") and chunk.text.endswith("town.") for chunk in chunks)


@pytest.mark.parametrize("abbreviation", ["z. B. das", "etwa 3. Mai", "J. Smith", "ca. zwanzig", "Version 1.5 ist"])
def test_an_abbreviation_ends_no_sentence(abbreviation: str) -> None:
    text = f"Eins zwei drei vier fünf sechs sieben acht. Neun zehn {abbreviation} elf zwölf."
    tokenizer = TOKENIZERS["hashing"]
    tail = text.index(abbreviation) + len(abbreviation)
    fits = tokenizer.count([text[:tail]])[0]
    assert cut(plain(text), tokenizer, fits, 0)[0].text.endswith("acht.")


def test_overlap_repeats_whole_sentences() -> None:
    sentences = [f"Sentence number {number} tells of the river and its bridges." for number in range(60)]
    chunks = cut(plain(" ".join(sentences)), TOKENIZERS["minilm"], 96, 32)
    assert len(chunks) > 5
    for before, after in pairwise(chunks):
        shared = before.text[after.char_start - before.char_start :]
        assert re.fullmatch(r"(Sentence number \d+ [^.]*\.\s?)+", shared)
        assert 14 <= TOKENIZERS["minilm"].count([shared])[0] - 2 <= 32


def test_overlap_of_a_long_sentence_is_whole_words() -> None:
    words = " ".join(f"word{number:04}" for number in range(500))
    chunks = cut(plain(words), TOKENIZERS["hashing"], 50, 10)
    for before, after in pairwise(chunks):
        shared = before.text[after.char_start - before.char_start :]
        assert len(shared.split()) == 10
        assert all(len(word) == 8 for word in shared.split())


def test_a_heading_goes_with_the_section_under_it() -> None:
    text = "# Ships\n\n## Harbour\n\nThe master wrote.\n\n## Sea\n\nWaves."
    harbour, sea = text.index("## Harbour"), text.index("## Sea")
    sections = (
        Section(("Ships",), 0, harbour),
        Section(("Ships", "Harbour"), harbour, sea),
        Section(("Ships", "Sea"), sea, len(text)),
    )
    chunks = cut(replace(plain(text), sections=sections), TOKENIZERS["minilm"])
    assert [(chunk.section, chunk.text) for chunk in chunks] == [
        (("Ships", "Harbour"), "# Ships\n\n## Harbour\n\nThe master wrote."),
        (("Ships", "Sea"), "## Sea\n\nWaves."),
    ]


@pytest.mark.parametrize(
    ("path", "between"), [(("Ships",), ""), (("Other", "Sea"), ""), (("Ships", "Sea"), "A word between.\n")]
)
def test_a_heading_does_not_join_another_section(path: tuple[str, ...], between: str) -> None:
    text = f"Ships\n{between}Waves."
    sections = (Section(("Ships",), 0, 6), Section(path, 6 + len(between), len(text)))
    chunks = cut(replace(plain(text), sections=sections), TOKENIZERS["minilm"])
    assert (chunks[0].section, chunks[0].text) == (("Ships",), "Ships")
    assert (chunks[-1].section, chunks[-1].text) == (path, "Waves.")


def test_rows_of_tables_are_not_cut() -> None:
    row = "harbour\tledger\tship\tbridge\triver"
    for chunk in cut(plain("\n".join([row] * 100)), TOKENIZERS["minilm"], 64, 0):
        assert chunk.text.split("\n") == [row] * (chunk.text.count("\n") + 1)


def test_a_text_within_the_limit_is_one_chunk_though_its_beginning_is_not() -> None:
    text = "a b c " + "x" * 200  # BERT reads the long word as one [UNK], a piece of it as many tokens
    assert [chunk.text for chunk in cut(plain(text), TOKENIZERS["minilm"], 16, 0)] == [text]


def test_the_overlap_is_at_most_half_a_chunk() -> None:
    words = " ".join(["word"] * 1000)
    assert len(cut(plain(words), TOKENIZERS["hashing"], 50, 1000)) == 39


def test_a_heading_that_nothing_stands_under_is_a_chunk() -> None:
    text = "Preface\n\nEnd\n\nAppendix"
    end, appendix = text.index("End"), text.index("Appendix")
    sections = (Section(("End",), end, appendix), Section(("Appendix",), appendix, len(text)))
    chunks = cut(replace(plain(text), sections=sections), TOKENIZERS["minilm"])
    assert [(chunk.section, chunk.text) for chunk in chunks] == [
        ((), "Preface"), (("End",), "End"), (("Appendix",), "Appendix"),
    ]  # fmt: skip


def test_a_chunk_names_its_page_span_and_breaks() -> None:
    pages = (Page(3, "one"), Page(4, ""), Page(5, "two\n"), Page(6, " \n"), Page(7, "three"))
    (chunk,) = cut(Document("application/pdf", pages), TOKENIZERS["minilm"])
    assert (chunk.page_start, chunk.page_end) == (3, 7)
    assert chunk.page_breaks == ((4, 4), (5, 5), (10, 6), (13, 7))
    assert chunk.text[10 - 5 : 8] == "two"
    (chunk,) = cut(plain("no pages"), TOKENIZERS["minilm"])
    assert (chunk.page_start, chunk.page_end, chunk.page_breaks) == (None, None, ())


@pytest.mark.parametrize("suffix", ["txt", "md"])
@given(
    lines=st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(["\n", "\r\n", "\r"])), max_size=40),
    encoding=st.sampled_from([*MARKS]),
)
@quick
def test_lines_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, lines: list[tuple[str, str]], encoding: str
) -> None:
    """The file is split by Python's own universal newlines: at the ends at which an editor does."""
    path = tmp_path_factory.getbasetemp() / f"lines.{suffix}"
    text = "Ledger of the harbour.\r\n" + "".join(map("".join, lines)) + "The end."
    path.write_bytes(MARKS[encoding] + text.encode(encoding.removesuffix("-sig")))
    with path.open(encoding=encoding) as file:
        split = [line.removeprefix("\ufeff") for line in file]
    starts = [0, *accumulate(map(len, split))]
    try:
        document = extract(path)
    except Unsupported:  # too many control characters for a text
        reject()
    chunks = cut(document, TOKENIZERS["hashing"], 16, 4)
    assert chunks
    for chunk in chunks:
        assert chunk.line_start is not None
        assert chunk.line_end is not None
        assert chunk.text in "".join(split[chunk.line_start - 1 : chunk.line_end])
        assert starts[chunk.line_start - 1] <= chunk.char_start < starts[chunk.line_start]
        assert starts[chunk.line_end - 1] < chunk.char_end <= starts[chunk.line_end]


def test_lines_are_set_on_chunks_of_another_chunker() -> None:
    spans = ((4, 8), (0, 3), (0, 9), (9, 9))
    text = "one\ntwo\n\nfour"
    chunks = [Chunk(order, text[a:b], a, b, None, None, (), (), 1) for order, (a, b) in enumerate(spans)]
    assert [(chunk.line_start, chunk.line_end) for chunk in with_lines(plain(text), chunks)] == [
        (2, 2),
        (1, 1),
        (1, 3),
        (4, 4),
    ]


@pytest.mark.parametrize(
    "document",
    [
        Document("application/pdf", (Page(1, "one\ntwo"),)),
        Document("application/vnd.openxmlformats-officedocument.wordprocessingml.document", (Page(None, "one\ntwo"),)),
        Document("text/plain", (Page(1, "one"), Page(2, "two"))),
    ],
)
def test_chunks_of_converted_documents_have_no_lines(document: Document) -> None:
    (chunk,) = cut(document, TOKENIZERS["hashing"])
    assert (chunk.line_start, chunk.line_end) == (None, None)


class Counted:
    """A tokenizer that counts the characters that it tokenizes."""

    def __init__(self, inner: Tokenizer) -> None:
        self.inner = inner
        self.special_tokens = inner.special_tokens
        self.characters = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        self.characters += sum(map(len, texts))
        return self.inner.count(texts)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        self.characters += len(text)
        return self.inner.offsets(text)


@pytest.mark.parametrize("unit", ["x", "word and word. ", "\n", "東", "9 "])
@pytest.mark.parametrize("name", ["minilm", "hashing"])
def test_chunking_time_grows_linearly_with_the_length(name: str, unit: str) -> None:
    tokenizer, text = Counted(TOKENIZERS[name]), unit * (60_000 // len(unit))
    cut(plain(text), tokenizer)
    assert tokenizer.characters <= 3.2 * len(text)


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens"):
        cut(plain("text"), TOKENIZERS["minilm"], 2)
    with pytest.raises(ValueError, match="offset 0"):
        cut(plain("ﷺ"), TOKENIZERS["cautious"], 3)


def test_chunk_ids_are_stable() -> None:
    first_id = chunk_id("v1", 0, "text")
    assert first_id == "fd31c7c2-3e1c-51ec-9e3c-d1bbac769917"
    assert len({first_id, chunk_id("v2", 0, "text"), chunk_id("v1", 1, "text"), chunk_id("v1", 0, "texts")}) == 4
    assert text_hash("text") == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"


HEADER = "| Article | Stock (pieces) | Shelf |"


def stock(rows: int, cell: str = "F4") -> str:
    return "\n".join([HEADER, "|---|---|---|", *(f"| valve {n:04} | {n * 7} | {cell} |" for n in range(rows))])


def with_tables(text: str, media_type: str = "text/markdown") -> Document:
    tables = markdown_tables(text) if media_type == "text/markdown" else (csv_table(text),)
    return Document(media_type, (Page(None, text),), tables=tuple(table for table in tables if table))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_each_chunk_of_a_table_has_the_header_and_whole_rows(name: str):
    text = f"# Stock list\n\nCounted in May.\n\n{stock(60)}\n\nThat was all. {'It is a long story. ' * 30}"
    document, tokenizer = with_tables(text), TOKENIZERS[name]
    chunks = cut(document, tokenizer, 80, 16)
    end = document.tables[0].char_end
    inside = [chunk for chunk in chunks if document.tables[0].header_end <= chunk.char_start < end]
    assert len(inside) > 5
    for chunk in inside:
        assert chunk.prefix == HEADER
        assert chunk.text.startswith("| valve")
        assert all(row.endswith("|") for row in chunk.text[: end - chunk.char_start].split("\n") if row.startswith("|"))
    for chunk in chunks:
        assert chunk.text == text[chunk.char_start : chunk.char_end]
        assert chunk.tokens == tokenizer.count([chunk.searched_text])[0] <= 80
        assert chunk in inside or not chunk.prefix
    assert visible(text) <= {at for chunk in chunks for at in visible(chunk.text, chunk.char_start)}


def test_csv_is_never_cut_within_a_row():
    lines = [f'{n},"Pump {n}, new\nSee the manual. Really.",{n * 3}.50' for n in range(80)]
    text = "number,remark,price\n" + "\n".join(lines) + "\n"
    document = with_tables(text, "text/csv")
    chunks = cut(document, TOKENIZERS["minilm"], 96, 24)
    assert len(chunks) > 10
    assert {chunk.prefix for chunk in chunks[1:]} == {"number,remark,price"}
    for chunk in chunks:
        assert chunk.text.removeprefix("number,remark,price\n").count('"') % 2 == 0
        assert re.match(r"number|\d+,\"Pump", chunk.text)
        assert chunk.text.endswith(".50")


def test_a_row_longer_than_a_chunk_is_cut_and_nothing_is_lost():
    text = "a,b\n" + "word " * 300 + ",1\nshort,2\n"
    chunks = cut(with_tables(text, "text/csv"), TOKENIZERS["minilm"], 64, 8)
    assert visible(text) == {at for chunk in chunks for at in visible(chunk.text, chunk.char_start)}
    assert all(chunk.tokens <= 64 for chunk in chunks)


def test_of_a_header_longer_than_half_a_chunk_the_beginning_is_the_prefix():
    header = ",".join(f"column {n}" for n in range(100))
    text = header + "\n" + "\n".join(",".join(str(n + m) for m in range(100)) for n in range(5))
    chunks = cut(with_tables(text, "text/csv"), TOKENIZERS["minilm"], 64, 8)
    prefixes = {chunk.prefix for chunk in chunks if chunk.prefix}
    assert prefixes
    assert all(header.startswith(prefix) and prefix.startswith("column 0,column 1") for prefix in prefixes)
    assert all(chunk.tokens == TOKENIZERS["minilm"].count([chunk.searched_text])[0] <= 64 for chunk in chunks)


@quick
@given(texts, st.lists(st.integers(0, 400), min_size=3, max_size=9), st.booleans())
def test_with_any_tables_nothing_is_lost(text: str, bounds: list[int], quoted: bool):
    offsets = sorted(min(bound, len(text)) for bound in bounds)
    spans = zip(offsets[::3], offsets[1::3], offsets[2::3], strict=False)
    document = replace(plain(text), tables=tuple(Table(a, b, c, quoted) for a, b, c in spans if a < c))
    tokenizer = TOKENIZERS["minilm"]
    try:
        chunks = cut(document, tokenizer, 24, 6)
    except ValueError:
        reject()
    assert visible(text) == {at for chunk in chunks for at in visible(chunk.text, chunk.char_start)}
    assert all(chunk.tokens == tokenizer.count([chunk.searched_text])[0] <= 24 for chunk in chunks)


def test_a_document_without_pages_and_lines_has_paragraphs():
    text = "One. Once upon a time.\n\nTwo.\n \nThree.\nFour is " + "long " * 40 + "\nFive."
    document = Document("application/x-letter", (Page(None, text),))
    chunks = cut(document, TOKENIZERS["minilm"], 24, 0)
    paragraphs = [line for line in text.split("\n") if line.strip()]
    for chunk in chunks:
        first, last = chunk.paragraph_start, chunk.paragraph_end
        assert chunk.line_start is None
        assert chunk.text.split("\n")[0] in paragraphs[first - 1]
        assert chunk.text.split("\n")[-1] in paragraphs[last - 1]
    assert chunks[0].paragraph_start == 1
    assert chunks[-1].paragraph_end == 5
