"""Authentication: API keys with scopes and rates; on loopback, as long as there is no key, programs of this machine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import redis
from anyio import fail_after, to_thread
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from pipeline.api import LOOPBACK
from pipeline.api.known_callers import NO_KEY, Caller
from pipeline.api.request_checks import check_media_type, check_parameters, query_names, small_body_has_arrived
from pipeline.api.state import ApiState
from pipeline.catalog import CATALOG_ERRORS
from pipeline.catalog.api import keys
from pipeline.catalog.api.keys import Key
from pipeline.errors import BadRequest, Invalid, NoKey, NotAllowed, StackUnavailable, TooMany
from pipeline.names import PREFIX

__all__ = [
    "Admin",
    "AuthenticatedRoute",
    "Authentication",
    "BodySender",
    "Caller",
    "Prober",
    "Reader",
    "Submitter",
    "check_start",
]

PROBE_WAIT_S = 5.0
KEYS_UNREADABLE: tuple[type[Exception], ...] = (TimeoutError, *CATALOG_ERRORS)
KEYS_AWAY = "The catalog, which holds the keys, does not answer."

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
"""Token bucket of one minute's requests; returns how many seconds to wait, 0 if the request may go on."""

_bearer = HTTPBearer(auto_error=False, description="An API key, made with `docrelay keys create`.", scheme_name="key")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="key_header")


def check_start(has_keys: bool, host: str, *, embedded: bool) -> None:
    """Refuse to start where any program could send requests: without keys only loopback is served, in embedded mode.

    Raises:
        BadRequest: there is no key, and the address needs one.
    """
    if has_keys or (embedded and host in LOOPBACK):
        return
    raise BadRequest(f"The API is not served on {host} without keys.", "Make one first with: docrelay keys create NAME")


class Authentication:
    """The authentication of one request for a route; done once, in a thread."""

    def __init__(self, request: Request, secret: str | None, required: _RequiredScope) -> None:
        self.request = request
        self._secret = secret
        self._required = required
        self._caller: Caller | None = None

    def caller(self) -> Caller:
        """Authenticate the sender.

        Raises:
            NoKey, NotAllowed, TooMany: the request is not served.
        """
        if self._caller is None:
            self._caller = _authenticate(self.request, self._secret, self._required)
        return self._caller

    def take_known_caller(self) -> bool:
        """Authenticate the sender without the catalog; whether it is known by a request that was served lately.

        Raises:
            NotAllowed: the request is not served.
        """
        caller = self.request.app.state.api.known_callers.find(self._secret)
        if caller is not None:
            if caller.key is None:
                _check_is_local(self.request)
            _check_scope(caller, self._required)
        self._caller = caller
        return caller is not None


class _RequiredScope:
    """A dependency that provides the request's `Authentication` and names the scope that the route needs.

    `AuthenticatedRoute` has authenticated the request before the route begins. With `left_to_route`, the route itself
    has to call `Authentication.caller` before it does anything. A `probe` counts for no rate, and waits for no other
    request: it must be answered when Redis is frozen, and when all threads have work.
    """

    def __init__(self, scope: str, *, left_to_route: bool = False, probe: bool = False) -> None:
        self.scope = scope
        self.left_to_route = left_to_route
        self.probe = probe

    async def __call__(
        self,
        request: Request,
        _key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        _key_header: Annotated[str | None, Depends(_header)],
    ) -> Authentication:
        authentication: Authentication = request.state.authentication
        return authentication


class AuthenticatedRoute(APIRoute):
    """A route that authenticates before a byte of the body is read; FastAPI reads the body before all dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that serves a request."""
        serve = super().get_route_handler()
        required = next(
            (item.call for item in self.dependant.dependencies if isinstance(item.call, _RequiredScope)), None
        )

        known = set(query_names(self.dependant))

        async def handle(request: Request) -> Response:
            if required is not None:
                bearer = await _bearer(request)
                secret = bearer.credentials if bearer is not None else await _header(request)
                authentication = request.state.authentication = Authentication(request, secret, required)
                if required.probe:
                    await _authenticate_probe(request, authentication)
                elif not (required.left_to_route and await small_body_has_arrived(request)):
                    await _authenticate_sender(request, authentication)
            if self.body_field is not None:
                # Read here, a body keeps the error that it raises; FastAPI would call each a parsing error.
                check_media_type(request, await request.body())
            try:
                check_parameters(request, known)
                return await serve(request)
            except (RequestValidationError, Invalid):
                # Only an authenticated sender learns what is wrong with a request.
                if required is not None:
                    await run_in_threadpool(authentication.caller)
                raise

        return handle


