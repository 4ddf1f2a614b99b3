"""Workflows over the package's own stages; `nested` says what cannot be."""

from celery import Signature, chord

from outside_example.stages import count_words, trouble
from pipeline import chunk, embed, extract, finalize, upsert


def troubled(hold: str = "") -> Signature:
    """Do as the text says, then make it searchable."""
    return extract() | trouble(hold=hold) | chunk() | chord([embed() | upsert()], finalize())


def counted(at_least: int = 3) -> Signature:
    """Cut at line ends and leave out short lines."""
    header = count_words(at_least=at_least) | embed() | upsert()
    return extract() | chunk(chunker="lines") | chord([header], finalize())


def nested() -> Signature:
    """A chord in a chord."""
    return extract() | chunk() | chord([chord([embed() | embed()], upsert())], finalize())
