"""Tables in Markdown and CSV: where they begin, where their rows begin, which row names the columns."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import extract
from extractors.document import Table
from extractors.text.tables import csv_table, header_of, markdown_tables, row_starts

PROSE = "Dear all, the meeting is moved, please note.\nKind regards, Ines\n\nP.S. Bring the keys, the red ones, too.\n"


def rows(text: str, table: Table) -> list[str]:
    starts = [*row_starts(text, table), table.char_end]
    return [text[start:end].strip("\n") for start, end in pairwise(starts)]


def test_markdown_tables_end_at_a_blank_line_and_need_a_delimiter_row():
    text = "# T\n\nA | B\n:-- | --:\n1 | 2\n3 | 4\n\nnot | a table\n\n| C |\n|---|\n| x \\| y |"
    first, second = markdown_tables(text)
    assert rows(text, first) == ["A | B", ":-- | --:", "1 | 2", "3 | 4"]
    assert header_of(text, first) == "A | B"
    assert header_of(text, second) == "| C |"
    assert rows(text, second)[-1] == "| x \\| y |"


@pytest.mark.parametrize("text", ["a\n---\nb", "- a | b\n\n---|---\n", "| a | b |\n|---|\n", PROSE, "", "|---|---|\n"])
def test_headings_rules_and_prose_are_no_tables(text: str):
    assert not [table for table in markdown_tables(text) if table.header_end > table.char_start + 1]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("name,city\nAnna,Köln\nBert,Bonn\n", "name,city"),
        ("Artikel;Preis\nDübel;1,20\nHaken;3,10\n", "Artikel;Preis"),
        ("id\tname\n1\tAnna\n2\tBert\n", "id\tname"),
        ("1,Anna\n2,Bert\n", ""),
        ("Anna,Köln\nBert,Bonn\nAnna,Ulm\n", ""),
        ("name,,city\nAnna,x,Köln\n", ""),
        ("Product,2023,2024\nbolt,5,7\nnut,2,1\n", "Product,2023,2024"),
        ("Anna,1987\nBert,1990\n", ""),
        (",Qty,Price\nbolt,5,7\nnut,2,1\n", ",Qty,Price"),
        (",Kiel,Bonn\n,Ulm,Köln\n", ""),
        ("A;B;C\n1,5;2,5;3,5\n1,6;2,6;3,6\n", "A;B;C"),
        ("sep=;\nNr;Name\n1;Anna\n2;Bert\n", "Nr;Name"),
        ("Stock of May\n\n" + "Nr;Name\n" + "".join(f"{number};x\n" for number in range(30)), "Nr;Name"),
    ],
)
def test_the_header_of_a_csv_file_is_its_first_row_if_that_names_columns(text: str, header: str):
    table = csv_table(text)
    assert table is not None
    assert header_of(text, table) == header


@pytest.mark.parametrize("text", [PROSE, "one line", "", "a\nb\nc\n"])
def test_text_without_rows_is_no_csv(text: str):
    assert csv_table(text) is None


CELLS = st.text(st.sampled_from('ab ,;"\n0é'), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=2, max_size=12))
def test_rows_of_csv_are_those_that_were_written(cells: list[list[str]]):
    header = ["first name", "second name", "third name"]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([header, *cells])
    table = csv_table(file.getvalue())
    assert table is not None
    read = [next(csv.reader(io.StringIO(row, newline=""))) for row in rows(file.getvalue(), table)]
    assert read == [header, *cells]
    assert header_of(file.getvalue(), table) == '"first name","second name","third name"'


def test_a_csv_file_is_one_table(tmp_path):
    (tmp_path / "stock.csv").write_text("Artikel;Bestand\nHaken;3\n", encoding="cp1252")
    document = extract(tmp_path / "stock.csv")
    assert document.media_type == "text/csv"
    assert document.tables == (Table(0, 16, 24),)
    assert document.text == "Artikel;Bestand\nHaken;3\n"


@pytest.mark.parametrize("before", ["    ", "> ", "  > ", "\t"])
def test_tables_in_lists_and_quotes_are_tables(before: str):
    lines = ["| Part | Use |", "|---|---|", "| K1 | a cleat |", "| K2 | a winch |"]
    text = "1. first\n\n" + "".join(f"{before}{line}\n" for line in lines) + f"{before.rstrip()}\n2. second\n"
    (table,) = markdown_tables(text)
    assert header_of(text, table) == lines[0]
    assert [row.lstrip("> \t") for row in rows(text, table)] == lines


@pytest.mark.parametrize("following", ["## Next", "```", "~~~"])
def test_a_table_ends_before_a_heading_or_a_fence(following: str):
    text = f"| A | B |\n|---|---|\n| 1 | 2 |\n{following}\nOther text\n"
    (table,) = markdown_tables(text)
    assert text[table.char_end :] == f"\n{following}\nOther text\n"


def test_a_quote_within_a_cell_is_an_inch_and_joins_no_rows():
    lines = ["Part;Use", *(f'pipe {number}/4" steel;"line one\nline ""two"""' for number in range(1200))]
    text = "\n".join(lines)
    table = csv_table(text)
    assert table is not None
    assert table.quoted
    assert rows(text, table) == lines


def test_a_plain_text_has_tables_as_markdown_has(tmp_path):
    (tmp_path / "stock.txt").write_text("Stock\n\n| Part | Use |\n|---|---|\n| K1 | a cleat |\n", encoding="utf-8")
    document = extract(tmp_path / "stock.txt")
    assert [header_of(document.text, table) for table in document.tables] == ["| Part | Use |"]


@pytest.mark.parametrize(
    "line", ["> " * 150_000, " " * 300_000 + "x", "|" * 300_000, "|-" * 150_000 + "x", "-" * 300_000]
)
def test_long_lines_of_marks_are_passed_over(line: str):
    assert markdown_tables(f"a | b\n{line}\n\nA | B\n--|--\n1 | 2\n")[-1].char_end > len(line)


def test_comments_above_a_short_table_are_none_of_it():
    text = "# exported\n# by hand\nid,name\n1,Bolt\n2,Nut\n3,Pin\n"
    table = csv_table(text)
    assert table is not None
    assert header_of(text, table) == "id,name"
    assert rows(text, table) == ["id,name", "1,Bolt", "2,Nut", "3,Pin"]
