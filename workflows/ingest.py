"""The default workflow: files to searchable points."""

from celery import Signature, chord

from pipeline import chunk, embed, extract, finalize, upsert


def ingest() -> Signature:
    """Read the files, cut them, and make every chunk batch searchable."""
    return extract() | chunk() | chord([embed() | upsert()], finalize())
