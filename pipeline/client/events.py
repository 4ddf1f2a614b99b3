"""Server-sent events, as the API sends them about a job."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event", "EventParser"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a job. `id` is where to continue after; it is None for progress."""

    id: int | None
    kind: str
    data: str


class EventParser:
    """Builds events from the lines of a stream."""

    def __init__(self) -> None:
        self._reset()

    def feed(self, line: str) -> Event | None:
        """Read a line. Returns the event that ends with it, if there is one."""
        if line:
            self._read_field(line)
            return None
        event_id = int(self._id) if self._id else None
        event = Event(event_id, self._kind, "\n".join(self._data)) if self._data else None
        self._reset()
        return event

    def _reset(self) -> None:
        self._id: str | None = None
        self._kind = "message"
        self._data: list[str] = []

    def _read_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id":
            self._id = value
