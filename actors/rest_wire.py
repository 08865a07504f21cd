"""One HTTP request and its answer, and what becomes of a request when there is none. The only file that knows httpx2.

What a request is and what its answer means is in spot/rest_requests.py and spot/rest_answers.py; when to send, and to
send again, is rest.py's.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from types import TracebackType
from typing import Self

import httpx2
import trio

from dogwatch.actors.dialler import refuse_unverified, tls_story
from dogwatch.actors.http_body import ACCEPTED, Body
from dogwatch.actors.spot.endpoints import RestBases
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.rest_requests import RestRequest

__all__ = ["CONNECTIONS_MAX", "HttpAnswer", "RestDoor", "Wire", "rest_door"]

CONNECTIONS_MAX = 32
"""To one base endpoint, kept open between requests."""
IDLE_S_MAX = 50.0
"""After so long without a request a connection is not used again: servers close theirs after a minute."""
CONNECT_WITHIN_S = 5.0
CONNECTING_SHARE = 0.4
"""Of the time for all: connecting and its TLS handshake, each for so long, end before it does."""

NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.LocalProtocolError)
"""Failures before the first byte of a request is written."""

_url = lru_cache(maxsize=256)(httpx2.URL)
"""An order goes to an address without a query: to read it anew each time costs as much as to sign it."""
_HEADERS = (("Accept-Encoding", ACCEPTED), ("User-Agent", "dogwatch"))


@dataclass(frozen=True, kw_only=True)
class RestDoor:
    """Where a REST API is, and what reaches it: `open` makes the transport, in each life of its owner anew."""

    bases: RestBases
    open: Callable[[], httpx2.AsyncBaseTransport]


def rest_door(bases: RestBases, ssl_context: ssl.SSLContext | None = None) -> RestDoor:
    """The way to these base endpoints over TLS 1.2 or newer, with certificate and host name verified.

    `ssl_context` adds what a site needs, such as an authority of its own. Raises ConfigError for one that does not
    verify: verification has no off switch.
    """
    context = _context(bases) if ssl_context is None else ssl_context
    refuse_unverified(context)
    return RestDoor(bases=bases, open=partial(_transport, context))


def _context(bases: RestBases) -> ssl.SSLContext:
    """With the system's authorities, which take a tenth of a second to load; with none where there is no TLS."""
    if any(origin.startswith("https:") for origin in (*bases.origins, bases.market_data or "")):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _transport(context: ssl.SSLContext) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_S_MAX)
    return httpx2.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Requests and answers over the transport of a door. An async context manager: all connections end with it.

    The transport is used without a client around it, which would follow redirects, keep cookies, and log addresses,
    signatures included.
    """

    def __init__(self, door: RestDoor) -> None:
        self._transport = door.open()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            await self._stack.aclose()

    async def exchange(self, origin: str, request: RestRequest, *, within_s: float) -> HttpAnswer:
        """Send a request to a base endpoint and return the answer that comes within this time.

        Raises NotSent when nothing of it can have arrived, and OutcomeUnknown when it was, or may have been, written.
        """
        connecting_s = min(CONNECT_WITHIN_S, CONNECTING_SHARE * within_s)
        sent = httpx2.Request(
            request.verb,
            origin + request.target if request.query else _url(origin + request.path),
            headers=[*_HEADERS, *request.headers],
            content=request.body or None,
            extensions={"timeout": {"connect": connecting_s, "pool": connecting_s, "read": None, "write": None}},
        )
        try:
            with trio.fail_after(within_s):
                return await self._exchange(sent)
        except NEVER_LEFT as failure:
            raise _not_sent(origin, failure) from None
        except trio.TooSlowError:
            raise OutcomeUnknown(f"{origin} did not answer within {within_s:.1f} s") from None
        except httpx2.HTTPError as failure:
            reason = str(failure).rstrip(".") or type(failure).__name__
            raise OutcomeUnknown(f"the connection to {origin} was lost: {reason}") from None

    async def _exchange(self, request: httpx2.Request) -> HttpAnswer:
        response = await self._transport.handle_async_request(request)
        stream, body = response.stream, Body(response.headers.get("content-encoding", ""))
        assert isinstance(stream, httpx2.AsyncByteStream)
        try:
            # Left in the middle by anything but a cancellation, what the library iterates by would stay half open.
            with trio.CancelScope() as reading:
                async for part in stream:
                    if not body.take(part):
                        reading.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status_code, headers=headers, body=body.whole())


def _not_sent(origin: str, failure: httpx2.HTTPError) -> NotSent:
    if isinstance(failure, httpx2.TimeoutException):
        return NotSent(
            f"no connection to {origin} in time",
            hint="check this machine's network and any firewall that drops packets",
        )
    if isinstance(failure, httpx2.LocalProtocolError):
        return NotSent(f"this is no HTTP request: {failure}", hint="this is a mistake in the call as it was built")
    tls = _cause(failure, ssl.SSLError)
    if tls is not None:
        message, hint = tls_story(origin, tls)
        return NotSent(message, hint=hint)
    if _cause(failure, socket.gaierror) is not None:
        hint = "check the spelling, this machine's network and its DNS"
        return NotSent(f"no connection to {origin}: its name is unknown", hint=hint)
    return NotSent(
        f"no connection to {origin}: {failure}",
        hint="check that the server runs, this machine's network, its DNS, and any firewall in between",
    )


def _cause(failure: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The failure of this kind, if there is one, from which this one came."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause
