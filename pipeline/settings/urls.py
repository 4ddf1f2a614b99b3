"""Checks of URLs in the settings, by their text alone. No error repeats the URL: a password may stand in it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

__all__ = ["WEB_PORTS", "WebUrl", "check_mail_server", "read_web_url"]

SMTP_SCHEMES = ("smtp", "smtps", "smtp+plain")

MAX_LENGTH = 2000
WEB_PORTS = {"http": 80, "https": 443}


class WebUrl(NamedTuple):
    """The parts of an http:// or https:// URL; `path` begins with a slash and holds the query."""

    scheme: str
    host: str
    port: int
    path: str


def read_web_url(url: str) -> WebUrl:
    """Read a URL to which messages are sent.

    Raises:
        ValueError: it is none, or not of the form that every server takes.
    """
    if len(url) > MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("The URL is plain ASCII without spaces, and at most 2000 characters.")
    parts = _parts(url)
    if parts is None:
        raise ValueError("The URL cannot be read.")
    if parts.scheme not in WEB_PORTS or not parts.hostname:
        raise ValueError("The URL begins with http:// or https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("The URL holds no user and no password.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebUrl(parts.scheme, parts.hostname, parts.port or WEB_PORTS[parts.scheme], path)


def check_mail_server(url: str) -> None:
    """Check the URL of a mail server.

    A `/`, `?` or `#` in the password ends the part with host and port, which then is not what the user means.

    Raises:
        ValueError: it has another scheme, no host, no number as its port, or something behind them.
    """
    parts = _parts(url)
    if parts is None or parts.scheme not in SMTP_SCHEMES or not parts.hostname:
        raise ValueError(
            "it begins with smtp:// (STARTTLS), smtps:// or smtp+plain://, and names a host and, if need be, the "
            "number of a port; in user and password, / is written %2F, ? %3F, # %23, @ %40 and % %25"
        )
    if parts.path.strip("/") or "?" in url or "#" in url:
        raise ValueError("nothing follows the host and its port; in user and password, / is written %2F, ? %3F, # %23")


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL; None if it, or its port, cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
