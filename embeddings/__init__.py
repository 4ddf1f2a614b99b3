"""Texts in, vectors out.

    describe(config)         the facts and the vector space of a model, without loading it
    load_tokenizer(config)   its tokenizer, without torch
    load(config)             the embedder
    load_reranker(name)      a cross-encoder, which reads question and passage together

A leaf: no Celery, no Redis, no Qdrant, no settings. Importing it imports no model library.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from embeddings.base import Device, Embedder, Fingerprint, Precision, Reranker, Tokenizer
from embeddings.errors import (
    REMOTE_CODE,
    BadConfig,
    EmbedError,
    EndpointBusy,
    EndpointError,
    GpuFull,
    HubUnreachable,
    ModelUnavailable,
    RerankerUnavailable,
)
from embeddings.known_models import DEFAULT, MODELS, Model, OutsideModel, find, outside
from embeddings.sources import Source, resolve

__all__ = [
    "MODELS",
    "BadConfig",
    "EmbedError",
    "Embedder",
    "EmbedderConfig",
    "EndpointBusy",
    "EndpointError",
    "Fingerprint",
    "GpuFull",
    "HubUnreachable",
    "Model",
    "ModelInfo",
    "ModelUnavailable",
    "OutsideModel",
    "Reranker",
    "RerankerUnavailable",
    "Tokenizer",
    "describe",
    "load",
    "load_reranker",
    "load_tokenizer",
]

_ENDPOINT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """Which model, and how it runs.

    `model` is a registry name, a hub name, a folder or an installed package; with a `base_url` it is the
    model's name at that OpenAI-compatible endpoint, and `dim` is needed unless the model is a known one.
    `precision`, `device` and `threads` are for a model that runs here; so is `remote_code`: whether a program that
    comes with the model may run.
    """

    model: str = DEFAULT
    precision: Precision = "auto"
    device: Device = "auto"
    threads: int = 1
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    dim: int | None = None
    remote_code: bool = False


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model's facts and the space of its vectors; `place` says where its files are."""

    model: Model
    fingerprint: Fingerprint
    place: str

    @property
    def max_tokens(self) -> int:
        """Longest text the model reads, special tokens included."""
        return self.model.max_tokens


def describe(config: EmbedderConfig | str = DEFAULT) -> ModelInfo:
    """The facts of a model and the fingerprint that `load` would give, without loading its weights.

    Raises:
        ModelUnavailable: no such model, or the hub that has it cannot be reached.
        BadConfig: an endpoint without a URL or a dimension.
    """
    source = _source(_config(config))
    return ModelInfo(source.model, source.fingerprint, source.place)


def load_tokenizer(config: EmbedderConfig | str = DEFAULT) -> Tokenizer:
    """The model's own tokenizer, without torch; the passage prefix counts among its special tokens.

    At an endpoint, a known model or hub name (owner/name) is measured with that model's tokenizer; for
    any other name an approximate one is used, which counts too many tokens rather than too few.

    Raises:
        ModelUnavailable: no such model, or the hub that has it cannot be reached.
        BadConfig: an endpoint without a URL or a dimension.
    """
    from embeddings.tokenizer import tokenizer_of

    source = _source(_config(config))
    return tokenizer_of(source, source.model.passage_prefix)


def load(config: EmbedderConfig | str = DEFAULT) -> Embedder:
    """Load an embedder.

    Raises:
        ModelUnavailable: no such model, damaged files, or the hub that has it cannot be reached.
        BadConfig: no such device, or an endpoint without a URL or a dimension.
    """
    chosen = _config(config)
    source = _source(chosen)
    if source.place == "endpoint":
        from embeddings.openai import OpenAIEmbedder

        return OpenAIEmbedder(source, chosen.base_url or "", chosen.api_key or "", chosen.model)
    if source.model.kind == "hashing":
        from embeddings.hashing import HashingEmbedder

        return HashingEmbedder(source)
    if source.model.kind == "outside":
        embedder: Embedder = outside().models[source.model.name].load()
        return embedder
    from embeddings.sentence_transformers import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(
        source, chosen.precision, chosen.device, chosen.threads, remote_code=chosen.remote_code
    )


def load_reranker(name: str, device: Device = "auto", threads: int = 1) -> Reranker:
    """Load a cross-encoder by its folder or its name on the hub.

    Raises:
        RerankerUnavailable: there is no such model, its files are damaged, or it gives no single score.
        HubUnreachable: it is not on this machine and the hub cannot be reached.
        BadConfig: no such device.
    """
    from embeddings.cross_encoder import CrossEncoderReranker

    return CrossEncoderReranker(name, device, threads)


def _config(config: EmbedderConfig | str) -> EmbedderConfig:
    return EmbedderConfig(config) if isinstance(config, str) else config


def _source(config: EmbedderConfig) -> Source:
    if config.base_url:
        return _endpoint(config)
    known = find(config.model)
    if known is not None and known.remote_code and not config.remote_code:
        raise ModelUnavailable(REMOTE_CODE.format(known.name))
    return resolve(config.model)


def _endpoint(config: EmbedderConfig) -> Source:
    url = urlsplit(config.base_url or "")
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise BadConfig(f"The setting `embedding_url` is not an http(s) URL: {config.base_url!r}.")
    known = find(config.model)
    has_files = "/" in config.model or (known is not None and known.kind == "sentence-transformers")
    # The endpoint's weights may be another commit than ours: only the tokenizer and the facts are taken.
    source = resolve(config.model) if has_files else Source(known or _unknown(config), "endpoint", "endpoint")
    if config.dim is None and not source.model.dim:
        raise BadConfig(f"The dimension of the model {config.model!r} is not known; set `embedding_dim`.")
    model = replace(source.model, dim=config.dim or source.model.dim, kind="http")
    return replace(source, model=model, place="endpoint", revision="endpoint")


def _unknown(config: EmbedderConfig) -> Model:
    return Model(
        config.model, "", "", config.dim or 0, _ENDPOINT_MAX_TOKENS, "endpoint", True, "", "", "", 0, "http"
    )  # fmt: skip
