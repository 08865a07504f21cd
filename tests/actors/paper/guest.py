"""A logged-on visitor of the paper exchange who hears everything that comes, and notes when it came."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio
from trio_websocket import ConnectionClosed

from dogwatch.actors.paper.armed_faults import Faults
from dogwatch.actors.paper.config import PaperConfig
from tests.actors.paper.visitor import Hall, Visitor, open_hall

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "2"}


class Guest:
    """A connection with the account's events. `heard` is every frame with its time, `closed_s` when the line ended."""

    def __init__(self, hall: Hall, visitor: Visitor) -> None:
        self.hall = hall
        self.visitor = visitor
        self.heard: list[tuple[float, Any]] = []
        self.closed_s: float | None = None

    @classmethod
    async def arrive(cls, hall: Hall) -> "Guest":
        guest = cls(hall, await hall.visit())
        await guest.visitor.log_on()
        await guest.visitor.ask("userDataStream.subscribe")
        hall.nursery.start_soon(guest.listen)
        return guest

    @property
    def faults(self) -> Faults:
        return self.hall.exchange.faults

    async def send(self, method: str, params: dict[str, Any]) -> int:
        return await self.visitor.send(method, self.visitor.stamped(params))

    async def buy(self, client_order_id: str, **params: Any) -> int:
        return await self.send("order.place", {**BUY, "newClientOrderId": client_order_id, **params})

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer to a request, whatever else comes before it."""
        request_id = await self.send(method, params)
        while True:
            await trio.sleep(0.001)
            for answer in self.answers():
                if answer["id"] == request_id:
                    return answer

    async def status(self, client_order_id: str) -> Any:
        answer = await self.ask("order.status", symbol="BTCUSDT", origClientOrderId=client_order_id)
        return answer["result"]["status"] if "result" in answer else answer["error"]["code"]

    def answers(self) -> list[Any]:
        return [frame for _, frame in self.heard if isinstance(frame, dict) and "id" in frame]

    def reports(self) -> list[str]:
        """The execution types of the account's reports."""
        events = [frame["event"] for _, frame in self.heard if isinstance(frame, dict) and "event" in frame]
        return [event["x"] for event in events if event["e"] == "executionReport"]

    def told(self) -> list[tuple[float, str]]:
        """Everything that came: when, and in a word what."""
        return [(at_s, _word(frame)) for at_s, frame in self.heard]

    async def listen(self) -> None:
        try:
            while True:
                message = await self.visitor.websocket.get_message()
                try:
                    frame = json.loads(message)
                except json.JSONDecodeError:
                    frame = "garbled"
                self.heard.append((round(trio.current_time(), 3), frame))
        except ConnectionClosed:
            self.closed_s = round(trio.current_time(), 3)


def _word(frame: Any) -> str:
    if isinstance(frame, str):
        return frame
    if "event" in frame:
        return str(frame["event"].get("x") or frame["event"]["e"])
    return str(frame["status"])


@asynccontextmanager
async def open_guest(config: PaperConfig | None = None) -> AsyncIterator[Guest]:
    """An exchange with one guest; the market stands at 98 to 101, with 50 on each side."""
    async with open_hall(config) as hall:
        engine, now_ms = hall.exchange.engine, hall.clock.unix_ms()
        engine.apply_quote("BTCUSDT", Decimal(98), Decimal(50), Decimal(101), Decimal(50), now_ms)
        engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), now_ms, buyer_is_maker=False)
        hall.exchange.settle()
        yield await Guest.arrive(hall)
