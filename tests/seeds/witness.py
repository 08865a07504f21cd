"""The witness: stands at the exchange between envelope and engine, and remembers what was asked and what came of it.

What it knows, it knows from the engine alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.order import PaperOrder

PLACE, REPLACE, CANCEL, AMEND = "order.place", "order.cancelReplace", "order.cancel", "order.amend.keepPriority"
METHODS = (PLACE, REPLACE, CANCEL, AMEND)


@dataclass(frozen=True)
class Seen:
    """A request that has reached the engine. `is_done`: it was carried out, in part at least."""

    at_s: float
    method: str
    params: dict[str, Any]
    is_done: bool


class Witness:
    """Begin it before the first request. `heard` is told of every request, after it."""

    def __init__(self, paper: PaperExchange) -> None:
        self.seen: list[Seen] = []
        self.placed: dict[str, PaperOrder] = {}
        """By the name under which it was placed, whatever it is called now."""
        self.heard: list[Callable[[Seen], object]] = []
        self._engine = paper.engine
        handlers: Any = paper._service._handlers
        for method in METHODS:
            handlers[method] = partial(self._carry_out, method, handlers[method])

    def order(self, symbol: str, order_id: int) -> PaperOrder | None:
        """An order of the account, of anybody's making."""
        return self._engine._accounts[ACCOUNT].history(symbol).orders.get(order_id)

    def was_asked_for(self, name: str) -> bool:
        """Whether the engine was asked to place this order."""
        return any(seen.params.get("newClientOrderId") == name for seen in self.seen if seen.method in (PLACE, REPLACE))

    def has_amended(self, name: str, quantity: str) -> bool:
        """Whether an amend of this order to this quantity was carried out."""
        return any(
            seen.method == AMEND
            and seen.is_done
            and seen.params.get("newClientOrderId") == name
            and seen.params.get("newQty") == quantity
            for seen in self.seen
        )

    def _carry_out(self, method: str, handler: Handler, call: Call) -> Outcome:
        try:
            outcome = handler(call)
        except EngineError as refusal:
            self._note(method, call, refusal.data)
            raise
        self._note(method, call, outcome.result)
        return outcome

    def _note(self, method: str, call: Call, result: Any) -> None:
        parts = result if isinstance(result, dict) else {}
        if method == REPLACE:
            self._note_placed(parts.get("newOrderResponse"))
            is_done = "SUCCESS" in (parts.get("cancelResult"), parts.get("newOrderResult"))
        else:
            is_done = "serverTime" not in parts and bool(parts)
            if method == PLACE:
                self._note_placed(parts)
        seen = Seen(trio.current_time(), method, dict(call.params), is_done)
        self.seen.append(seen)
        for hear in self.heard:
            hear(seen)

    def _note_placed(self, answer: Any) -> None:
        if isinstance(answer, dict) and "orderId" in answer:
            order = self.order(answer["symbol"], answer["orderId"])
            assert order is not None
            self.placed[answer["clientOrderId"]] = order
