"""Checks of URLs in the settings, by their text alone. No error repeats the URL: a password may stand in it."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

__all__ = ["check_mail_server"]

SMTP_SCHEMES = ("smtp", "smtps", "smtp+plain")


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
