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
"""A signature older than this is not accepted, so that a recorded request cannot be sent again later."""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a body that is sent at this time (seconds since 1970, in digits); 64 hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def headers(secret: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """The headers of one try; its time and signature differ from those of other tries, the id does not."""
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Docrelay",
        DELIVERY: delivery_id,
        TIMESTAMP: timestamp,
        SIGNATURE: f"sha256={sign(secret, timestamp, body)}",
    }


def verify(secret: str, received: Mapping[str, str], body: bytes, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a received request was signed with this secret, and recently.

    Args:
        secret: the hook's secret.
        received: the request's headers; their names may be written in any case.
        body: the bytes of the request's body, as received.
        tolerance_s: the largest age.
    """
    values = {name.lower(): value for name, value in received.items()}
    timestamp, signature = values.get(TIMESTAMP.lower(), ""), values.get(SIGNATURE.lower(), "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > tolerance_s:
        return False
    return hmac.compare_digest(f"sha256={sign(secret, timestamp, body)}".encode(), signature.encode())
