"""What every request is checked for beside its sender: the names of its parameters, and the kind of its body."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from email.message import Message

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from pipeline.errors import Invalid, WrongMediaType

__all__ = ["check_media_type", "check_parameters", "query_names", "small_body_has_arrived"]

SMALL_BODY, SMALL_BODY_WAIT_S = 256 << 10, 0.01
"""Bytes of a body that may be in memory before its sender is authenticated, and how long it is waited for."""


def query_names(dependant: Dependant) -> Iterator[str]:
    """Names of the query parameters of a route and of what it depends on; those of a model are its fields."""
    for inner in dependant.dependencies:
        yield from query_names(inner)
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield parameter.alias


def check_parameters(request: Request, known: Collection[str]) -> None:
    """Refuse query parameters that the address does not have: a filter with a typing error would find everything.

    Raises:
        Invalid: it names them.
    """
    unknown = {f"query.{name}": "There is no such parameter." for name in request.query_params if name not in known}
    if unknown:
        hint = f"Parameters are: {', '.join(sorted(known))}." if known else "This address has no parameters."
        raise Invalid("The address has a parameter that is not known.", hint, unknown)


async def small_body_has_arrived(request: Request) -> bool:
    """Whether a small body has arrived whole: then one thread can authenticate its sender and go on with it."""
    length = request.headers.get("content-length", "")
    is_small = "transfer-encoding" not in request.headers and length.isdecimal() and int(length) <= SMALL_BODY
    return is_small and bool(await request.scope["body"].arrives_within(SMALL_BODY_WAIT_S))


def check_media_type(request: Request, body: bytes) -> None:
    """Refuse a body that is not declared as JSON: FastAPI would read it as text and report wrong fields.

    Raises:
        WrongMediaType: the header Content-Type names another type, or is missing.
    """
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    media_type = message.get_content_type()
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if body and not is_json:
        raise WrongMediaType("The body of this request is JSON.", "Send the header Content-Type: application/json.")
