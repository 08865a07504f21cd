"""A session that speaks to no exchange: it notes the calls, and answers when and how the test says."""

from collections.abc import Callable
from typing import Any

import msgspec

from dogwatch.actors.session import Call, LateResponse, SessionLost, SessionReady, SessionTopics
from dogwatch.actors.spot.envelope import Response, UserEvent
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.exchange_info import ExchangeInfo
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.results import decode_result
from dogwatch.actors.spot.user_events import AnyUserEvent
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.reply import Reply


class FakeSession(Actor):
    """Keeps each call until the test answers it; `automatic` answers by itself the calls it has an answer for."""

    lanes = (Lane("calls", accepts=(Call,), capacity=1024),)

    def __init__(self, topics: SessionTopics) -> None:
        self.topics = topics
        self.calls: list[tuple[Call, Reply[Response]]] = []
        self.automatic: Callable[[Call], Response | Exception | None] = lambda _call: None

    def on_call(self, call: Call, reply: Reply[Response]) -> None:
        answer = self.automatic(call)
        if answer is None:
            self.calls.append((call, reply))
        elif isinstance(answer, Exception):
            reply.fail(answer)
        else:
            reply.send(answer)

    def methods(self) -> list[Method]:
        """What has been asked and not been answered yet."""
        return [call.method for call, _ in self.calls]

    def answer(self, answer: Response | Exception, index: int = 0) -> Call:
        """Answer a call, the oldest unless told otherwise."""
        call, reply = self.calls.pop(index)
        if isinstance(answer, Exception):
            reply.fail(answer)
        else:
            reply.send(answer)
        return call

    def late(self, call: Call, response: Response) -> None:
        """An answer after its time."""
        self.topics.late_responses.publish(LateResponse(method=call.method, params=call.params, response=response))

    def ready(self) -> None:
        self.topics.states.publish(SessionReady(epoch=1))

    def lost(self) -> None:
        self.topics.states.publish(SessionLost(epoch=1, reason="cut"))

    def event(self, event: AnyUserEvent) -> None:
        self.topics.user_events.publish(UserEvent(subscription_id=0, event=event))


def result(value: Any) -> Response:
    """An answer that carries this result."""
    return Response(id=1, status=200, result=msgspec.Raw(msgspec.json.encode(value)))


def refusal(code: int, wording: str, status: int = 400) -> Response:
    """An answer that refuses."""
    return Response(id=1, status=status, error=ExchangeError(code=code, message=wording, status=status))


def exchange_info(symbol: str, *, base: str, quote: str) -> dict[str, Any]:
    """What exchangeInfo says of a symbol with a tick of 0.01 and steps of 0.00001."""
    entry = {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        ],
    }
    return {"timezone": "UTC", "serverTime": 0, "rateLimits": [], "exchangeFilters": [], "symbols": [entry]}


def rules_of(symbol: str, *, base: str, quote: str) -> SymbolRules:
    """The rules that this exchangeInfo means."""
    info = decode_result(msgspec.json.encode(exchange_info(symbol, base=base, quote=quote)), ExchangeInfo)
    return SymbolRules.of(info.symbols[0])
