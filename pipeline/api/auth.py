"""Who may come in: API keys with scopes and rates; on loopback without any key, this machine's own programs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.message import Message
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import redis
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from pipeline.api import LOOPBACK
from pipeline.api.state import Door
from pipeline.catalog.api import keys
from pipeline.catalog.api.keys import Key
from pipeline.errors import BadRequest, NoKey, NotAllowed, TooMany, WrongMediaType
from pipeline.names import PREFIX

__all__ = ["Admin", "Caller", "Entry", "Guarded", "Reader", "Sender", "Submitter", "check_start"]

NOBODY = "-"

SMALL, PROMPT_S = 256 << 10, 0.01
"""Bytes of a body that may lie in memory before anybody has looked who sends it, and how long it is waited for."""


BUCKET = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local rate, most = ARGV[1] / 60, tonumber(ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(most, (tonumber(held[1]) or most) + (now - (tonumber(held[2]) or now)) * rate)
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], 120)
return tostring(wait)
"""
"""A bucket of one minute's requests that fills steadily; answers how many seconds are to be waited."""

_bearer = HTTPBearer(auto_error=False, description="An API key, made with `docrelay keys create`.", scheme_name="key")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="key_header")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `key_id` is "-" for a program of this machine that needs no key."""

    key_id: str
    scopes: tuple[str, ...]

    @property
    def key(self) -> str | None:
        """The key's id, None without one."""
        return None if self.key_id == NOBODY else self.key_id


def check_start(door_keys: bool, host: str, *, embedded: bool) -> None:
    """Refuse to serve whoever comes by: without keys only loopback is served, and only in embedded mode.

    Raises:
        BadRequest: there is no key, and the address needs one.
    """
    if door_keys or (embedded and host in LOOPBACK):
        return
    raise BadRequest(f"The API is not served on {host} without keys.", "Make one first with: docrelay keys create NAME")


class Entry:
    """Who asks for something that needs a scope: looked up once, in a thread."""

    def __init__(self, request: Request, secret: str | None, scope: str) -> None:
        self._request = request
        self._secret = secret
        self._scope = scope
        self._caller: Caller | None = None

    def caller(self) -> Caller:
        """Who asks.

        Raises:
            NoKey, NotAllowed, TooMany: the request is not served.
        """
        if self._caller is None:
            self._caller = _admitted(self._request, self._secret, self._scope)
        return self._caller


class _Needs:
    """A dependency that is the entry of who asks; `Guarded` has made sure of the scope, unless it is left to the route.

    The route has to look itself, then, before it does anything.
    """

    def __init__(self, scope: str, *, left_to_route: bool = False) -> None:
        self.scope = scope
        self.left_to_route = left_to_route

    async def __call__(
        self,
        request: Request,
        _key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        _key_header: Annotated[str | None, Depends(_header)],
    ) -> Entry:
        found: Entry = request.state.entry
        return found


class Guarded(APIRoute):
    """A route that looks who asks before a byte of the body is read; FastAPI reads it before all dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What serves a request."""
        serve = super().get_route_handler()
        needed = next((one.call for one in self.dependant.dependencies if isinstance(one.call, _Needs)), None)

        async def handle(request: Request) -> Response:
            if needed is not None:
                bearer = await _bearer(request)
                secret = bearer.credentials if bearer is not None else await _header(request)
                entry = request.state.entry = Entry(request, secret, needed.scope)
                if not (needed.left_to_route and await _is_here(request)):
                    await _let_in(request, entry)
            if self.body_field is not None:
                # Here what is wrong with a body is told as it is; FastAPI would call it all a parsing error.
                _check_kind(request, await request.body())
            try:
                return await serve(request)
            except RequestValidationError:
                # What is wrong with a request is told to those who may make one.
                if needed is not None:
                    await run_in_threadpool(entry.caller)
                raise

        return handle


async def _is_here(request: Request) -> bool:
    """Whether a small body has come whole already: then one thread can look who sent it, and go on with it."""
    told = request.headers.get("content-length", "")
    is_small = "transfer-encoding" not in request.headers and told.isdecimal() and int(told) <= SMALL
    return is_small and bool(await request.scope["body"].comes(PROMPT_S))


async def _let_in(request: Request, entry: Entry) -> None:
    """Look who asks; from then on the body on its way is one of theirs.

    Raises:
        NoKey, NotAllowed, TooMany, Busy: the request is not served.
    """
    caller = await run_in_threadpool(entry.caller)
    request.scope["slot"].belongs_to(caller.key)


def _check_kind(request: Request, body: bytes) -> None:
    """Refuse a body that does not say that it is JSON: FastAPI would take it for a text, and call its fields wrong.

    Raises:
        WrongMediaType: its header Content-Type names another kind, or none.
    """
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    kind = message.get_content_type()
    if body and kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongMediaType("The body of this request is JSON.", "Send the header Content-Type: application/json.")


def _admitted(request: Request, secret: str | None, scope: str) -> Caller:
    door: Door = request.app.state.door
    caller, rate = _caller(request, door, secret)
    _spend(door.services.redis, caller, rate)
    if scope not in caller.scopes and "admin" not in caller.scopes:
        raise NotAllowed(f"This request needs a key with the scope {scope}.")
    return caller


def _caller(request: Request, door: Door, secret: str | None) -> tuple[Caller, int]:
    with door.services.catalog.connect() as connection:
        key = keys.find(connection, secret) if secret else None
        is_open = key is None and not secret and not keys.is_any_created(connection)
    if key is not None:
        if keys.is_use_to_be_noted(key):
            _note(door, key)
        return Caller(key.id, key.scopes), key.rate
    if not (is_open and door.embedded and door.settings.api_host in LOOPBACK):
        raise NoKey
    _is_local(request)
    return Caller(NOBODY, ("admin",)), 0


def _is_local(request: Request) -> None:
    """Refuse what a page in a browser could have sent: a foreign name of ours, or a foreign origin.

    Raises:
        NotAllowed: the headers Host or Origin are not this machine's.
    """
    named = _split(f"//{request.headers.get('host', '')}")
    if named is None or named.hostname not in LOOPBACK:
        raise NotAllowed("Without keys the API answers to localhost alone.", "Call it by http://127.0.0.1.")
    origin = request.headers.get("origin")
    told = _split(origin or "")
    if origin is not None and (told is None or told.netloc != request.headers.get("host")):
        raise NotAllowed("Without keys the API does not answer pages of other origins.", "Use a key.")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _note(door: Door, key: Key) -> None:
    door.writer.later(lambda connection: keys.note_use(connection, key.id))


def _spend(connection: redis.Redis, caller: Caller, rate: int) -> None:
    if not rate:
        return
    answered: Any = connection.eval(BUCKET, 1, f"{PREFIX}rate:{caller.key_id}", rate)
    wait_s = float(answered)
    if wait_s > 0:
        error = TooMany(f"The key may send {rate} requests a minute.")
        error.retry_after = wait_s
        raise error


Reader = Annotated[Entry, Depends(_Needs("read"))]
Submitter = Annotated[Entry, Depends(_Needs("submit"))]
Sender = Annotated[Entry, Depends(_Needs("submit", left_to_route=True))]
Admin = Annotated[Entry, Depends(_Needs("admin"))]
