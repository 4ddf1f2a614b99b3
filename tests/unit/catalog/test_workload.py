"""The work of a job: known work is counted, unknown work is estimated, in whatever order files arrive."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.work.workload import FILE, OCR_PAGE, UNKNOWN_KB, DocumentGroup, workload
from pipeline.names import ACTIVE


def pile(tail: str, documents: int, kilobytes: float, chunks: int = 0, *, outcome: str | None = None) -> DocumentGroup:
    """A group of documents: waiting, completed with so many chunks, or failed."""
    done = chunks if outcome == "completed" else 0
    size = int(kilobytes * 1000)
    unread = 0 if outcome else documents
    first = min(size, int(documents * UNKNOWN_KB * 1000))
    return DocumentGroup(tail, outcome, outcome or "queued", documents, unread, size, first, chunks, done, done, 0, 0)


def test_known_chunks_are_counted_exactly() -> None:
    done = pile("a.txt", 2, 10, 20, outcome="completed")
    half = replace(pile("b.txt", 1, 5, 10), state="embedding", unread=0, embedded=6, upserted=5)
    work = workload([done, half])
    assert work.done == pytest.approx(20 + 0.9 * 6 + 0.1 * 5 + 3 * FILE)
    assert work.left == pytest.approx(10 - 0.9 * 6 - 0.1 * 5)


def test_the_estimate_holds_when_large_files_hold_little_text() -> None:
    """95 % of the bytes are pictures in PDF files, all the work is in small text files that come last."""
    pictures = [pile("a.pdf", n, 1000 * n, 3 * n) for n in range(21)]
    texts = pile("z.md", 60, 1000)
    truth = 20 * (3 + FILE) + 60 * FILE + 1600
    for read in range(2, 20):
        work = workload([replace(pictures[read], outcome="completed"), pictures[20 - read], texts])
        assert 0.6 < (work.done + work.left) / truth < 1.5, read


def test_an_unread_file_counts_like_the_read_files_of_its_kind() -> None:
    """Texts of one long word give few chunks, like all texts read before."""
    left = [
        workload([pile("a.txt", n, 100 * n, n, outcome="completed"), pile("b.txt", 10, 1000)]).left for n in (0, 1, 9)
    ]
    assert left[0] > 1000
    assert left[1] < left[0] / 4
    assert 10 * (1 + FILE) < left[2] < 10 * (3 + FILE)


def test_unreadable_files_lower_the_estimate_of_their_kind() -> None:
    """After some failures, unread files of the same kind count less; other kinds count as before."""
    alone = workload([pile("a.txt", 1, 100)]).left
    for failed, most in ((1, 160), (9, 40), (99, 10)):
        piles = [pile("x.html", failed, 100 * failed, outcome="failed"), pile("y.html", 10, 1000)]
        assert workload(piles).done == 0
        assert 10 * FILE <= workload(piles).left < most + 10 * FILE
        assert workload([*piles, pile("a.txt", 1, 100)]).left == pytest.approx(workload(piles).left + alone)


def test_pages_for_ocr_count_as_most_of_the_work() -> None:
    waiting = pile("a.png", 5, 5000)
    assert workload([waiting]).left == pytest.approx(5 * (OCR_PAGE + FILE), rel=0.2)
    # A book that was scanned: once it is read, its pages are known; each that OCR has read is done.
    lefts = [
        workload([DocumentGroup(".pdf", None, "extracting", 1, 0, 10**6, 0, 0, 0, 0, 200, pages)])
        for pages in (200, 150, 0)
    ]
    assert [work.done for work in lefts] == [0, 50 * OCR_PAGE, 200 * OCR_PAGE]
    assert lefts[0].left - lefts[2].left == pytest.approx(200 * OCR_PAGE)


def test_queued_scans_count_like_the_scans_in_ocr() -> None:
    """No scan is through yet; of six it is known how many pages they have."""
    known = DocumentGroup(".pdf", None, "extracting", 6, 0, 6 * 400_000, 0, 0, 0, 0, 120, 60)
    waiting = DocumentGroup(".pdf", None, "queued", 994, 994, 994 * 400_000, 0, 0, 0, 0, 0, 0)
    truth = OCR_PAGE * (60 + 994 * 20)
    assert 0.8 < workload([known, waiting]).left / truth < 1.2
    # Of many that hold text and few scans, the rest is the same mixture.
    texts = pile(".pdf", 294, 294 * 400, 3000, outcome="completed")
    assert 0.8 < workload([known, texts, waiting]).left / (OCR_PAGE * (60 + 994 * 120 / 300)) < 1.3


def test_a_large_file_of_which_nothing_is_known_does_not_outweigh_all() -> None:
    texts = [pile(".txt", 400, 4000, 4000, outcome="completed"), pile(".txt", 100, 1000)]
    alone = workload(texts).left
    assert workload([*texts, pile(".zip", 1, 300_000)]).left < 1.3 * alone
    # Nor does it among small ones of its kind, whether they wait or were read.
    small = [pile(".zip", 1000, 1000), pile("", 50, 100, 150, outcome="completed")]
    whole = workload([*texts, *small, pile(".zip", 1, 300_000), pile("", 1, 300_000)]).left
    assert whole < 1.3 * workload([*texts, *small]).left + 1000
    # Where such large files were text, the others are as large.
    read = pile(".dump", 2, 600_000, 900_000, outcome="completed")
    assert 0.5 < workload([read, pile(".dump", 1, 300_000)]).left / 450_000 < 1.5


def test_expected_files_count_like_the_others() -> None:
    here = [pile("a.txt", 5, 50, 100, outcome="completed"), pile("b.txt", 5, 50)]
    both = workload(here)
    more = workload(here, 3.0)
    assert more.done == both.done
    assert more.done + more.left == pytest.approx(4 * (both.done + both.left))
    assert workload([], 3.0).left == 0


@pytest.mark.parametrize(
    ("tail", "kind"),
    [("port.PDF", ".pdf"), ("ts.jsonl", ".jsonl"), ("rkdown", ".markdown"), ("a/README", ""), (".b/cd", ""), ("", "")],
)
def test_the_kind_of_a_file_is_its_suffix(tail: str, kind: str) -> None:
    assert pile(tail, 1, 1).kind == kind


COUNTS = st.integers(0, 1000)
PILES = st.builds(
    lambda tail, outcome, state, documents, size, chunks, shares, pages: DocumentGroup(
        tail,
        outcome,
        state,
        documents,
        documents,
        size,
        min(size, documents * 500_000),
        chunks,
        int(chunks * max(shares)),
        int(chunks * min(shares)),
        *pages,
    ),
    st.sampled_from(["a.txt", "b.pdf", "c.png", "d.zip", "e"]),
    st.sampled_from([None, "completed", "failed", "unchanged", "cancelled"]),
    st.sampled_from([*ACTIVE, None]),
    st.integers(1, 1000),
    st.integers(0, 10**12),
    COUNTS,
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.tuples(COUNTS, COUNTS).map(lambda pair: (max(pair), min(pair))),
)


@given(st.lists(PILES, max_size=12), st.floats(0, 10**6))
def test_work_is_never_negative(piles: list[DocumentGroup], more: float) -> None:
    work = workload(piles, more)
    assert work.done >= 0
    assert work.left >= -1e-6
    over = [pile for pile in piles if pile.outcome is not None]
    assert workload(over).left == 0
