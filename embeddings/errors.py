"""What can go wrong between a text and its vector, and which of it passes by itself.

    EmbedError                  embed_failed
    ├── BadConfig               bad_embedding_config   the configuration contradicts itself or the machine
    ├── ModelUnavailable        model_unavailable      no such model, or its files are missing or damaged
    │   └── HubUnreachable      hub_unreachable        transient: the model hub does not answer
    ├── RerankerUnavailable     reranker_unavailable   no such cross-encoder, or its files are damaged
    ├── GpuFull                 gpu_full               transient: not even one text fits into the GPU's memory now
    └── EndpointError           endpoint_error         the endpoint refuses, or answers with something else
        └── EndpointBusy        endpoint_busy          transient: overloaded, failing or out of reach

A class docstring is its default message. `code` is stable, `hint` says what the user can do, and
`transient` whether the same call may succeed later.
"""

from __future__ import annotations

__all__ = [
    "REMOTE_CODE",
    "BadConfig",
    "EmbedError",
    "EndpointBusy",
    "EndpointError",
    "GpuFull",
    "HubUnreachable",
    "ModelUnavailable",
    "RerankerUnavailable",
]


REMOTE_CODE = (
    "The model {!r} comes with a program of its own, which is not run: set `embedding_remote_code` to true if you "
    "trust it, or have an endpoint serve the model (`embedding_url`)."
)
"""The message of `ModelUnavailable` for a model that needs `EmbedderConfig.remote_code`."""


class EmbedError(Exception):
    """The texts could not be embedded."""

    code: str = "embed_failed"
    hint: str = "Check the setting `embedding_model`."
    transient: bool = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])

    @property
    def message(self) -> str:
        """One plain sentence."""
        return str(self.args[0])


class BadConfig(EmbedError):
    """The embedding configuration cannot work."""

    code = "bad_embedding_config"
    hint = "Check the settings that begin with `embedding_`."


class ModelUnavailable(EmbedError):
    """The embedding model is not there."""

    code = "model_unavailable"
    hint = "Name a known model, a hub model (owner/name), a folder that holds one, or an installed package."


class HubUnreachable(ModelUnavailable):
    """The model is not on this machine and the model hub cannot be reached."""

    code = "hub_unreachable"
    hint = "Check the network, download the model beforehand, or name a folder or an installed package."
    transient = True


class RerankerUnavailable(EmbedError):
    """The reranker is not there."""

    code = "reranker_unavailable"
    hint = "Set `reranker` to a cross-encoder with one score: a hub model (owner/name), or a folder that holds one."


class GpuFull(EmbedError):
    """The memory of the GPU is full."""

    code = "gpu_full"
    hint = "Set `embed_processes` lower, end other programs that use the GPU, or set `embedding_device` to cpu."
    transient = True


class EndpointError(EmbedError):
    """The embedding endpoint does not do what it was asked."""

    code = "endpoint_error"
    hint = "Check `embedding_url`, `embedding_model`, `embedding_api_key` and `embedding_dim`."


class EndpointBusy(EndpointError):
    """The embedding endpoint is overloaded, failing or out of reach.

    `retry_after` holds the seconds that the endpoint asked to wait, None if it did not say.
    """

    code = "endpoint_busy"
    hint = "It is retried by itself; if it stays, check that the endpoint runs and what its limits are."
    transient = True
    retry_after: float | None = None

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
