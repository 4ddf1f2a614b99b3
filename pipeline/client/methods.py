"""What the methods of both clients share: the name, docstring and signature of the endpoint that a method requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["SILENCE_S", "described", "stream_headers"]

Method = TypeVar("Method", bound=Callable[..., Any])

SILENCE_S = 45.0
"""An event stream that is silent for so long is dead: the server sends a comment every 15 seconds."""


def described(method: Method, endpoint: Callable[..., Any], returns: str = "{}") -> Method:
    """The method, with the name, docstring and signature of its endpoint, as `help` shows them.

    Args:
        method: a function of a client and of the endpoint's arguments.
        endpoint: one of `endpoints`.
        returns: the annotation of the result, around what the endpoint's request is about.
    """
    signature = inspect.signature(endpoint)
    about = str(signature.return_annotation).removeprefix("Request[").removesuffix("]")
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signed: Any = method
    signed.__signature__ = signature.replace(
        parameters=[receiver, *signature.parameters.values()],
        return_annotation=returns.format(about.removeprefix("Page[").removesuffix("]") if "Page[" in about else about),
    )
    signed.__name__, signed.__doc__ = endpoint.__name__, endpoint.__doc__
    return method


def stream_headers(last: int) -> dict[str, str]:
    """Headers of a request for events after the one with this id; 0 for all."""
    return {"Last-Event-ID": str(last)} if last else {}
