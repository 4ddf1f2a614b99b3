"""Where the pieces of text stand that pypdf reads from a page; their widths are estimated, as pypdf tells none."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from extractors.pdf.placement import Run

__all__ = ["Pieces"]

CHAR_WIDTH = 0.5
"""Of the letters' height."""
DESCENT, ASCENT = 0.2, 0.8
ASIDE = 0.2
"""A piece is a copy within this share of the letters' height."""
MAX_COMPARED = 50
MAX_PIECES = 100_000


class _Piece(NamedTuple):
    text: str
    origin: tuple[float, float]
    along: tuple[float, float]
    up: tuple[float, float]


class Pieces:
    """Collects what pypdf's `visitor_text` is given."""

    def __init__(self) -> None:
        self._pieces = list[_Piece]()

    def add(self, text: str, matrix: Any, text_matrix: Any, font: Any, size: float) -> None:
        """Keep a piece; this is pypdf's `visitor_text`."""
        if text and len(self._pieces) < MAX_PIECES:
            a, b, c, d, e, f = map(float, text_matrix)
            x = _turned(matrix, e, f)
            along, up = _turned(matrix, a * size, b * size), _turned(matrix, c * size, d * size)
            shift = float(matrix[4]), float(matrix[5])
            self._pieces.append(_Piece(text, (x[0] + shift[0], x[1] + shift[1]), along, up))

    def without_copies(self, text: str) -> str:
        """The text without pieces that are drawn again a little aside; as it is if the pieces do not make it up."""
        if "".join(piece.text for piece in self._pieces) != text:
            return text
        kept, drawn = list[_Piece](), defaultdict[str, list[_Piece]](list)
        for piece in self._pieces:
            printed = piece.text.strip()
            if not any(_is_copy(piece, other) for other in drawn[printed][-MAX_COMPARED:]):
                drawn[printed] += [piece] if printed else []
                kept.append(piece)
            elif piece.text.endswith("\n") and kept and not kept[-1].text.endswith("\n"):
                kept[-1] = kept[-1]._replace(text=f"{kept[-1].text}\n")
        self._pieces = kept
        return "".join(piece.text for piece in kept)

    def runs(self, text: str) -> list[Run]:
        """The pieces as runs of the page's text; [] if the pieces are not what the text is made of."""
        if "".join(piece.text for piece in self._pieces) != text:
            return []
        runs, start = list[Run](), 0
        for piece in self._pieces:
            printed = piece.text.strip()
            if printed:
                first = start + piece.text.index(printed)
                runs.append(Run(first, first + len(printed), *_box(piece, len(printed))))
            start += len(piece.text)
        return runs


def _is_copy(piece: _Piece, other: _Piece) -> bool:
    height = abs(piece.up[0]) + abs(piece.up[1])
    aside = (abs(a - b) for a, b in zip(piece.origin, other.origin, strict=True))
    return max(aside) < ASIDE * height


def _turned(matrix: Any, x: float, y: float) -> tuple[float, float]:
    """The direction after the matrix, without its shift."""
    return x * float(matrix[0]) + y * float(matrix[2]), x * float(matrix[1]) + y * float(matrix[3])


def _box(piece: _Piece, chars: int) -> tuple[float, float, float, float]:
    width = chars * CHAR_WIDTH
    corners = [
        (piece.origin[0] + w * piece.along[0] + h * piece.up[0], piece.origin[1] + w * piece.along[1] + h * piece.up[1])
        for w in (0.0, width)
        for h in (-DESCENT, ASCENT)
    ]
    across, high = zip(*corners, strict=True)
    return min(across), min(high), max(across), max(high)
