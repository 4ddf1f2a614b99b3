"""Settings of operation: when periodic work runs, and how long records are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, Field

__all__ = ["OperationSettings"]


def _checked(expression: str) -> str:
    """A cron expression of five fields, or nothing.

    Raises:
        ValueError: it is none, or no time matches it.
    """
    text = " ".join(expression.split())
    if not text:
        return text
    try:
        if len(text.split()) != 5:
            raise CronSimError("Wrong number of fields")
        next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        example = "write minute, hour, day, month and weekday, as in 0 2 * * *"
        raise ValueError(f"{expression!r} is no cron expression ({error}): {example}") from error
    except StopIteration:
        raise ValueError(f"{expression!r} is never due: no date matches it") from None
    return text


Cron = Annotated[str, AfterValidator(_checked)]


class OperationSettings(BaseModel):
    """Cron expressions are in the local time of the machine; an empty one switches the entry off."""

    schedule_metrics: Cron = Field("0 1 * * *", description="when the numbers of the days before are stored")
    schedule_clean_up: Cron = Field("0 2 * * *", description="when what no document needs any more is removed")
    schedule_failures: Cron = Field("30 2 * * *", description="when failures older than `failures_days` leave the list")
    schedule_verify: Cron = Field("0 3 * * *", description="when everything may be verified, see `verify_days`")
    schedule_health: Cron = Field("0 * * * *", description="when all services are checked")
    schedule_expiry: Cron = Field("0 * * * *", description="when expired uploads, answers and keys are removed")
    failures_days: float = Field(90.0, ge=0, description="days after which an open failure is archived; 0: never")
    failures_policy: Literal["archive", "purge"] = Field(
        "archive", description="whether failures as old as that are archived or deleted"
    )
    page_images_mb: int = Field(256, ge=0, description="megabytes of page images that are kept; 0: none")
    jobs_days: float = Field(365.0, ge=0, description="days that old jobs and archived failures are kept; 0: for ever")
    events_days: float = Field(30.0, ge=1, description="days that events are kept, and errors of attempts (at least 8)")
