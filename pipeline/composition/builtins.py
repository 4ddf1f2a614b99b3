"""The built-in stages, as workflows name them: without data each returns a signature, with data it runs in place.

    def ingest() -> Signature:
        return extract() | chunk() | chord([embed() | upsert()], finalize())

In a notebook the same stages do their work at once: `extract("letter.pdf") | chunk(tokens=128) | embed()`.
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

__all__ = ["BUILTIN_STAGES", "BuiltinStage", "chunk", "embed", "extract", "finalize", "route", "sidecar", "upsert"]


MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+", re.ASCII)


class Options(BaseModel):
    """Base of the parameters of built-in stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoOptions(Options):
    """The parameters of a stage that has none."""


class ChunkOptions(Options):
    """Parameters of chunk; None takes the value that the collection was made with."""

    tokens: int | None = Field(None, ge=16, le=8192)
    overlap: int | None = Field(None, ge=0)
    chunker: str | None = None


class RouteOptions(Options):
    """Parameters of route: collections by media type. A type may end in `*`; the first that matches counts."""

    collections: dict[str, Annotated[str, Field(pattern=COLLECTION)]] = Field(min_length=1)
    otherwise: str | None = Field(None, pattern=COLLECTION)

    @field_validator("collections")
    @classmethod
    def _by_media_type(cls, collections: dict[str, str]) -> dict[str, str]:
        return {_media_type(pattern): collection for pattern, collection in collections.items()}


class SidecarOptions(Options):
    """Parameters of sidecar: the suffix that its name adds to the whole name of its file."""

    suffix: str = Field(".meta.json", pattern=r"^\.[\w.-]{1,40}$")


@dataclass(frozen=True)
class BuiltinStage:
    """A stage of the engine, or an instruction to intake (route, sidecar), as workflows name it."""

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
            return data[0].run_stages(signature)
        raise BadRequest(
            f"{self.name} cannot work on {type(data[0]).__name__}.",
            "Begin with extract(path), then | the next stages.",
        )

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as JSON-ready data without those that are None. Raises BadRequest."""
        full = check_options(self.name, self.parameters, options)
        return {name: value for name, value in full.items() if value is not None}


route = BuiltinStage("route", RouteOptions, "choose the collection by the kind of file")
sidecar = BuiltinStage("sidecar", SidecarOptions, "take in the metadata that lies beside a file")
extract = BuiltinStage("extract", NoOptions, "read the file")
chunk = BuiltinStage("chunk", ChunkOptions, "cut the text")
embed = BuiltinStage("embed", NoOptions, "make the vectors of a chunk batch")
upsert = BuiltinStage("upsert", NoOptions, "store the points of a chunk batch")
finalize = BuiltinStage("finalize", NoOptions, "verify the documents and switch to them")

BUILTIN_STAGES = {built_in.name: built_in for built_in in (route, sidecar, extract, chunk, embed, upsert, finalize)}
"""Every built-in stage by its name."""


def _media_type(pattern: str) -> str:
    """Return the pattern in lower case. Raises ValueError if it is a suffix, or no media type."""
    if pattern == "*" or MEDIA_TYPE.fullmatch(pattern):
        return pattern.lower()
    # A suffix does not stand for its type: .csv and .txt have one type, and a user who writes one means it alone.
    meant = media_types_of(pattern)
    advice = f"write {' or '.join(meant)}" if meant else "write one as in application/pdf, text/* or *"
    raise ValueError(f"{pattern!r} is no media type: {advice}")
