"""Publish canvases to the broker."""

from __future__ import annotations

import structlog
from celery import Signature
from celery.result import denied_join_result
from kombu.exceptions import OperationalError as BrokerError

from pipeline.catalog.work.ledger import Claim
from pipeline.engine.canvas import Batch, guarded
from pipeline.engine.celery_app import app_of, broker_priority
from pipeline.retries import TRANSIENT
from pipeline.services import Services

__all__ = ["UNREACHED", "batch_of", "publish"]

log = structlog.get_logger()

UNREACHED: tuple[type[Exception], ...] = (BrokerError, *TRANSIENT)
"""Errors of a broker that cannot be reached."""


def batch_of(services: Services, claim: Claim) -> Batch:
    """Return the batch of a claim, as the canvas functions take it."""
    return Batch(claim.batch_id, broker_priority(claim.priority, services.settings), claim.plan)


def publish(services: Services, canvas: Signature, batch: Batch) -> None:
    """Publish a canvas. Where the broker cannot be reached, the reconciler publishes it later, from the ledger."""
    try:
        # Signatures find their application through the current one of the thread.
        app_of(services).set_current()
        # Else every publisher subscribes to the result of every task that it publishes.
        with denied_join_result():
            guarded(canvas, batch).apply_async(priority=batch.priority)
    except UNREACHED as error:
        log.warning("publish.failed", batch=batch.id, error=str(error))
