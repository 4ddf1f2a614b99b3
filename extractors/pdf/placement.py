"""Put what stands in form fields and annotations into a page's text, at the place where a reader sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from extractors.pdf.annotations import Annotation
from extractors.pdf.objects import Box

__all__ = ["Run", "overlay", "turned", "with_annotations"]

MAX_GAP = 250.0
"""Points between a field and its label on the same line, at most."""
OTHER_COLUMN = 50.0
"""By so many points a line counts as further away if it does not stand above or below."""
SAME_LINE = 0.4
"""Share of its height by which a piece of text must overlap a field to stand on its line."""
ROW = 10.0
CJK = "\u2e80"
"""From this character on, scripts have no spaces between words."""
NEAR = 2.0
"""Text within so many points of a tick box is beside it."""
FILLERS = "_.-…·"
"""What forms have in the place where one writes."""
MAX_VISITS = 500_000
"""Pieces of text of one page that are compared with fields; further fields stand at the end of the page."""


class Run(NamedTuple):
    """A piece of a page's text on one line, and where it is drawn."""

    start: int
    end: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Insertion:
    """A text, the offset where it goes, the box that it has on the page, and whether it stands on lines of its own."""

    at: int
    box: Box
    text: str
    on_own_line: bool = False


def with_annotations(text: str, runs: list[Run], annotations: Iterable[Annotation]) -> str:
    """Return the page's text with the annotations at their places, and notes at its end.

    A field's value goes after its label, a tick beside it; other texts go on a line of their own below the line
    that stands above them. What the page's own text has at the same place is not repeated.
    """
    annotations = sorted(annotations, key=lambda a: (-a.box[3], a.box[0]))
    notes = [a.text for a in annotations if a.kind == "note"]
    shown = [a for a in annotations if a.kind != "note"]
    layout = Layout(text, runs)
    body = _inserted(text, [layout.place(a) for a in shown if not layout.has(a)])
    return "\n".join([body.rstrip(), *notes] if notes else [body]).lstrip("\n")


def overlay(annotations: Iterable[Annotation]) -> str:
    """The texts of the annotations alone, from top to bottom; ticks say nothing without the text beside them."""
    ordered = sorted(annotations, key=lambda a: (a.kind == "note", -a.box[3], a.box[0]))
    return "\n".join(a.text for a in ordered if a.kind != "tick")


def turned(box: Box, quarters: int) -> Box:
    """The box on a page that is shown turned clockwise by so many quarters of a circle."""
    left, bottom, right, top = box
    for _ in range(quarters % 4):
        left, bottom, right, top = bottom, -right, top, -left
    return left, bottom, right, top


