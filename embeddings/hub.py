"""Models from the Hugging Face hub, through its own client and cache.

A model in the cache stays at the commit it was fetched at: a newer one on the hub would be another
vector space, and no user asked for it. `HF_HUB_OFFLINE`, `HF_ENDPOINT` and `HF_HOME` hold as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embeddings.errors import HubUnreachable, ModelUnavailable

__all__ = ["fetch"]

_UNUSED = ("onnx/*", "openvino/*", "coreml/*")


def fetch(name: str, patterns: Sequence[str]) -> Path:
    """Bring the matching files of a hub model into the cache.

    Returns:
        The folder that holds them; it is named by the commit: the cached one, else the hub's newest.

    Raises:
        ModelUnavailable: the hub has no such model, or does not give it to us.
        HubUnreachable: the files are not cached and the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    with _errors(name):
        cached = try_to_load_from_cache(name, "config.json")
        commit = Path(cached).parent.name if isinstance(cached, str) else None
        # Without a commit the client notes in its cache which one "main" was; only so it is found again.
        folder = snapshot_download(name, revision=commit, allow_patterns=list(patterns), ignore_patterns=list(_UNUSED))
    return Path(folder)


@contextmanager
def _errors(name: str) -> Iterator[None]:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The first parent is the error of whichever HTTP library the client uses; httpx and httpx2 so far.
    transport: type[Exception] = HfHubHTTPError.__mro__[1]
    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailable(f"The model {name!r} asks for an agreement on the hub, and a token in HF_TOKEN.") from (
            error
        )
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise ModelUnavailable(f"The hub has no model {name!r} for us.") from error
    except (LocalEntryNotFoundError, transport, ConnectionError) as error:
        raise HubUnreachable(f"The model {name!r} is not on this machine and the hub cannot be reached.") from error
