"""The mail sender: a message in text and HTML, over SMTP with TLS.

Every try of a delivery sends the same message: the same Message-ID, Date and bytes. SMTP has no answer to a connection
that is cut after the message: it is sent again, and the receiver may recognise it by its Message-ID.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiosmtplib

from pipeline.errors import HookRefused
from pipeline.notify.base import Notification, SendError
from pipeline.notify.mail_message import make_message
from pipeline.settings import Settings

__all__ = ["MailSender", "MailServer", "server_of"]

PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
GIVEN_UP = range(500, 600)
"""Replies by which a server refuses a message or its address for good (RFC 5321, 4.2.1)."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server, as the setting `smtp_url` names it."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None


def server_of(url: str) -> MailServer:
    """Parse the setting `smtp_url`; user and password are percent-encoded there."""
    parts = urlsplit(url)
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return MailServer(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], user, password)


class MailSender:
    """Sends to mailto: addresses, of one recipient each."""

    timeout_s = 45.0
    """Servers may take their time, and a try that is cut short may be a mail that comes twice."""

    def __init__(self, settings: Settings) -> None:
        self._server = server_of(settings.smtp_url) if settings.smtp_url else None
        self._sender = settings.smtp_from
        self._authorities = settings.smtp_ca

    def check(self, address: str) -> None:
        """Refuse an address where no mail server is set."""
        if self._server is None or self._sender is None:
            raise HookRefused("No mail can be sent.", "Set `smtp_url` and `smtp_from`.")
        if "@" not in _recipient(address):
            raise HookRefused(f"{address} names no mailbox.", "Write mailto:NAME@HOST.")

    async def send(self, notification: Notification) -> int:
        """Send the message in one session of its own."""
        self.check(notification.address)
        recipient = _recipient(notification.address)
        message = make_message(notification.body, self._sender or "", recipient)
        try:
            async with self._session() as session:
                if self._server is not None and self._server.user:
                    await self._login(session, self._server)
                await session.send_message(message, sender=self._sender, recipients=[recipient])
        except aiosmtplib.SMTPRecipientsRefused as refused:
            (error,) = refused.recipients
            raise _failure(error) from refused
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error) from error
        except (aiosmtplib.SMTPException, ValueError) as error:
            raise SendError(f"{type(error).__name__}: {error}") from error
        return 250

    def close(self) -> None:
        """Nothing is kept open."""

    async def _login(self, session: aiosmtplib.SMTP, server: MailServer) -> None:
        """Log in. A wrong password is an error of the settings, not of the message: it is tried again."""
        try:
            await session.login(server.user or "", server.password or "")
        except aiosmtplib.SMTPAuthenticationError as error:
            raise SendError(f"The mail server refuses the login: {error.message}", error.code) from error

    def _session(self) -> aiosmtplib.SMTP:
        assert self._server is not None  # noqa: S101 - `check` was called
        context = ssl.create_default_context(cafile=str(self._authorities) if self._authorities else None)
        return aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.scheme == "smtps",
            start_tls=self._server.scheme == "smtp",  # refused where the server has none: nothing is sent in the open
            tls_context=None if self._server.scheme == "smtp+plain" else context,
            timeout=self.timeout_s,
        )


def _recipient(address: str) -> str:
    return unquote(address.removeprefix("mailto:"))


def _failure(error: aiosmtplib.SMTPResponseException) -> SendError:
    return SendError(f"The mail server says: {error.code} {error.message}", error.code, final=error.code in GIVEN_UP)
