"""Settings as they may be shown and stored: ready for JSON, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.settings.masking import MASK, masked_address, without_password
from pipeline.settings.notifications import NotifyRule
from pipeline.settings.schema import Settings

__all__ = ["printable_rule", "printable_settings"]

SECRETS = frozenset({"qdrant_api_key", "embedding_api_key", "passwords"})
URLS = frozenset(
    {"redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "embedding_url", "smtp_url", "traces_url"}
)


def printable_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by its name, as JSON can hold it; passwords and keys are masked."""
    return {name: _printable(name, getattr(settings, name)) for name in Settings.model_fields}


def printable_rule(rule: NotifyRule) -> dict[str, Any]:
    """A rule of notifications as JSON can hold it, its secret and its addresses masked."""
    addresses = [masked_address(address) for address in rule.to]
    return {**rule.model_dump(mode="json"), "to": addresses, "secret": MASK if rule.secret else None}


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


MASKED: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(SECRETS, lambda _value: MASK),
    **dict.fromkeys(URLS, without_password),
    "deadman_url": masked_address,
    "notify": _rules,
    "notify_templates": lambda templates: dict.fromkeys(templates, MASK),
}
"""How settings are shown that hold secrets."""
