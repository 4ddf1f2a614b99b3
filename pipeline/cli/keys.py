"""`docrelay keys`."""

from __future__ import annotations

import secrets

from rich.table import Table
from rich.text import Text

from pipeline.catalog.api import keys
from pipeline.catalog.api.keys import Key
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work.outbox import Hook, hook_of_key
from pipeline.cli.output import out, plain, print_json, print_table
from pipeline.notify.registry import check_address
from pipeline.results import iso
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["create", "revoke", "show"]


def create(settings: Settings, name: str, wanted: tuple[list[str], int, str | None], as_json: bool) -> None:
    """Make a key with scopes, rate and webhook, and show it this once."""
    scopes, rate, url = wanted
    if url is not None:
        check_address(url, settings)
    hook = Hook(url, secrets.token_urlsafe(32)) if url is not None else None
    with writing(Services(settings).catalog) as connection:
        key, secret = keys.create(connection, plain(name), scopes, rate)
        if hook is not None:
            hook_of_key(connection, key.id, hook)
    if as_json:
        told = {"key": secret, "webhook_secret": hook.secret if hook is not None else None}
        print_json({**_facts(key), **told})
        return
    out.print(f"Key {key.id} for {key.name}, which may {', '.join(key.scopes)}. It is not shown again:")
    out.print(secret)
    if hook is not None:
        out.print("What is sent to its webhook is signed with this secret, which is not shown again either:")
        out.print(hook.secret)


def show(settings: Settings, as_json: bool) -> None:
    """List keys."""
    with Services(settings).catalog.connect() as connection:
        found = keys.every(connection)
    if as_json:
        print_json({"keys": [_facts(key) for key in found]})
        return
    table = Table.grid(padding=(0, 2))
    for key in found:
        state = f"revoked {iso(key.revoked_at)}" if key.revoked_at else f"last used {iso(key.used_at) or 'never'}"
        rate = f"{key.rate} a minute" if key.rate else "no limit"
        table.add_row(key.id, Text(plain(key.name)), ", ".join(key.scopes), rate, state)
    if found:
        print_table(table)
    else:
        out.print("There are no keys. Make one with: docrelay keys create NAME")


def revoke(settings: Settings, identity: str, as_json: bool) -> None:
    """End a key."""
    with writing(Services(settings).catalog) as connection:
        keys.revoke(connection, identity)
    if as_json:
        print_json({"revoked": identity})
    else:
        out.print(f"The key {identity} is not valid any more.")


def _facts(key: Key) -> dict[str, object]:
    times = {name: iso(getattr(key, name)) for name in ("created_at", "used_at", "revoked_at")}
    return {"id": key.id, "name": key.name, "scopes": list(key.scopes), "rate": key.rate, **times}
