"""What is shown in the place of secrets, and addresses without the parts that may be one."""

from __future__ import annotations

import re

__all__ = ["MASK", "masked_address", "without_password"]

MASK = "********"

HOST_END = re.compile(r"[/?#\\]")


def masked_address(address: str) -> str:
    """An address of a notification: of a URL only scheme, host and port, as what follows may be a secret.

    Services such as Slack, Discord and ntfy take a message from everyone who knows the path. A mailbox stays as it is.
    """
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    host = HOST_END.split(rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}/{MASK}"


def without_password(url: str) -> str:
    """The URL with its password masked, and all values of its query, because one of them may be a password too."""
    scheme, slashes, rest = url.partition("://")
    account, at, location = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    address, mark, query = location.partition("?")
    values = "&".join(f"{pair.partition('=')[0]}={MASK}" for pair in query.split("&")) if mark else ""
    return f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{address}{mark}{values}"
