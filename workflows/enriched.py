"""Put the metadata beside a file, in `<file>.meta.json`, on every chunk of the file."""

from dataclasses import replace

from celery import Signature, chord

from pipeline import About, Chunk, chunk, embed, extract, finalize, sidecar, stage, upsert


@stage(queue="enrich")
def enrich(chunks: list[Chunk], about: About, *, fields: list[str] | None = None) -> list[Chunk]:
    """Put the document's metadata on its chunks: these fields, or all."""
    metadata = {name: value for name, value in about.metadata.items() if fields is None or name in fields}
    return [replace(chunk, metadata={**chunk.metadata, **metadata}) for chunk in chunks]


def enriched(fields: list[str] | None = None) -> Signature:
    """Make files searchable together with their metadata."""
    return sidecar() | extract() | chunk() | chord([enrich(fields=fields) | embed() | upsert()], finalize())
