"""A REST server for tests that answers what the test tells it, when the test tells it, at any number of addresses."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import httpx2
import msgspec
import trio

from dogwatch.actors.rest_wire import RestDoor
from dogwatch.actors.spot.endpoints import RestBases
from dogwatch.actors.spot.signing import HmacSigner
from dogwatch.runtime.clock import Clock

HMAC = HmacSigner("k" * 64, "secret")
MAIN, SPARE, THIRD = "https://main.example", "https://spare.example", "https://third.example"


class Seen:
    """A request as the server has seen it."""

    def __init__(self, request: httpx2.Request) -> None:
        self.at_s = trio.current_time()
        self.origin = f"{request.url.scheme}://{request.url.host}"
        self.endpoint = f"{request.method} {request.url.path}"
        self.query = request.url.query.decode()
        self.body = request.content.decode()
        self.headers = dict(request.headers)

    @property
    def params(self) -> dict[str, str]:
        """Query and body together."""
        return dict(parse_qsl(self.query) + parse_qsl(self.body))


Answer: TypeAlias = httpx2.Response | Exception
Handler: TypeAlias = Callable[[Seen], Answer | Awaitable[Answer]]


class FakeRest(httpx2.AsyncBaseTransport):
    """Answers `time` by its clock, and the rest by `handlers`: by endpoint ("POST /api/v3/order"), by origin and
    endpoint, or by origin alone. What nobody handles is answered with an empty object."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.handlers: dict[str, Handler] = {"GET /api/v3/time": self._time}
        self.seen: list[Seen] = []
        self.is_closed = False

    def door(self, *origins: str, market_data: str | None = None) -> RestDoor:
        return RestDoor(bases=RestBases(origins=origins or (MAIN,), market_data=market_data), open=lambda: self)

    def asked(self, endpoint: str) -> list[Seen]:
        """What was asked at this endpoint so far."""
        return [seen for seen in self.seen if seen.endpoint == endpoint]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        seen = Seen(request)
        self.seen.append(seen)
        keys = (f"{seen.origin} {seen.endpoint}", seen.origin, seen.endpoint)
        handler = next((self.handlers[key] for key in keys if key in self.handlers), lambda _seen: ok({}))
        answer = handler(seen)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.is_closed = True

    def _time(self, _seen: Seen) -> httpx2.Response:
        return ok({"serverTime": self.clock.unix_ms()})


def ok(result: Any, **headers: str) -> httpx2.Response:
    return answer(200, result, **headers)


def answer(status: int, body: Any, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return httpx2.Response(status, headers=named, content=content)


def refused(status: int, code: int, wording: str, **headers: str) -> httpx2.Response:
    return answer(status, {"code": code, "msg": wording}, **headers)


def in_turn(*answers: Answer) -> Handler:
    """These, one after the other; the last one again and again."""
    left = list(answers)
    return lambda _seen: left.pop(0) if len(left) > 1 else left[0]


def after(delay_s: float, answer: Answer) -> Handler:
    """This, in so long."""

    async def handle(_seen: Seen) -> Answer:
        await trio.sleep(delay_s)
        return answer

    return handle
