"""`Done`, which every stage returns: how to record its result, and what follows. The executor commits and publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services

__all__ = ["Done", "FanOut", "OcrFanOut", "Work"]


@dataclass(frozen=True, slots=True)
class FanOut:
    """Embed and upsert each of `parts` chunk batches, then finalize the batch; without parts only finalize.

    `at_once`: if there are more parts, so many are published, and each of them is followed by another one.
    """

    parts: int
    at_once: int | None = None

    @property
    def in_turn(self) -> int | None:
        """How many parts are published now, if not all."""
        return self.at_once if self.at_once is not None and self.parts > self.at_once else None


@dataclass(frozen=True, slots=True)
class OcrFanOut:
    """Read scanned pages: for each new batch, which holds one document, its page groups, as parts of a fan."""

    groups: Mapping[str, FanOut]


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a stage.

    record   writes the result into the catalog, in the transaction that also ends the task, and does nothing else
    then     tasks to publish after the commit, besides the next task of the chain
    admit    the stage has left batches that wait for admission
    tidy     removes files that are no longer needed after the commit; it may be skipped and may run twice
    lost     repairs what the stage changed outside the catalog, if another worker did the task meanwhile
    facts    numbers for the log
    outcome  the outcome that metrics count
    """

    record: Callable[[Connection], None]
    then: FanOut | OcrFanOut | None = None
    admit: bool = False
    tidy: Callable[[], None] | None = None
    lost: Callable[[], None] | None = None
    facts: Mapping[str, Any] | None = None
    outcome: str = "done"


Work = Callable[[Services, Claim], Done]
"""A stage: loads its input, calls pure functions, writes to the spool. It publishes nothing."""
