"""Which folders are watched, as the settings say it."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.errors import BadRequest
from pipeline.types import Tags, canonical

__all__ = ["WatchFolder", "WatchRule", "apart", "parse"]

from pipeline.names import COLLECTION


def _as_kept(value: Tags | None) -> Tags | None:
    try:
        return canonical(value)
    except BadRequest as wrong:
        raise ValueError(f"{wrong.message} {wrong.hint}") from None


GivenTags = Annotated[Tags | None, AfterValidator(_as_kept)]


class WatchRule(BaseModel):
    """Where the documents of a sub-folder go, and their tags; of the rules that say it, the deepest that fits counts.

    None says nothing of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    collection: str | None = Field(None, pattern=COLLECTION)
    tags: GivenTags = None

    @field_validator("folder", mode="after")
    @classmethod
    def _below(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise ValueError("a rule's folder lies below the watched one, as in invoices/2026")
        return str(PurePosixPath(value))

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.collection is None and self.tags is None:
            raise ValueError("a rule names a collection, or tags, or both")
        return self


class WatchFolder(BaseModel):
    """A folder to mirror. None takes the setting of the same name; `delete_missing` says whether files that go go.

    `tags` are those of its files; None leaves those that their documents have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    collection: str | None = Field(None, pattern=COLLECTION)
    tags: GivenTags = None
    workflow: str | None = None
    delete_missing: bool = True
    rules: tuple[WatchRule, ...] = ()

    @field_validator("path", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Not `resolved`: settings are read by every command, and a disk that does not answer must not stop them.
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100

    def resolved(self) -> WatchFolder:
        """Return the folder under its real name, without links: every watcher then gives its files the same sources."""
        return self.model_copy(update={"path": Path(os.path.realpath(self.path))})

    def collection_of(self, folder: str, default: str) -> str:
        """The collection of files in a sub-folder, which is given relative to the watched one ("" for itself)."""
        said = next((rule.collection for rule in self._fitting(folder) if rule.collection is not None), None)
        return said or self.collection or default

    def tags_of(self, folder: str) -> Tags | None:
        """The tags of files in a sub-folder, given in the same way; None where nothing is said of them."""
        return next((rule.tags for rule in self._fitting(folder) if rule.tags is not None), self.tags)

    def _fitting(self, folder: str) -> list[WatchRule]:
        """The rules for a sub-folder, the deepest first."""
        fitting = [rule for rule in self.rules if f"{folder}/".startswith(f"{rule.folder}/")]
        return sorted(fitting, key=lambda rule: len(rule.folder), reverse=True)


def parse(value: object) -> object:
    """The setting `watch` as a file or a variable says it: tables or paths, in a list, as JSON, or joined by `:`."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else value.split(os.pathsep)
    if isinstance(value, list):
        return tuple({"path": one} if isinstance(one, str) else one for one in value)
    return value


def apart(folders: tuple[WatchFolder, ...]) -> tuple[WatchFolder, ...]:
    """The same folders, none of them twice; one inside another is left to the inner one.

    Raises:
        ValueError: a folder is named twice.
    """
    paths = [one.path for one in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"the folder {path} is named twice")
    return folders
