"""Takes personal data out before anything is cut, embedded or stored."""

from typing import Literal

from celery import Signature, chord

from pipeline import Document, chunk, embed, extract, finalize, stage, upsert
from workflows.personal import find

Kind = Literal["iban", "card", "email", "phone"]
EVERY: tuple[Kind, ...] = ("iban", "card", "email", "phone")


@stage(queue="redact")
def redact(document: Document, *, kinds: tuple[Kind, ...] = EVERY, mask: str = "[removed]") -> Document:
    """Put the mask in the place of every find, in the text, the titles of sections and the metadata."""
    return document.rewritten(lambda text: [(*span, mask) for kind in kinds for span in find(text, kind)])


def redacted(kinds: tuple[Kind, ...] = EVERY, mask: str = "[removed]") -> Signature:
    """Take personal data out, then make what is left searchable."""
    return extract() | redact(kinds=kinds, mask=mask) | chunk() | chord([embed() | upsert()], finalize())
