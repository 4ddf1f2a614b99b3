"""The setting `watch`: which folders are watched, with collection, tags and workflow of their files."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from extractors.options import OcrMode
from pipeline.errors import BadRequest
from pipeline.names import COLLECTION
from pipeline.types import Tags, canonical

__all__ = ["WatchFolder", "WatchRule", "apart", "parse"]


def _canonical_tags(value: Tags | None) -> Tags | None:
    try:
        return canonical(value)
    except BadRequest as wrong:
        raise ValueError(f"{wrong.message} {wrong.hint}") from None


CanonicalTags = Annotated[Tags | None, AfterValidator(_canonical_tags)]


class WatchRule(BaseModel):
    """Collection and tags of the documents of a sub-folder; None leaves them to the next rule above.

    Of several rules that match a folder, the deepest one that has a value counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    collection: str | None = Field(None, pattern=COLLECTION)
    tags: CanonicalTags = None

    @field_validator("folder", mode="after")
    @classmethod
    def _below(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise ValueError("a rule's folder lies below the watched one, as in invoices/2026")
        return str(PurePosixPath(value))

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if self.collection is None and self.tags is None:
            raise ValueError("a rule names a collection, or tags, or both")
        return self


class WatchFolder(BaseModel):
    """A folder to mirror. None takes the setting of the same name.

    `delete_missing`: whether the documents of files that are removed are deleted. `tags`: of the documents of all its
    files; None leaves the tags that the documents have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    collection: str | None = Field(None, pattern=COLLECTION)
    tags: CanonicalTags = None
    workflow: str | None = None
    ocr: OcrMode | None = None
    delete_missing: bool = True
    rules: tuple[WatchRule, ...] = ()

    @field_validator("path", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Links are not resolved: every command reads the settings, and a disk that does not answer must not stop it.
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100

    def resolved(self) -> WatchFolder:
        """Return the folder under its real name, without links: every watcher then gives its files the same sources."""
        return self.model_copy(update={"path": Path(os.path.realpath(self.path))})

    def collection_of(self, folder: str, default: str) -> str:
        """Return the collection of files in a sub-folder, given relative to the watched one ("" for itself)."""
        ruled = next((rule.collection for rule in self._rules_for(folder) if rule.collection is not None), None)
        return ruled or self.collection or default

    def tags_of(self, folder: str) -> Tags | None:
        """Return the tags of files in a sub-folder, given in the same way; None if no setting has tags."""
        return next((rule.tags for rule in self._rules_for(folder) if rule.tags is not None), self.tags)

    def _rules_for(self, folder: str) -> list[WatchRule]:
        """The rules that match a sub-folder, the deepest first."""
        matching = [rule for rule in self.rules if f"{folder}/".startswith(f"{rule.folder}/")]
        return sorted(matching, key=lambda rule: len(rule.folder), reverse=True)


def parse(value: object) -> object:
    """Parse the setting from a file or the environment: tables or paths, in a list, as JSON, or joined by `:`."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else value.split(os.pathsep)
    if isinstance(value, list):
        return tuple({"path": item} if isinstance(item, str) else item for item in value)
    return value


def apart(folders: tuple[WatchFolder, ...]) -> tuple[WatchFolder, ...]:
    """Check that no folder is named twice. One inside another is allowed: its files belong to the inner one.

    Raises:
        ValueError: a folder is named twice.
    """
    paths = [folder.path for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"the folder {path} is named twice")
    return folders
