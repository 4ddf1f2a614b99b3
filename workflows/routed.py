"""Sends documents to collections by what they are; the content decides, not the name."""

from celery import Signature, chord

from pipeline import chunk, embed, extract, finalize, route, upsert

COLLECTIONS = {"application/pdf": "papers", "image/*": "pictures", "text/*": "notes"}


def routed(collections: dict[str, str] = COLLECTIONS, otherwise: str | None = None) -> Signature:
    """Send each document to the collection of its type; what fits none goes where the job says."""
    where = route(collections=collections, otherwise=otherwise)
    return where | extract() | chunk() | chord([embed() | upsert()], finalize())
