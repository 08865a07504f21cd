"""Orders that are there and cannot be found for a while, and what queries answer meanwhile. Pure.

As when a query is answered by a copy of the books that lags behind the engine.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import no_such_order

_CURSORS = {"allOrders": ("orderId", "orderId"), "myTrades": ("fromId", "id")}
"""Query → the parameter that says where its page begins, and the field of a row that it means."""

LISTS = frozenset({"openOrders.status", *_CURSORS})

Row = Mapping[str, Any]


class HiddenOrders:
    """The hidden orders of one exchange. False when there is none."""

    def __init__(self) -> None:
        # (symbol, order id) -> until when, and whether the trades are hidden too.
        self._hidden: dict[tuple[str, int], tuple[int, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def hide(self, symbol: str, order_id: int, *, until_ms: int, everywhere: bool) -> None:
        """From now on until then; `everywhere`: in `myTrades` too."""
        self._hidden[symbol, order_id] = (until_ms, everywhere)

    def show_all(self) -> None:
        self._hidden.clear()

    def tidy(self, now_ms: int) -> None:
        """Forget those that can be found again."""
        self._hidden = {key: entry for key, entry in self._hidden.items() if now_ms < entry[0]}

    def answer(self, method: str, handler: Handler, call: Call) -> Outcome:
        """What the handler answers, without them. Raises EngineError -2013 for the status of one of them."""
        outcome = handler(call)
        if method == "order.status" and self._is_hidden(outcome.result, call.now_ms, is_trade=False):
            raise no_such_order()
        if method not in LISTS:
            return outcome
        shown = self._shown(method, outcome.result, call.now_ms)
        if len(shown) < len(outcome.result):
            shown = self._filled_up(method, handler, call, outcome.result, shown)
        return Outcome(result=shown, before=outcome.before)

    def _filled_up(self, method: str, handler: Handler, call: Call, rows: list[Row], shown: list[Row]) -> list[Row]:
        """A full page stays full, or its reader would take it for the last one: rows of the next pages move up."""
        parameter, field = _CURSORS.get(method, ("", ""))
        size = len(rows)
        while parameter in call.params and rows and len(shown) < size:
            call = msgspec.structs.replace(call, params={**call.params, parameter: rows[-1][field] + 1})
            rows = handler(call).result
            shown = (shown + self._shown(method, rows, call.now_ms))[:size]
        return shown

    def _shown(self, method: str, rows: list[Row], now_ms: int) -> list[Row]:
        is_trade = method == "myTrades"
        return [row for row in rows if not self._is_hidden(row, now_ms, is_trade=is_trade)]

    def _is_hidden(self, row: Row, now_ms: int, *, is_trade: bool) -> bool:
        until_ms, everywhere = self._hidden.get((row["symbol"], row["orderId"]), (0, False))
        return now_ms < until_ms and (everywhere or not is_trade)
