"""Words written together with capitals: `OrderService`, `getUserById`."""

from __future__ import annotations

import re

__all__ = ["camel_parts"]

IS_CAMEL = re.compile("[a-z][A-Z][a-z]")
PART = re.compile("[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")


def camel_parts(word: str) -> list[str]:
    """The parts of such a word; none for others."""
    return PART.findall(word) if IS_CAMEL.search(word) else []
