"""Messages that are too long for a chat service: what fits is sent, and what does not is counted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.work.notices import Notice
from pipeline.notify.messages import body_of
from pipeline.notify.shortening import fit, head
from pipeline.notify.template import values_of

SIZES = [len, lambda text: len(text.encode("utf-8", "surrogatepass")), lambda text: len(text.replace("<", "&lt;"))]
LIMITS = {"ntfy": 4096, "slack": 4000, "discord": 2000}


@given(st.lists(st.text(), min_size=1), st.integers(20, 200), st.sampled_from(SIZES))
def test_the_first_pieces_fit_with_an_ending_that_counts_them(pieces: list[str], limit: int, size: Any) -> None:
    text = fit(pieces, "\n", limit, size, "({:5} kept)".format)
    assert size(text) <= limit
    number = int(re.findall(r"\(( *\d+) kept\)$", text)[0])
    begin = text.removesuffix(f"\n({number:5} kept)")
    assert begin == "\n".join(pieces[:number]) or (number == 1 and pieces[0].startswith(begin))


@given(st.text(), st.integers(0, 50), st.sampled_from(SIZES))
def test_the_head_is_the_longest_that_fits(text: str, limit: int, size: Any) -> None:
    found = head(text, limit, size)
    assert text.startswith(found)
    assert size(found) <= limit
    assert found == text or size(text[: len(found) + 1]) > limit


def failed(number: int, source: str) -> Notice:
    examples = [
        {"source": f"{source}-{index}.pdf", "code": "corrupt", "message": "It is <damaged>.", "collection": "c"}
        for index in range(number)
    ]
    facts = {"documents": 5000, "codes": {"corrupt": 5000}, "examples": examples}
    return Notice("f", "documents.failed", "documents", "warning", False, 1.8e9, facts)


def sent(notices: list[Notice], name: str) -> str:
    values = values_of(json.loads(body_of("id", "chat", 1.8e9, notices)), name)
    return f"{values['title']}\n{values['text']}"


@pytest.mark.parametrize("name", LIMITS)
def test_a_large_digest_goes_to_every_service(name: str) -> None:
    facts = {"message": "Nö & <no>. " * 9}
    backups = [Notice(f"{n}", "backup.failed", f"/ü<{n}", "error", False, 1.8e9, facts) for n in range(70)]
    text = sent([*backups, failed(20, "/files/" + "<ä>" * 60)], name)
    assert len(text.encode() if name == "ntfy" else text) <= LIMITS[name]
    kept = len(re.findall(r"^\d{4}-\d\d-\d\dT", text, re.MULTILINE))
    assert kept >= 1
    assert text.endswith(f"... and {71 - kept} more: docrelay failures list")


@pytest.mark.parametrize("name", LIMITS)
def test_one_long_event_is_cut_between_lines_and_a_short_one_not_at_all(name: str) -> None:
    text = sent([failed(20, "/files/" + "x" * 300)], name)
    assert len(text) <= LIMITS[name]
    kept = text.count(".pdf (corrupt)")
    assert text.startswith("5000 documents failed\nBy code: 5000 corrupt.\n/files/x")
    assert text.endswith(f"... and {21 - kept} more lines: docrelay failures list")
    assert "more" not in sent([failed(2, "/files/a")], name)
    endless = Notice("b", "backup.failed", "/" + "x" * 9000, "error", False, 1.8e9, {"message": "No."})
    assert len(sent([endless], name)) <= LIMITS[name]
