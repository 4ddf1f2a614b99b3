"""Where webhooks may go: public addresses only, unless the setting `webhook_private` allows others.

A name is resolved once, every address that it has is checked, and the connection is made to the checked address:
a name that resolves to something else a moment later gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import HookRefused

__all__ = ["Target", "check", "resolve"]

LONGEST = 2000
SCHEMES = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """An address to connect to: `address` is a checked one of `host`."""

    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def url(self) -> str:
        """The URL with the address in the place of the name."""
        place = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{place}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """What the header Host says."""
        place = f"[{self.host}]" if ":" in self.host else self.host
        return place if self.port == SCHEMES[self.scheme] else f"{place}:{self.port}"


def check(url: str, *, private: bool) -> None:
    """Refuse what can be refused without asking anybody: no name is resolved.

    Raises:
        HookRefused: the URL is none for a webhook, or its host is written as an address that is not allowed.
    """
    host, _, _, _ = _parts(url)
    name = host.rstrip(".")  # which only says that the name is whole
    address = _written(name)
    if address is not None:
        _check(address, private=private)
    elif not name or (not private and (name == "localhost" or name.endswith((".localhost", ".local", ".internal")))):
        raise HookRefused(f"The host {host} is not a public one.")


def resolve(url: str, *, private: bool) -> Target:
    """Look the host up and check all its addresses.

    Raises:
        HookRefused: one of them is not allowed, or the URL is none for a webhook.
        OSError: the name cannot be resolved now.
    """
    host, port, scheme, path = _parts(url)
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        _check(ipaddress.ip_address(address.partition("%")[0]), private=private)
    return Target(scheme, host, port, found[0], path)


def _written(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, also as what connects takes for one: 127.1, 2130706433, 0x7f.0.0.1."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _parts(url: str) -> tuple[str, int, str, str]:
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise HookRefused("The URL of a webhook is plain ASCII without spaces, and at most 2000 characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise HookRefused("The URL of the webhook cannot be read.") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise HookRefused("The URL of a webhook begins with http:// or https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise HookRefused("The URL of a webhook holds no user and no password.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or SCHEMES[parts.scheme], parts.scheme, path


def _check(address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, private: bool) -> None:
    for one in _meanings(address):
        if one.is_multicast or one.is_unspecified or one.is_reserved or (not private and not _is_public(one)):
            raise HookRefused(f"The address {address} is not a public one.")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # What IANA has not given out for the whole Internet is not public, whether Python has a name for it or not.
    return address.is_global and (address.version == 4 or address in GLOBAL)


def _meanings(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and the IPv4 address that an IPv6 one stands for: mapped, 6to4, NAT64, Teredo."""
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        found = [one for one in inner if one is not None] or found
    return found


GLOBAL = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
