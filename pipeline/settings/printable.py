"""Settings as they may be shown and stored: ready for JSON, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.settings.notifications import NotifyRule
from pipeline.settings.schema import Settings

__all__ = ["printable_settings"]

SECRETS = frozenset({"qdrant_api_key", "embedding_api_key", "passwords"})
URLS = frozenset(
    {"redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "embedding_url", "smtp_url", "traces_url"}
)
MASK = "********"


def printable_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by its name, as JSON can hold it; passwords and keys are masked."""
    return {name: _printable(name, getattr(settings, name)) for name in Settings.model_fields}


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
    return [_rule(rule) for rule in rules]


def _rule(rule: NotifyRule) -> dict[str, Any]:
    """A rule of notifications without its secret, and its URLs without their path, which may be one."""
    said = rule.model_dump(mode="json")
    addresses = [_without_path(address) if "://" in address else address for address in rule.to]
    return {**said, "to": addresses, "secret": MASK if rule.secret else None}


def _without_path(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{MASK}"


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
    "deadman_url": _without_path,
    "notify": _rules,
}
"""How settings are shown that hold secrets."""
