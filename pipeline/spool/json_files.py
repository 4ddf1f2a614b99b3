"""JSON in the spool, compressed."""

from __future__ import annotations

import json
import zlib
from typing import Any

from pipeline.spool.base import Spool

__all__ = ["read_json", "write_json"]


def write_json(spool: Spool, key: str, data: Any) -> None:
    """Store JSON-ready data, compressed."""
    spool.write(key, zlib.compress(json.dumps(data, ensure_ascii=False).encode(), 1))


def read_json(spool: Spool, key: str) -> Any:
    """Read back what `write_json` stored. Raises FileNotFoundError."""
    return json.loads(zlib.decompress(spool.read(key)))