async def _authenticate_sender(request: Request, authentication: Authentication) -> None:
    """Authenticate the sender in a thread; from then on the body that arrives counts among those of the key.

    Raises:
        NoKey, NotAllowed, TooMany, Busy: the request is not served.
    """
    caller = await run_in_threadpool(authentication.caller)
    request.scope["slot"].belongs_to(caller.key)


async def _authenticate_probe(request: Request, authentication: Authentication) -> None:
    """Authenticate the sender of a probe, in bounded time, in one of the threads that are kept for probes.

    While the catalog, which holds the keys, does not answer, a sender is let in who was let in before: what a probe has
    to say is then that the catalog is away.

    Raises:
        NoKey, NotAllowed: the request is not served.
        StackUnavailable: the catalog does not answer, and the sender is not known.
    """
    try:
        with fail_after(PROBE_WAIT_S):
            limiter = request.app.state.api.probes
            await to_thread.run_sync(authentication.caller, limiter=limiter, abandon_on_cancel=True)
    except KEYS_UNREADABLE:
        if authentication.take_known_caller():
            return
        raise StackUnavailable(KEYS_AWAY, "Ask GET /health/ready, which needs no key.") from None


def _authenticate(request: Request, secret: str | None, required: _RequiredScope) -> Caller:
    """Look up the key, count the request against its rate, and check its scope."""
    api: ApiState = request.app.state.api
    try:
        caller, rate = _caller(request, api, secret)
    except NoKey:
        api.known_callers.forget(secret)
        raise
    if required.probe:
        api.known_callers.remember(secret, caller)
    else:
        _spend_token(api.services.redis, caller, rate)
    _check_scope(caller, required)
    return caller


def _check_scope(caller: Caller, required: _RequiredScope) -> None:
    if required.scope not in caller.scopes and "admin" not in caller.scopes:
        raise NotAllowed(f"This request needs a key with the scope {required.scope}.")


def _caller(request: Request, api: ApiState, secret: str | None) -> tuple[Caller, int]:
    """The sender of a request by its key, and the requests a minute that the key allows (0 for no limit)."""
    with api.services.catalog.connect() as connection:
        key = keys.find(connection, secret) if secret else None
        is_open = key is None and not secret and not keys.is_any_created(connection)
    if key is not None:
        if keys.is_use_to_be_noted(key):
            _note_use(api, key)
        return Caller(key.id, key.scopes), key.rate
    if not (is_open and api.embedded and api.settings.api_host in LOOPBACK):
        raise NoKey
    _check_is_local(request)
    return Caller(NO_KEY, ("admin",)), 0


def _check_is_local(request: Request) -> None:
    """Refuse a request that a web page could have sent, by DNS rebinding or from another origin.

    Raises:
        NotAllowed: the header Host or Origin does not name this machine.
    """
    host = _split(f"//{request.headers.get('host', '')}")
    if host is None or host.hostname not in LOOPBACK:
        raise NotAllowed("Without keys the API answers to localhost alone.", "Call it by http://127.0.0.1.")
    origin = request.headers.get("origin")
    page = _split(origin or "")
    if origin is not None and (page is None or page.netloc != request.headers.get("host")):
        raise NotAllowed("Without keys the API does not answer pages of other origins.", "Use a key.")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _note_use(api: ApiState, key: Key) -> None:
    api.writer.run_in_background(lambda connection: keys.note_use(connection, key.id))


def _spend_token(connection: redis.Redis, caller: Caller, rate: int) -> None:
    """Take a token from the bucket of a key.

    Raises:
        TooMany: the bucket is empty.
    """
    if not rate:
        return
    reply: Any = connection.eval(BUCKET, 1, f"{PREFIX}rate:{caller.key_id}", rate)
    wait_s = float(reply)
    if wait_s > 0:
        error = TooMany(f"The key may send {rate} requests a minute.")
        error.retry_after = wait_s
        raise error


Reader = Annotated[Authentication, Depends(_RequiredScope("read"))]
"""Parameter of a route that needs the scope `read`, as the following are for other scopes."""

Prober = Annotated[Authentication, Depends(_RequiredScope("read", probe=True))]
"""The same scope, for a probe of health and for a scrape of metrics."""

Submitter = Annotated[Authentication, Depends(_RequiredScope("submit"))]
BodySender = Annotated[Authentication, Depends(_RequiredScope("submit", left_to_route=True))]
"""The same scope, for a route that authenticates in the thread in which it reads the body."""

Admin = Annotated[Authentication, Depends(_RequiredScope("admin"))]
AdminBodySender = Annotated[Authentication, Depends(_RequiredScope("admin", left_to_route=True))]
