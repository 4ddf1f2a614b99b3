"""The default workflow: files to searchable points.

extract | chunk, then per chunk batch embed | upsert, then finalize
"""

from collections.abc import Sequence

from celery import Signature, chord

from pipeline.canvas import Batch, chunk, embed, extract, finalize, ocr, upsert


def begin(batch: Batch) -> Signature:
    """Read and cut the files; `chunk` is the last link and opens the fan."""
    return extract(batch) | chunk(batch)


def fan(batch: Batch, parts: Sequence[int]) -> Signature:
    """Embed and store every chunk batch, then make the documents visible."""
    return chord([embed(batch, part) | upsert(batch, part) for part in parts], finalize(batch))


def scanned(batch: Batch, groups: Sequence[int]) -> Signature:
    """Read the scanned pages by OCR, then go on to chunk."""
    return chord([ocr(batch, group) for group in groups], chunk(batch))
