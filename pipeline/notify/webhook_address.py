"""Where webhooks may go: those that users register only to public addresses, unless `webhook_private` allows others.

A host name is resolved once, all its addresses are checked, and the connection is made to a checked address. So a name
that resolves to another address a moment later (DNS rebinding) leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import HookRefused
from pipeline.settings.urls import WEB_PORTS, WebUrl, read_web_url

__all__ = ["Target", "check", "resolve"]

GLOBAL = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `address` is an IP address of `host`, and is checked."""

    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def url(self) -> str:
        """The URL with the IP address in place of the host name."""
        return f"{self.scheme}://{_bracketed(self.address)}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = _bracketed(self.host)
        return host if self.port == WEB_PORTS[self.scheme] else f"{host}:{self.port}"


def check(url: str, *, private: bool) -> None:
    """Refuse a URL by its text alone: no name is resolved.

    Raises:
        HookRefused: it is not a URL that a webhook may have, or its host is an IP address that is not allowed.
    """
    host = _parse(url).host
    name = host.rstrip(".")  # a dot at the end marks a name as fully qualified
    address = _literal_address(name)
    if address is not None:
        _check(address, private=private)
    elif not name or (not private and (name == "localhost" or name.endswith((".localhost", ".local", ".internal")))):
        raise HookRefused(f"The host {host} is not a public one.")


def resolve(url: str, *, private: bool) -> Target:
    """Resolve the host and check all its addresses.

    Raises:
        HookRefused: one of them is not allowed, or it is not a URL that a webhook may have.
        OSError: the name cannot be resolved now.
    """
    scheme, host, port, path = _parse(url)
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        _check(ipaddress.ip_address(address.partition("%")[0]), private=private)
    return Target(scheme, host, port, addresses[0], path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _literal_address(host: str) -> IPAddress | None:
    """The IP address that a host is written as, in any notation that `connect` reads: 127.1, 2130706433, 0x7f.0.0.1."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _parse(url: str) -> WebUrl:
    try:
        return read_web_url(url)
    except ValueError as error:
        raise HookRefused(str(error)) from None


def _check(address: IPAddress, *, private: bool) -> None:
    for reached in _destinations(address):
        unusable = reached.is_multicast or reached.is_unspecified or reached.is_reserved
        if unusable or (not private and not _is_public(reached)):
            raise HookRefused(f"The address {address} is not a public one.")


def _is_public(address: IPAddress) -> bool:
    # IPv6 ranges that IANA has not assigned to the Internet are not public, though Python may call them global.
    return address.is_global and (address.version == 4 or address in GLOBAL)


def _destinations(address: IPAddress) -> Sequence[IPAddress]:
    """The IPv4 addresses that an IPv6 address carries (mapped, 6to4, NAT64, Teredo), else the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [carried for carried in inner if carried is not None] or [address]