class Layout:
    """A page's text by places."""

    def __init__(self, text: str, runs: list[Run]) -> None:
        self._text = text
        self._rows: dict[int, list[Run]] = defaultdict(list)
        for run in runs:
            self._rows[_row((run.bottom + run.top) / 2)].append(run)
        self._lines = _lines(text, runs)
        self._visits = 0

    def has(self, annotation: Annotation) -> bool:
        """Whether the page's own text shows the annotation's text at its place."""
        left, bottom, right, top = annotation.box
        inside = [r for r in self._near(annotation.box) if left <= (r.left + r.right) / 2 <= right]
        inside = [r for r in inside if bottom <= (r.bottom + r.top) / 2 <= top]
        drawn = "".join(self._text[r.start : r.end] for r in sorted(inside))
        return "".join(annotation.text.split()) in "".join(drawn.split())

    def place(self, annotation: Annotation) -> Insertion:
        """Where the annotation's text goes, and with which spaces or line ends around it."""
        before, after = self._neighbours(annotation.box) if annotation.kind in {"value", "tick"} else (None, None)
        if annotation.kind == "tick" and after and _is_nearer(after, before, annotation.box):
            at = self._word_edge(after.start, -1)
            return Insertion(at, annotation.box, self._spaced(at, f"{annotation.text} "))
        if before:
            at = self._word_edge(before.end, 1)
            return Insertion(at, annotation.box, self._spaced(at, f" {annotation.text}"))
        text = f"{annotation.text} {annotation.label}".strip()
        above = self._above(annotation.box)
        if self._visits >= MAX_VISITS:
            return Insertion(len(self._text), annotation.box, text, on_own_line=True)
        at = 0 if above is None else _line_end(self._text, above.end)
        return Insertion(at, annotation.box, text, on_own_line=True)

    def _near(self, box: Box) -> list[Run]:
        low, high = _row(box[1]) - 1, _row(box[3]) + 1
        rows = range(low, high + 1) if high - low < len(self._rows) else [r for r in self._rows if low <= r <= high]
        runs = [run for row in rows for run in self._rows.get(row, ())] if self._visits < MAX_VISITS else []
        self._visits += len(runs)
        return runs

    def _neighbours(self, box: Box) -> tuple[Run | None, Run | None]:
        """The text left of a field, or in it, and the text right of it, on the same line and not far off."""
        beside = [run for run in self._near(box) if _overlap(run, box) and self._text[run.start : run.end].strip()]
        before = [run for run in beside if (run.left + run.right) / 2 < box[2] and box[0] - run.right <= MAX_GAP]
        after = [run for run in beside if (run.left + run.right) / 2 >= box[2] and run.left - box[2] <= MAX_GAP]
        left = max(before, key=lambda run: (round(run.right), run.top), default=None)
        return left, min(after, key=lambda run: (round(run.left), -run.top), default=None)

    def _above(self, box: Box) -> Run | None:
        """The line below which a text of its own stands."""
        middle = (box[1] + box[3]) / 2
        self._visits += len(self._lines)
        above = [line for line in self._lines if (line.bottom + line.top) / 2 >= middle]
        return min(above, key=lambda line: _distance(line, box), default=None)

    def _word_edge(self, at: int, step: int) -> int:
        """The nearest offset in this direction outside of a word or a rule to write on, which fields lie over."""
        while 0 < at < len(self._text) and _belong_together(self._text[at - 1], self._text[at]):
            at += step
        return at

    def _spaced(self, at: int, text: str) -> str:
        before = self._text[at - 1 : at]
        lead = " " if text.endswith(" ") and before and not before.isspace() else ""
        following = self._text[at : at + 1]
        return f"{lead}{text} " if text.startswith(" ") and following and not following.isspace() else lead + text


def _inserted(text: str, insertions: list[Insertion]) -> str:
    pieces, position, before = list[str](), 0, None
    for insertion in sorted(insertions, key=lambda i: (i.at, -i.box[3], i.box[0])):
        pieces += [text[position : insertion.at], _lead(before, insertion), insertion.text]
        position, before = insertion.at, insertion
    if position == 0 and before and before.on_own_line:
        pieces.append("\n")
    return "".join([*pieces, text[position:]])


def _lead(before: Insertion | None, insertion: Insertion) -> str:
    """What stands before an inserted text: on the line of a form's fields they stand beside each other."""
    if not insertion.on_own_line:
        return ""
    if before is None or before.at < insertion.at or not before.on_own_line:
        return "\n"
    shared = min(before.box[3], insertion.box[3]) - max(before.box[1], insertion.box[1])
    height = max(before.box[3] - before.box[1], insertion.box[3] - insertion.box[1])
    return " " if insertion.box[0] >= before.box[2] and shared * 2 >= height else "\n"


def _belong_together(before: str, after: str) -> bool:
    is_word = before.isalnum() and after.isalnum() and max(before, after) < CJK
    return is_word or (before == after and before in FILLERS)


def _is_nearer(after: Run, before: Run | None, box: Box) -> bool:
    return before is None or after.left - box[2] <= 1.5 * max(box[0] - before.right, NEAR)


def _row(height: float) -> int:
    return int(max(-1e6, min(height, 1e6)) // ROW)


def _overlap(run: Run, box: Box) -> bool:
    shared = min(run.top, box[3]) - max(run.bottom, box[1])
    return shared >= SAME_LINE * min(run.top - run.bottom, box[3] - box[1])


def _distance(line: Run, box: Box) -> float:
    aside = max(line.left - box[2], box[0] - line.right) > 0
    return abs(line.bottom - box[3]) + (OTHER_COLUMN if aside else 0.0)


def _lines(text: str, runs: list[Run]) -> list[Run]:
    """The runs put together to the lines of the text."""
    lines, end = list[Run](), -1
    for run in sorted(runs):
        if run.start >= end:
            lines.append(run)
            end = _line_end(text, run.end)
        else:
            last = lines[-1]
            bottom, top = min(last.bottom, run.bottom), max(last.top, run.top)
            lines[-1] = Run(last.start, run.end, min(last.left, run.left), bottom, max(last.right, run.right), top)
    return lines


def _line_end(text: str, start: int) -> int:
    ends = [end for end in (text.find("\r", start), text.find("\n", start)) if end >= 0]
    return min(ends, default=len(text))
