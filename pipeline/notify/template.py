"""The sender of chat services: a JSON body made from a template, such as Slack, Mattermost and ntfy read it.

A template is JSON whose texts hold `$title`, `$text`, `$severity`, `$priority` and `$topic`. A text that is nothing but
one of these names becomes the value itself: `"$priority"` a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Template
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import HookRefused
from pipeline.notify.base import Notification
from pipeline.notify.http_request import CheckedHttp
from pipeline.notify.shortening import head, short_text
from pipeline.settings import Settings

__all__ = ["TemplateSender", "fill"]

PRIORITIES = {"info": 3, "warning": 4, "error": 5}
"""Of ntfy: 3 is the usual one, 5 the highest."""

ESCAPES = {"slack": str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})}
"""Slack reads <...> as a command: a file's name must not address a whole channel."""


LONGEST_TITLE = 200

LONGEST = 1900
"""Characters of title and text together: Discord refuses a message of more than 2,000."""

LONGEST_OF_SLACK = 3900
"""The same after `ESCAPES`: Slack cuts a longer message into several, Mattermost refused one of more than 4,000."""

LONGEST_OF_NTFY = 3900
"""Bytes: ntfy makes a file of a message of more than 4,096, or refuses it."""


class TemplateSender:
    """Sends to addresses NAME+https://, where NAME is a template; the operator names them, also private ones."""

    timeout_s = 10.0

    def __init__(self, settings: Settings) -> None:
        self._templates = settings.templates
        self._http = CheckedHttp(private=True)

    def check(self, address: str) -> None:
        """Refuse an address without a template, or one that no request may go to."""
        self._template(address)
        self._http.check(_url(address))

    async def send(self, notification: Notification) -> int:
        """Fill the template, and send it."""
        name, template = self._template(notification.address)
        url, topic = _url(notification.address), ""
        if name == "ntfy":
            url, topic = _split_topic(url)
        values = {**values_of(json.loads(notification.body), name), "topic": topic}
        headers = {"Content-Type": "application/json", "User-Agent": "Docrelay"}
        if notification.secret:
            headers["Authorization"] = f"Bearer {notification.secret}"
        return await self._http.send("POST", url, headers, json.dumps(fill(template, values)).encode())

    def close(self) -> None:
        """Release the threads."""
        self._http.close()

    def _template(self, address: str) -> tuple[str, Any]:
        name = address.partition("+")[0]
        if name not in self._templates:
            raise HookRefused(f"There is no template {name}.", "Name one in the setting `notify_templates`.")
        return name, self._templates[name]


def values_of(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the template of this name may hold, from the message that a notification carries, shortened if need be."""
    severity, escapes = message.get("severity", "info"), ESCAPES.get(name, {})
    limit = {"slack": LONGEST_OF_SLACK, "ntfy": LONGEST_OF_NTFY}.get(name, LONGEST)

    def size(text: str) -> int:
        return len(text.encode()) if name == "ntfy" else len(text.translate(escapes))

    title = head(str(message["title"]), LONGEST_TITLE, size)
    return {
        "title": title.translate(escapes),
        "text": short_text(message, limit - size(title), size).translate(escapes),
        "severity": severity,
        "priority": PRIORITIES[severity],
    }


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """Put values in the place of their names, at every depth; other uses of `$` stay as they are."""
    if isinstance(template, Mapping):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    name = template.removeprefix("$")
    return values[name] if template.startswith("$") and name in values else Template(template).safe_substitute(values)


def _url(address: str) -> str:
    return address.partition("+")[2]


def _split_topic(url: str) -> tuple[str, str]:
    """The URL of an ntfy server, and the topic, which is the last part of the address's path."""
    parts = urlsplit(url)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    return urlunsplit(parts._replace(path=f"{base}/")), topic
