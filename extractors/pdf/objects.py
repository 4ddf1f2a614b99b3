"""Read objects of a PDF as pypdf gives them: references followed, text decoded, damage taken as absence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeAlias

__all__ = ["Box", "box_of", "dictionary", "elements", "entry", "inherited", "number", "text", "visible_text"]

Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in points, in the page's own coordinates."""

MAX_PARENTS = 32
MAX_TEXT = 100_000
"""More characters than this are not read from one entry."""
TAGS = re.compile(r"<[^>]{0,2000}>")


def entry(owner: Any, key: str) -> Any:
    """The value of a dictionary's key with references followed; None if it is absent."""
    return _followed(owner.get(key)) if isinstance(owner, dict) else None


def dictionary(owner: Any, key: str) -> dict[str, Any]:
    """The dictionary that stands at a key; an empty one if there is none."""
    value = entry(owner, key)
    return value if isinstance(value, dict) else {}


def elements(owner: Any, key: str, at_most: int) -> Iterator[Any]:
    """Yield the members of the array at a key with references followed; a lone value is an array of one."""
    value = entry(owner, key)
    members = value if isinstance(value, list) else [] if value is None else [value]
    for member in islice(members, at_most):
        yield _followed(member)


def inherited(field: Any, key: str) -> Any:
    """The value of a form field's key, which may stand at one of its parents; None if it is absent."""
    for _ in range(MAX_PARENTS):
        value = entry(field, key)
        if value is not None:
            return value
        field = entry(field, "/Parent")
    return None


def number(owner: Any, key: str) -> int:
    """The whole number at a key, inherited; 0 if there is none."""
    value = inherited(owner, key)
    return int(value) if isinstance(value, int | float) else 0


def text(value: Any) -> str:
    """The text of a string, a name or a stream; "" for anything else."""
    if hasattr(value, "get_data"):
        value = value.get_data()[: 4 * MAX_TEXT]
    if isinstance(value, bytes):
        value = _decoded(value)
    if not isinstance(value, str):
        return ""
    plain = value[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    return plain.replace("\0", "").removeprefix("\ufeff").strip()


def visible_text(rich: Any) -> str:
    """The text of a rich text string (`/RC`, `/RV`), which is XHTML."""
    from html import unescape

    lines = re.sub(r"</p>|<br\s*/>", "\n", text(rich))
    return unescape(TAGS.sub("", lines)).strip()


def box_of(owner: Any, key: str = "/Rect") -> Box | None:
    """The rectangle at a key, with its corners in order; None if there is none."""
    values = [float(value) for value in elements(owner, key, 5) if isinstance(value, int | float)]
    if len(values) != 4:
        return None
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _followed(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xfe\xff", b"\xff\xfe")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
