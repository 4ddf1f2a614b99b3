"""What passes by itself: permanent or transient is decided here, once.

Apart from the errors themselves, since it names those of every service, and with them come their libraries.
"""

from __future__ import annotations

import httpx
import redis.exceptions

from pipeline.catalog import TRANSIENT_CATALOG_ERRORS
from pipeline.errors import StackUnavailable, VerificationFailed

__all__ = ["TRANSIENT"]

TRANSIENT: tuple[type[Exception], ...] = (
    StackUnavailable,
    VerificationFailed,
    ConnectionError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    *TRANSIENT_CATALOG_ERRORS,
    httpx.TransportError,
    httpx.HTTPStatusError,
    OSError,
)
"""What a retry can cure: Redis, Qdrant, the catalog, the disk, a model endpoint."""
