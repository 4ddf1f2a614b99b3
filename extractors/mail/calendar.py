"""Invitations in mails (iCalendar): what, when, where and who, as a mail program shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from extractors.text.cards import unfolded
from extractors.text.source_text import SourceText

__all__ = ["CALENDARS", "calendar_text"]

CALENDARS = ("text/calendar", "application/ics")
SHOWN = {
    "SUMMARY": "Event", "DTSTART": "Start", "DTEND": "End", "DUE": "Due", "LOCATION": "Place", "STATUS": "Status",
    "ORGANIZER": "Organizer", "ATTENDEE": "Attendee", "DESCRIPTION": "",
}  # fmt: skip
"""The fields that are read, and what stands before their value."""
READ = ("VEVENT", "VTODO", "VJOURNAL")
FIELD = re.compile(r"(?P<name>[A-Za-z-]{1,40})(?P<parameters>(?:;(?:\"[^\"]*\"|[^\";:])*)*):(?P<value>.*)")
NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;]*))", re.IGNORECASE)
ZONE = re.compile(r";TZID=\"?([^\";:]*)", re.IGNORECASE)
TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d*(Z?))?")


def calendar_text(text: str) -> str:
    """Return the lines of each event of a calendar; "" where it holds none."""
    return "\n\n".join("\n".join(event) for event in _events(unfolded(SourceText(text, "")).text) if event)


def _events(text: str) -> Iterator[list[str]]:
    """Yield the lines of each event without its alarms; time zones are none."""
    event, inside = list[str](), list[str]()
    for match in filter(None, map(FIELD.fullmatch, text.split("\n"))):
        name, value = match["name"].upper(), match["value"].strip()
        if name == "BEGIN":
            inside.append(value.upper())
        elif name == "END" and inside:
            if inside.pop() in READ:
                yield event
                event = []
        elif name in SHOWN and value and inside[-1:] and inside[-1] in READ:
            event.append(_line(SHOWN[name], name, match["parameters"], value))


def _line(label: str, name: str, parameters: str, value: str) -> str:
    if name in ("DTSTART", "DTEND", "DUE"):
        value = _time(value, parameters)
    elif name in ("ORGANIZER", "ATTENDEE"):
        value = _person(value, parameters)
    return f"{label}: {value}" if label else value


def _time(value: str, parameters: str) -> str:
    match = TIME.match(value)
    if not match:
        return value
    year, month, day, hour, minute, is_utc = match.groups()
    zone = ZONE.search(parameters)
    named = " UTC" if is_utc else f" ({zone[1]})" if zone else ""
    return f"{year}-{month}-{day}" + (f" {hour}:{minute}{named}" if hour else "")


def _person(value: str, parameters: str) -> str:
    address = re.sub(r"\Amailto:", "", value, flags=re.IGNORECASE)
    match = NAME.search(parameters)
    name = (match[1] or match[2] or "").strip() if match else ""
    return f"{name} <{address}>" if name and name != address else address
