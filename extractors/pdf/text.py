"""Turn an engine's raw text into words as the author wrote them.

No letter is dropped or changed; a ligature is spelled out, and a soft hyphen, which only says where a word may be
divided, goes.
"""

from __future__ import annotations

import re

from extractors.divided_words import HYPHEN, undivided

__all__ = ["UNREADABLE", "is_garbage", "tidy"]

LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
OLD_HYPHEN = re.compile(r"(?<=\w)(?:\x02(?:\r?\n)?|\u2010[ \t]*\r?\n)(?=\w)")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\x80-\x9f\ufffe\uffff]")
UNREADABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\uffff]")


def is_garbage(raw: str) -> bool:
    """Whether a text layer is unusable: a third of it maps to no character that one could read."""
    printed = len("".join(raw.split()))
    return printed > 0 and len(UNREADABLE.findall(OLD_HYPHEN.sub("", raw))) * 3 > printed


def tidy(raw_pages: list[str]) -> list[str]:
    """Return the pages with equal line ends, whole words and no characters that stand for nothing.

    A word that the source divides at the end of a line is put together; a hyphen that belongs to the
    word stays.
    """
    return [_finished(page) for page in undivided([_plain(raw) for raw in raw_pages])]


def _plain(raw: str) -> str:
    text = OLD_HYPHEN.sub(HYPHEN, raw).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\u00ad", "").translate(LIGATURES)


def _finished(text: str) -> str:
    return re.sub(r"[ \t]+$", "", CONTROL.sub("", text), flags=re.MULTILINE).strip()
