"""Settings as they may be shown and stored: ready for JSON, without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.settings.notifications import NotifyRule
from pipeline.settings.schema import Settings

__all__ = ["printable_address", "printable_rule", "printable_settings"]

SECRETS = frozenset({"qdrant_api_key", "embedding_api_key", "passwords"})
URLS = frozenset(
    {"redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "embedding_url", "smtp_url", "traces_url"}
)
MASK = "********"


def printable_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by its name, as JSON can hold it; passwords and keys are masked."""
    return {name: _printable(name, getattr(settings, name)) for name in Settings.model_fields}


def printable_rule(rule: NotifyRule) -> dict[str, Any]:
    """A rule of notifications as JSON can hold it, its secret and its addresses masked."""
    addresses = [printable_address(address) for address in rule.to]
    return {**rule.model_dump(mode="json"), "to": addresses, "secret": MASK if rule.secret else None}


def printable_address(address: str) -> str:
    """An address of a rule; of a URL only scheme and host: account, path and query may hold a password."""
    scheme, is_url, rest = address.partition("://")
    if not is_url:
        return address
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}/{MASK}"


def _printable(name: str, value: Any) -> Any:
    """The value as JSON can hold it, secrets masked."""
    if value and name in MASKED:
        return MASKED[name](value)
    if isinstance(value, tuple):
        return [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    if isinstance(value, dict):
        return value
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def _rules(rules: Sequence[NotifyRule]) -> list[dict[str, Any]]:
    return [printable_rule(rule) for rule in rules]


def _without_password(url: str) -> str:
    """The URL with its password masked, and all values of its query, because one of them may be a password too."""
    scheme, slashes, rest = url.partition("://")
    account, at, location = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    address, mark, query = location.partition("?")
    values = "&".join(f"{pair.partition('=')[0]}={MASK}" for pair in query.split("&")) if mark else ""
    return f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{address}{mark}{values}"


MASKED: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(SECRETS, lambda _value: MASK),
    **dict.fromkeys(URLS, _without_password),
    "deadman_url": printable_address,
    "notify": _rules,
}
"""How settings are shown that hold secrets."""
