"""A client of the paper exchange's REST API that shares nothing with ours: httpx2, its own forms and signatures."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx2

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ADDRESS
from tests.actors.paper.visitor import Hall, open_hall

BASE = "http://paper"


class RestVisitor:
    """Asks under the account's HMAC key."""

    def __init__(self, hall: Hall, *, address: str = ADDRESS, timeout_s: float = 60.0) -> None:
        self.hall = hall
        transport = hall.exchange.rest_transport(address)
        self.http = httpx2.AsyncClient(transport=transport, base_url=BASE, timeout=timeout_s)

    async def ask(self, verb: str, path: str, **params: Any) -> httpx2.Response:
        """Without a signature."""
        return await self.send(verb, path, urlencode(params))

    async def ask_signed(self, verb: str, path: str, **params: Any) -> httpx2.Response:
        """Everything in the query string."""
        return await self.send(verb, path, self.signed(self.stamped(params)), headers=self.key())

    async def ask_by_form(self, verb: str, path: str, **params: Any) -> httpx2.Response:
        """Everything in the body."""
        return await self.send(verb, path, "", self.signed(self.stamped(params)), headers=self.key())

    async def send(
        self, verb: str, path: str, query: str = "", body: str | None = None, *, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Exactly this."""
        target = f"/api/v3/{path}" + (f"?{query}" if query else "")
        form = {"content-type": "application/x-www-form-urlencoded"} if body is not None else {}
        content = None if body is None else body.encode()
        return await self.http.request(verb, target, content=content, headers={**form, **(headers or {})})

    def stamped(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**params, "timestamp": self.hall.clock.unix_ms()}

    def signed(self, params: dict[str, Any], *, query: str = "") -> str:
        form = urlencode(params)
        return f"{form}&signature={self.signature(query + form)}"

    def signature(self, payload: str) -> str:
        return hmac.new(self.hall.exchange.hmac_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def key(self) -> dict[str, str]:
        return {"X-MBX-APIKEY": self.hall.exchange.hmac_api_key}


def error_in(response: httpx2.Response) -> tuple[int, int, str]:
    """Status, code and message of a refusal."""
    error = json.loads(response.content)
    return response.status_code, error["code"], error["msg"]


@asynccontextmanager
async def open_rest(config: PaperConfig | None = None, *, timeout_s: float = 60.0) -> AsyncIterator[RestVisitor]:
    """An exchange with one client; BTCUSDT stands at 98 to 101 with 50 on each side, the last trade was at 100."""
    async with open_hall(config) as hall:
        engine, now_ms = hall.exchange.engine, hall.clock.unix_ms()
        engine.apply_quote("BTCUSDT", Decimal(98), Decimal(50), Decimal(101), Decimal(50), now_ms)
        engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), now_ms, buyer_is_maker=False)
        hall.exchange.settle()
        visitor = RestVisitor(hall, timeout_s=timeout_s)
        async with visitor.http:
            yield visitor
