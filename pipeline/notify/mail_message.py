"""The mail that a notification becomes: text and HTML, always the same for the same body."""

from __future__ import annotations

import json
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any

__all__ = ["make_message"]

COLOURS = {"info": "#2e7d32", "warning": "#b26a00", "error": "#b3261e"}
LONGEST_SUBJECT = 150

PAGE = """<!DOCTYPE html>
<html><body style="font-family: sans-serif; max-width: 44em">
<h2 style="color: {colour}">{title}</h2>
{notices}
<p style="color: #666">Docrelay, rule {rule}, {at}</p>
</body></html>
"""

NOTICE = """<h3 style="margin-bottom: 0">{title}</h3>
<p style="margin-top: 0; color: #666">{at}</p>
<pre style="white-space: pre-wrap">{text}</pre>
"""


def make_message(body: bytes, sender: str, recipient: str) -> EmailMessage:
    """Make the mail.

    Args:
        body: the JSON of the notification, as `pipeline.notify.messages.body_of` makes it.
        sender: mailbox.
        recipient: mailbox.

    Raises:
        ValueError: an address cannot stand in a mail.
    """
    message: dict[str, Any] = json.loads(body)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = _subject(message["title"])
    mail["Date"] = format_datetime(datetime.fromisoformat(message["at"]))
    mail["Message-ID"] = f"<{message['delivery']}@{sender.rpartition('@')[2].rstrip('>') or 'docrelay'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Docrelay-Rule"] = message["rule"]
    mail.set_content(f"{message['text']}\n\n--\nDocrelay, rule {message['rule']}, {message['at']}\n", cte="base64")
    mail.add_alternative(_html(message), subtype="html", cte="base64")
    mail.set_boundary(f"=={message['delivery']}==")
    return mail


def _subject(title: str) -> str:
    """One line without control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    return f"[Docrelay] {line}"[:LONGEST_SUBJECT]


def _html(message: dict[str, Any]) -> str:
    notices = "".join(
        NOTICE.format(title=escape(notice["title"]), at=escape(notice["at"]), text=escape(notice["text"]))
        for notice in message["notices"]
    )
    return PAGE.format(
        colour=COLOURS.get(message["severity"], "#333"),
        title=escape(message["title"]),
        notices=notices,
        rule=escape(message["rule"]),
        at=escape(message["at"]),
    )
