"""Where a model's files are: an installed package, a folder, the hub's cache, or the hub itself.

Importing this reads no model and needs no network; the hub's client is imported when it is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from embeddings.base import Fingerprint
from embeddings.errors import ModelUnavailable
from embeddings.hub import fetch
from embeddings.known_models import MODELS, Model, find, outside
from embeddings.model_files import read_facts

__all__ = ["HUB_NAME", "Placement", "Source", "resolve"]

Placement = Literal["package", "folder", "hub", "builtin", "endpoint"]

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_DESCRIPTION = ("*.json", "*/config.json")


@dataclass(frozen=True, slots=True)
class Source:
    """A model's facts, the place of its files, and which state of them it is.

    `folder` holds at least the model's configuration and tokenizer; from the hub (`place` is "hub")
    the weights are fetched when it is loaded. It is None where there are no files.
    """

    model: Model
    place: Placement
    revision: str
    folder: Path | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """The space of this model's vectors; Docrelay always L2-normalises them."""
        return Fingerprint(
            model=self.model.name,
            revision=self.revision,
            precision="float",
            pooling=self.model.pooling,
            normalized=True,
            passage_prefix=self.model.passage_prefix,
            query_prefix=self.model.query_prefix,
            dim=self.model.dim,
        )


def resolve(name: str) -> Source:
    """Find a model by registry name, hub name, folder, or installed package.

    Known models come from their installed package if there is one, without a network, otherwise from
    the hub's cache, otherwise from the hub.

    Raises:
        ModelUnavailable: no such model; HubUnreachable where the network is what is missing.
    """
    known = find(name)
    if known is not None:
        return _known(known)
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return _from_folder(folder.resolve())
    package = _package_folder(name.replace("-", "_"))
    if package is not None:
        facts = read_facts(package, name.replace("_", "-"))
        return Source(facts, "package", _package_revision(name.replace("-", "_")), package)
    if HUB_NAME.fullmatch(name):
        return _from_hub(name)
    raise ModelUnavailable(f"There is no embedding model {name!r}; known ones are: {', '.join(MODELS)}.")


def _known(model: Model) -> Source:
    if model.kind == "hashing":
        return Source(model, "builtin", "1")
    if model.kind == "outside":
        return Source(model, "builtin", outside().models[model.name].revision)
    if model.kind == "http":
        raise ModelUnavailable(f"The model {model.name!r} is served by an endpoint; set `embedding_url`.")
    folder = _package_folder(model.package) if model.package else None
    if folder is not None:
        return Source(model, "package", _package_revision(model.package), folder)
    return replace(_from_hub(model.hub), model=model)


def _from_hub(name: str) -> Source:
    folder = fetch(name, _DESCRIPTION)
    return Source(replace(read_facts(folder, name), hub=name), "hub", folder.name, folder)


def _from_folder(folder: Path) -> Source:
    return Source(read_facts(folder, folder.name), "folder", _content_revision(folder), folder)


def _package_folder(package: str) -> Path | None:
    """The folder `model/` of an installed package, found without importing the package."""
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "config.json").is_file() else None


def _package_revision(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        names = packages_distributions().get(package, [])
        return f"{package} {version(names[0])}" if names else f"{package} unversioned"


def _content_revision(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".json", ".safetensors", ".bin"})
    digest = sha256()
    for path in files:
        status = path.stat()
        content = _digest(path, status.st_size, status.st_mtime_ns)
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:40]


@lru_cache(maxsize=1024)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """A file's SHA-256; size and time are arguments so that the cache notices a changed file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
