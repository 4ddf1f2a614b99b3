"""The budget of OCR: seconds that it works on one document; the pages after that are left out and named."""

from __future__ import annotations

from collections.abc import Iterable

from extractors.document import Page
from extractors.errors import TimedOut
from pipeline.catalog.work import turns
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["is_spent", "limit_s", "out_of_budget", "unread"]

GRACE_S = 10.0
SETTING = "`ocr_budget_s`"
HINT = f"Split the file, or raise the setting {SETTING}, and ingest it again."


def limit_s(settings: Settings, pages: int) -> float:
    """Seconds that one task of so many pages may work: each page has its own limit; this one ends all other hangs."""
    return settings.ocr_timeout_s * pages + GRACE_S


def is_spent(services: Services, claim: Claim) -> bool:
    """Whether the document's OCR has worked as long as it may; one of few pages has a limit for each page alone."""
    if not claim.detail.get(turns.IN_TURN):
        return False
    settings = services.settings
    longest = limit_s(settings, settings.ocr_group_pages)
    with services.catalog.connect() as connection:
        return turns.seconds(connection, claim.batch_id, "ocr", longest) >= settings.ocr_budget_s


def unread(services: Services, claim: Claim) -> tuple[list[Page], list[str]]:
    """The pages of this task and of all that are held, none of them read, and the sentence that says why."""
    with services.catalog.connect() as connection:
        held = turns.held_details(connection, claim.batch_id, "ocr")
    numbers = [number for detail in (claim.detail, *held) for number in detail["pages"]]
    seconds = services.settings.ocr_budget_s
    sentence = f"OCR has worked {seconds:g} s on this file, as long as {SETTING} allows: its other pages are not read."
    return [Page(number, "", origin="unread") for number in numbers], [sentence]


def out_of_budget(warnings: Iterable[str]) -> TimedOut | None:
    """The error of a document of which nothing was read within the budget; None if it was not spent."""
    for warning in warnings:
        if SETTING in warning:
            error = TimedOut(warning)
            error.hint = HINT
            return error
    return None
