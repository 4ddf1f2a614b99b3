"""API keys, with their scopes and rates. Only the SHA-256 of a key is stored."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import api_keys, hooks
from pipeline.errors import BadRequest, UnknownId

__all__ = [
    "SCOPES",
    "Key",
    "create",
    "find",
    "is_any_created",
    "is_use_to_be_noted",
    "list_keys",
    "note_use",
    "prune",
    "revoke",
]

Scope = Literal["read", "submit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")
"""What a key permits; `admin` includes the others."""

MARK = "dlr_"
SPACING_S = 60.0
"""The time at which a key was used is stored at most this often."""


class Key(NamedTuple):
    """An API key without its secret: `rate` is in requests a minute, 0 for no limit; times are seconds since 1970."""

    id: str
    name: str
    scopes: tuple[str, ...]
    rate: int
    created_at: float
    used_at: float | None
    revoked_at: float | None


def create(connection: Connection, name: str, scopes: Sequence[str], rate: int) -> tuple[Key, str]:
    """Create an API key.

    Returns:
        Its row, and the secret, which cannot be shown again.

    Raises:
        BadRequest: an unknown scope, or none.
    """
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        raise BadRequest(f"There is no scope {', '.join(wrong) or 'given'}.", f"The scopes are: {', '.join(SCOPES)}.")
    key_id = uuid.uuid4().hex[:12]
    secret = f"{MARK}{key_id}_{secrets.token_urlsafe(32)}"
    row = {
        "id": key_id,
        "name": name,
        "sha256": _digest(secret),
        "scopes": sorted(set(scopes), key=SCOPES.index),
        "rate": rate,
        "created_at": time.time(),
    }
    connection.execute(api_keys.insert().values(row))
    return _key({**row, "used_at": None, "revoked_at": None}), secret


def find(connection: Connection, secret: str) -> Key | None:
    """Look up an API key by its secret. Returns None if the key is unknown or revoked."""
    query = sa.select(api_keys).where(api_keys.c.sha256 == _digest(secret), api_keys.c.revoked_at.is_(None))
    row = connection.execute(query).mappings().one_or_none()
    return _key(row) if row is not None else None


def is_any_created(connection: Connection) -> bool:
    """Whether an API key was ever created: from then on every request needs a key."""
    return connection.scalar(sa.select(api_keys.c.id).limit(1)) is not None


def list_keys(connection: Connection) -> list[Key]:
    """All keys, oldest first, revoked ones too."""
    return [_key(row) for row in connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).mappings()]


def revoke(connection: Connection, key_id: str) -> None:
    """Revoke a key at once. Raises UnknownId."""
    ended = connection.execute(
        api_keys.update().where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=time.time())
    )
    if not ended.rowcount:
        raise UnknownId(f"There is no valid key {key_id}.", "See: docrelay keys list")


def prune(connection: Connection, before: float) -> int:
    """Delete the keys that were revoked before this time, with their webhooks; how many.

    The newest key stays: as long as there is one, `is_any_created` keeps the API closed to requests without a key.
    """
    newest = connection.scalar(sa.select(api_keys.c.id).order_by(api_keys.c.created_at.desc()).limit(1))
    old = sa.select(api_keys.c.id).where(api_keys.c.revoked_at < before, api_keys.c.id != newest)
    ids = connection.scalars(old).all()
    connection.execute(hooks.delete().where(hooks.c.key_id.in_(ids)))
    return connection.execute(api_keys.delete().where(api_keys.c.id.in_(ids))).rowcount


def note_use(connection: Connection, key_id: str) -> None:
    """Store that a key is used now."""
    connection.execute(api_keys.update().where(api_keys.c.id == key_id).values(used_at=time.time()))


def is_use_to_be_noted(key: Key) -> bool:
    """Whether the last stored use of a key is so old that a new one is to be stored."""
    return key.used_at is None or time.time() - key.used_at > SPACING_S


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Any) -> Key:
    return Key(**{name: row[name] for name in Key._fields if name != "scopes"}, scopes=tuple(row["scopes"]))
