"""What of the outbox a process sends next: it goes through what is due in parts, from poll to poll."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import due_deliveries
from pipeline.catalog.work.due_deliveries import PAGE, Delivery, Due
from pipeline.notify.registry import can_send
from pipeline.notify.slots import SLOTS, choose
from pipeline.services import Services

__all__ = ["Backlog"]


class Backlog:
    """The deliveries that are due, of which each claim reads one part.

    A host that does not answer may have left very many: what is due to others behind them is reached after some claims,
    and no claim takes longer for it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._after: Due | None = None

    def claim(self, sending: Collection[Delivery]) -> list[Delivery]:
        """Claim deliveries that there is room for beside those that are being sent.

        The write lock is taken only if there are any. One that takes a mail server or a template that this process does
        not have is left to a process that has it.
        """
        if len(sending) >= SLOTS:
            return []
        with self._services.catalog.connect() as connection:
            due = due_deliveries.list_due(connection, self._after)
        chosen = choose([one for one in due if can_send(one.url, self._services.settings)], sending)
        if len(sending) + len(chosen) < SLOTS:  # there is room for what is behind this part
            self._after = due[-1] if len(due) == PAGE else None
        if not chosen:
            return []
        with writing(self._services.catalog) as connection:
            return due_deliveries.claim(connection, [one.id for one in chosen])
