"""Which pages of a PDF are read by OCR, and the sentence that says why.

What is drawn decides: the area of text against that of pictures, outlines of letters, and stamps, and where that
leaves it open, whether what the text layer does not cover looks like writing.
"""

from __future__ import annotations

from extractors.pdf.engine import SPARSE_CHARS, Drawn
from extractors.pdf.trust import hardly_letters

__all__ = ["needs_look", "unread_pictures", "why_ocr"]

SCAN_SHARE = 0.5
"""Pictures that cover this share of a page, outside its text, are the page; smaller ones stand beside the text."""
FIGURE_SHARE = 0.15
"""Smaller pictures beside text are not read for their writing: logos, icons, small figures."""
SMALL_SHARE = 0.04
"""The same on a page with hardly any text, or with a stamp or signature."""
CHAR_SHARE = 1e-4
"""What one character takes of a page, line spacing included: 5 x 10 points of A4."""
OUTLINES_PER_CHAR = 12
"""Segments of a letter's outline; with fewer for each character the text layer holds what the outlines draw."""
LEAST_OUTLINES = 400
LEAST_WRITING = 0.004
"""A smaller share of a page is a logo, or noise."""
SCAN_DENSITY = 0.015
"""The least share of a scan that writing covers."""
UNREAD = 1 / 3
"""So much writing beside a recognised text layer, against what the layer takes, is writing that was not recognised."""
BESIDE = 1 / 5
"""The same for a text layer that one sees: the head of a letter is less than this beside the letter's text."""
UNSEEN_CHARS = 500
"""A page that was not looked at is taken for a scan up to so many characters."""
DENSE = 0.06
"""Share of a smaller picture that writing covers if it is a piece of a page; charts and drawings are looser."""
NOT_LATIN = "\u0250"


def needs_look(drawn: Drawn, text: str) -> bool:
    """Whether the page must be drawn to see if it holds writing that its text layer does not."""
    chars = _printed(text)
    if not chars:
        return False
    if chars < SPARSE_CHARS and (drawn.stamps or drawn.outlines >= LEAST_OUTLINES // 4):
        return True
    return drawn.bare >= _least_share(drawn, chars) or _outlined(drawn, chars) or hardly_letters(text)


def why_ocr(drawn: Drawn, text: str) -> str | None:
    """Return why a page is to be read by OCR, as the end of a sentence; None if its text layer is enough."""
    chars = _printed(text)
    if not chars:
        return "it has no text layer" if drawn.marked else None
    if _is_scan(drawn, chars):
        return f"pictures cover {round(drawn.pictures, 1):.0%} of the page, and their writing is not in its text layer"
    if _holds_writing(drawn, chars) and _is_of_latin_letters(text):
        return f"pictures beside its text cover {_percent(drawn.bare)} of the page and hold writing"
    writing = drawn.writing or 0.0
    if writing >= max(LEAST_WRITING, _share(chars) / 3):
        if _outlined(drawn, chars):
            return "writing on it is drawn as outlines"
        if hardly_letters(text):
            return "its text layer has hardly any of its letters"
    stamped = chars < SPARSE_CHARS and drawn.stamps and writing >= LEAST_WRITING
    return "a stamp on it holds writing" if stamped else None


def unread_pictures(drawn: Drawn, text: str) -> str | None:
    """Return a sentence on pictures that hold dense writing, for a page that is not read by OCR; None without them."""
    if not _holds_writing(drawn, _printed(text)):
        return None
    return (
        f"Pictures beside its text cover {_percent(drawn.bare)} of the page; their writing is not read. "
        "With the setting `ocr` as `force` OCR reads the page as a whole."
    )


def _holds_writing(drawn: Drawn, chars: int) -> bool:
    """Whether pictures beside the text hold dense writing; a piece of a page, a screenshot, a drawing with labels."""
    writing = drawn.writing or 0.0
    return drawn.bare >= _least_share(drawn, chars) and writing >= max(LEAST_WRITING, DENSE * drawn.bare)


def _is_of_latin_letters(text: str) -> bool:
    """Whether OCR in the usual languages reads the page's own text right as well, which it reads again."""
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(letter < NOT_LATIN for letter in letters) >= len(letters)


def _is_scan(drawn: Drawn, chars: int) -> bool:
    """Whether pictures hold so much writing that the text layer is not the page."""
    if drawn.bare >= SCAN_SHARE and chars < (UNSEEN_CHARS if drawn.writing is None else SPARSE_CHARS):
        return True
    writing = drawn.writing or 0.0
    density = writing / max(drawn.bare, 1e-6)
    enough = density >= SCAN_DENSITY and writing >= _share(chars) * (UNREAD if drawn.hidden else BESIDE)
    return drawn.bare >= SCAN_SHARE and enough


def _least_share(drawn: Drawn, chars: int) -> float:
    return SMALL_SHARE if chars < SPARSE_CHARS or drawn.stamps else FIGURE_SHARE


def _percent(share: float) -> str:
    return f"{max(round(share, 1), 0.1):.0%}"


def _outlined(drawn: Drawn, chars: int) -> bool:
    """Whether there are many more outlines than the text layer's characters."""
    least = LEAST_OUTLINES if chars >= SPARSE_CHARS else LEAST_OUTLINES // 4
    return drawn.outlines >= max(least, OUTLINES_PER_CHAR * chars)


def _share(chars: int) -> float:
    return chars * CHAR_SHARE


def _printed(text: str) -> int:
    return len("".join(text.split()))
