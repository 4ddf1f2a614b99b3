"""The words that workflows are written in: each is a signature without data, and runs in place with data.

    def ingest() -> Signature:
        return extract() | chunk() | chord([embed() | upsert()], finalize())

In a notebook the same words do their work at once: `extract("letter.pdf") | chunk(tokens=128) | embed()`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from extractors.registry import media_types_of
from pipeline.composition.decorator import RunsStages, template
from pipeline.composition.parameters import check_options
from pipeline.errors import BadRequest
from pipeline.names import COLLECTION

__all__ = ["WORDS", "Word", "chunk", "embed", "extract", "finalize", "route", "sidecar", "upsert"]


MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+", re.ASCII)


class Options(BaseModel):
    """Base of the words' parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Options):
    """A word without parameters."""


class Cutting(Options):
    """Parameters of chunk; what is None is as the collection's settings say."""

    tokens: int | None = Field(None, ge=16, le=8192)
    overlap: int | None = Field(None, ge=0)
    chunker: str | None = None


class Routes(Options):
    """Parameters of route: collections by media type; a type may end in `*`, and the first that fits holds."""

    collections: dict[str, Annotated[str, Field(pattern=COLLECTION)]] = Field(min_length=1)
    otherwise: str | None = Field(None, pattern=COLLECTION)

    @field_validator("collections")
    @classmethod
    def _by_media_type(cls, collections: dict[str, str]) -> dict[str, str]:
        return {_media_type(pattern): collection for pattern, collection in collections.items()}


class Sidecar(Options):
    """Parameters of sidecar: what follows the whole name of the file that it belongs to."""

    suffix: str = Field(".meta.json", pattern=r"^\.[\w.-]{1,40}$")


@dataclass(frozen=True)
class Word:
    """A stage of the engine, or a word that intake obeys, as workflows name it."""

    name: str
    parameters: type[Options]
    meaning: str

    def __call__(self, *data: Any, **options: Any) -> Any:
        """Return a signature of the stage; with a dry run as data, run the stage on it.

        Raises:
            BadRequest: an option is wrong, or the data is no dry run.
        """
        signature = template(self.name, self.check(options))
        if not data:
            return signature
        if isinstance(data[0], RunsStages):
            return data[0].through(signature)
        raise BadRequest(
            f"{self.name} cannot work on {type(data[0]).__name__}.",
            "Begin with extract(path), then | the next stages.",
        )

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as JSON-ready data; what is as by default is left out. Raises BadRequest."""
        full = check_options(self.name, self.parameters, options)
        return {name: value for name, value in full.items() if value is not None}


route = Word("route", Routes, "choose the collection by the kind of file")
sidecar = Word("sidecar", Sidecar, "take in the metadata that lies beside a file")
extract = Word("extract", Nothing, "read the file")
chunk = Word("chunk", Cutting, "cut the text")
embed = Word("embed", Nothing, "make the vectors of a chunk batch")
upsert = Word("upsert", Nothing, "store the points of a chunk batch")
finalize = Word("finalize", Nothing, "verify the documents and switch to them")

WORDS = {word.name: word for word in (route, sidecar, extract, chunk, embed, upsert, finalize)}
"""Every word of the engine's own."""


def _media_type(pattern: str) -> str:
    """The pattern in small letters. Raises ValueError if it is a suffix, or else no media type."""
    if pattern == "*" or MEDIA_TYPE.fullmatch(pattern):
        return pattern.lower()
    # A suffix is not taken for its type: .csv and .txt are one type, and one of them is not meant by the other.
    meant = media_types_of(pattern)
    advice = f"write {' or '.join(meant)}" if meant else "write one as in application/pdf, text/* or *"
    raise ValueError(f"{pattern!r} is no media type: {advice}")
