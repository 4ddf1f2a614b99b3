"""The signature of a webhook: HMAC-SHA256 over `timestamp.body`, as hexadecimal digits."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256

__all__ = ["DELIVERY", "SIGNATURE", "TIMESTAMP", "headers", "sign", "verify"]

DELIVERY = "Docrelay-Delivery"
TIMESTAMP = "Docrelay-Timestamp"
SIGNATURE = "Docrelay-Signature"
TOLERANCE_S = 300.0
"""A signature older than this is not accepted: whoever has overheard it cannot use it later."""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a body that is sent at this time (seconds since 1970, in digits)."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def headers(secret: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """What a delivery carries; the id stays the same over all tries, the time and the signature do not."""
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Docrelay",
        DELIVERY: delivery_id,
        TIMESTAMP: timestamp,
        SIGNATURE: f"sha256={sign(secret, timestamp, body)}",
    }


def verify(secret: str, received: Mapping[str, str], body: bytes, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a received body is ours and fresh.

    Args:
        secret: the hook's secret.
        received: the request's headers; their names may be written in any case.
        body: the request's body as it came, not parsed and written anew.
        tolerance_s: how old it may be.
    """
    found = {name.lower(): value for name, value in received.items()}
    timestamp, signature = found.get(TIMESTAMP.lower(), ""), found.get(SIGNATURE.lower(), "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > tolerance_s:
        return False
    return hmac.compare_digest(f"sha256={sign(secret, timestamp, body)}".encode(), signature.encode())
