"""The metadata of a document as texts that one index of the store holds, whatever their keys: `shelf=12`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["MOST_VALUES", "metadata_value", "metadata_values"]

MOST_VALUES = 256
"""Values of one document that can be searched by: every point of it holds them."""

LONGEST = 256
"""Bytes of a text in UTF-8; a longer one is replaced by its digest."""


def metadata_values(metadata: Mapping[str, Any]) -> list[str]:
    """Every key with its value, `MOST_VALUES` of them at most.

    Of a list each element is a value. Objects, and lists in lists, are left out.
    """
    return list(dict.fromkeys(metadata_value(key, value) for key, value in _plain(metadata)))[:MOST_VALUES]


def metadata_value(key: str, value: str | float | bool | None) -> str:
    """A key with a value: `KEY=` and the value as JSON; 12.0 is 12."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # JSON may hold halves of surrogate pairs, which no store takes.
    text = f"{key}={json.dumps(value, ensure_ascii=False)}".encode("utf-8", "backslashreplace")
    return text.decode() if len(text) <= LONGEST else f"sha256:{hashlib.sha256(text).hexdigest()}"


def _plain(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in metadata.items():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict | list):
                yield key, item
