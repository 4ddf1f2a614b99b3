"""Dates, numbers, codes and names with signs are found in other spellings, before records that are nearly the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.highlights import matched_spans
from pipeline.vectorstore.analysis import dates, passages, patterns, queries


def score(question: str, passage: str) -> float:
    frequencies, _ = passages.terms(passage)
    return sum(weight * frequencies.get(term, 0.0) for term, weight in queries.terms(question).items())


@pytest.mark.parametrize(
    ("question", "passage", "other"),
    [
        ("5 kW", "Power 5 kW, 22 rpm, mass 54 kg.", "Power 22 kW, 5 rpm, mass 5 kg."),
        ("motor with 5kW", "Motor: power 5 kW, 22 rpm.", "Motor: power 22 kW, 5 rpm."),
        ("0,5 kW", "Power 0.5 kW, torque 5 Nm.", "Power 5 kW, torque 0.5 Nm."),
        ("exit code 7", "The exit code 7, port 12.", "The exit code 12, port 7."),
        ("§ 14 UStG", "§ 14 UStG regelt die Rechnung.", "§ 3 UStG, Absatz 14, regelt den Ort."),
        ("Paragraph 14 UStG", "§ 14 UStG regelt die Rechnung.", "§ 3 UStG, Absatz 14, regelt den Ort."),
        ("10000 Euro", "Der Preis ist 10.000 Euro.", "Der Preis ist 10.500 Euro."),
        ("1234,50", "Zu zahlen sind 1.234,50 Euro.", "Zu zahlen sind 1.234,60 Euro."),
        ("+49 209 44029618", "Tel.: 0209 / 440296-18", "Hausnummer 209, Tel.: 0210 / 447733-49"),
        ("0209/44029618", "Tel.: (0209) 44029618", "Tel.: 0209 / 447700-18"),
        ("C4534FE0CA25", "mac C4:53:4F:E0:CA:25", "mac C4:53:4F:E0:CA:26"),
        ("c4-53-4f-e0-ca-25", "mac C453.4FE0.CA25", "mac 0A:1B:2C:3D:4E:5F"),
        (
            "6512bd43d9caa6e02c990b0a82652dca",
            "request 6512bd43-d9ca-a6e0-2c99-0b0a82652dca",
            "request 6512bd43-d9ca-a6e0-2c99-0b0a82652dcb",
        ),
        ("ORA-1017", "failed: ORA-01017", "failed: ORA-01018"),
        ("version 2.3.1", "v2.3.1 is out", "v2.3.2 is out"),
        ("800704A5", "Error 0x800704A5", "Error 0x800704A6"),
        ("getUserById6", "def get_user_by_id6(self)", "def get_user_by_id7(self)"),
        ("MAX_RETRY_COUNT", "maxRetryCount = 3", "maxRetryDelay = 3"),
        ("order service", "class OrderService", "class ShippingQueue"),
        ("C++", "Developer for C++ wanted.", "Developer for C# wanted."),
        ("C#", "Developer for C# wanted.", "Developer for C++ wanted."),
        ("C", "Developer for C wanted.", "Developer for C++ wanted."),
        (".net", "Developer for .NET wanted.", "Developer for the net wanted."),
        ("🚢", "The 🚢 is late.", "The 🚗 is late."),
        ("O'Brien", "Call OBrien.", "Call Bryan."),
        ("42", "पृष्ठ ४२", "पृष्ठ ४३"),
    ],
)
def test_another_spelling_finds_its_record_first(question: str, passage: str, other: str) -> None:
    assert score(question, passage) > score(question, other)


@pytest.mark.parametrize("passage", ["Minutes of 2026-01-08", "Protokoll vom 08.01.2026", "Scan_20260108.pdf"])
@pytest.mark.parametrize(
    "question",
    ["2026-01-08", "08.01.2026", "8.1.2026", "8. Januar 2026", "January 8, 2026", "8 janvier 2026", "20260108"],
)
def test_a_date_is_found_in_every_spelling(question: str, passage: str) -> None:
    other = passage.replace("8", "9")

    assert score(question, passage) > score(question, other)


def test_a_month_finds_its_days() -> None:
    question = "Protokoll März 2026"

    assert score(question, "Protokoll vom 14.03.2026") > score(question, "Protokoll vom 14.04.2026")


@pytest.mark.parametrize("text", ["2026-13-01", "32.01.2026", "1.2.3456", "00.00.2026", "the year 2026", "12345678"])
def test_what_is_no_date_has_none(text: str) -> None:
    assert list(dates.matches(text)) == []


def test_a_decimal_is_not_another_one() -> None:
    assert not {term for term in queries.terms("1.05 mm") if "|" in term} & queries.terms("1.5 mm").keys()


def test_the_place_of_a_pattern_is_highlighted() -> None:
    text = "Power 5 kW, on 08.01.2026 by C++."
    spans = matched_spans(text, "5kW 2026-01-08 c++")

    assert [text[start:end] for start, end in spans] == ["5 kW", "08.01.2026", "C++"]


@given(st.text(max_size=80), st.sampled_from(["5 kW", "2026-01-08", "+49 231 5501-17", "C++", "aa:bb:cc:dd:ee:ff"]))
def test_any_text_has_patterns_within_it(text: str, pattern: str) -> None:
    whole = f"{text} {pattern}"

    for start, end, term, frequency in patterns.matches(whole):
        assert 0 <= start < end <= len(whole)
        assert term
        assert 0 < frequency <= 2


def test_long_runs_of_digits_and_signs_are_read_in_linear_time() -> None:
    for text in ("1 " * 50_000, "12:" * 50_000, "1.234" * 30_000, "+0" * 50_000, "a1" * 50_000, "(0" * 50_000):
        assert len(list(patterns.matches(text))) <= len(text)
