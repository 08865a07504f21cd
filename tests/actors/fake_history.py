"""An exchange that only remembers: it answers the questions about the account's record out of two lists."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import trio

from dogwatch.actors.session import Call
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.methods import Method
from tests.actors.fake_session import refusal, result

SYMBOL = "BTCUSDT"
START_MS = 1_767_225_600_000
"""Where virtual wall clocks begin."""
WEIGHTS = {
    Method.ACCOUNT_STATUS: 20,
    Method.OPEN_ORDERS_STATUS: 80,
    Method.ALL_ORDERS: 20,
    Method.MY_TRADES: 20,
    Method.ORDER_STATUS: 4,
}
OPEN = ("NEW", "PARTIALLY_FILLED")

Row = dict[str, Any]
Disturbance = Callable[[Call], Response | Exception | None]


def order_row(order_id: int, name: str = "", *, status: str = "FILLED", symbol: str = SYMBOL, **more: Any) -> Row:
    return {
        "symbol": symbol,
        "orderId": order_id,
        "orderListId": -1,
        "clientOrderId": name or f"foreign-{order_id}",
        "price": "40000",
        "origQty": "0.001",
        "executedQty": "0.001" if status == "FILLED" else "0",
        "origQuoteOrderQty": "0",
        "cummulativeQuoteQty": "40" if status == "FILLED" else "0",
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0",
        "icebergQty": "0",
        "time": START_MS - 3_600_000,
        "updateTime": START_MS - 3_600_000,
        "isWorking": True,
        "workingTime": START_MS - 3_600_000,
        "selfTradePreventionMode": "NONE",
        **more,
    }


def trade_row(trade_id: int, order_id: int, *, symbol: str = SYMBOL, quantity: str = "0.001", **more: Any) -> Row:
    return {
        "symbol": symbol,
        "id": trade_id,
        "orderId": order_id,
        "orderListId": -1,
        "price": "40000",
        "qty": quantity,
        "quoteQty": str(40_000 * Decimal(quantity)),
        "commission": "0",
        "commissionAsset": "BNB",
        "time": START_MS - 3_600_000,
        "isBuyer": True,
        "isMaker": True,
        "isBestMatch": True,
        **more,
    }


class FakeHistory:
    """Give it to `FakeSession.automatic`. It notes what was asked and when, and what that weighs.

    `disturb`, when set, may answer a call in its place. `rows_max` is how many rows a page has at most.
    """

    def __init__(self, *, orders: list[Row] | None = None, trades: list[Row] | None = None) -> None:
        self.orders = orders or []
        self.trades = trades or []
        self.rows_max = 1000
        self.uid = 17
        self.unlisted: set[str] = set()
        self.asked: list[tuple[float, Call]] = []
        self.disturb: Disturbance = lambda _call: None

    def __call__(self, call: Call) -> Response | Exception:
        self.asked.append((trio.current_time(), call))
        disturbance = self.disturb(call)
        if disturbance is not None:
            return disturbance
        if call.params.get("symbol") in self.unlisted:
            return refusal(-1121, "Invalid symbol.")
        answers = {
            Method.ACCOUNT_STATUS: self._account,
            Method.OPEN_ORDERS_STATUS: self._open_orders,
            Method.ALL_ORDERS: self._all_orders,
            Method.MY_TRADES: self._my_trades,
            Method.ORDER_STATUS: self._order,
        }
        return answers[call.method](call.params)

    def count(self, method: Method) -> int:
        return sum(call.method is method for _, call in self.asked)

    def weight(self, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        return sum(WEIGHTS[call.method] for at_s, call in self.asked if from_s <= at_s < until_s)

    def _account(self, _params: Any) -> Response:
        return result({"balances": [], "canTrade": True, "updateTime": 0, "uid": self.uid})

    def _open_orders(self, _params: Any) -> Response:
        return result([row for row in self.orders if row["status"] in OPEN])

    def _all_orders(self, params: Any) -> Response:
        return result(self._page(self.orders, "orderId", params, params.get("orderId")))

    def _my_trades(self, params: Any) -> Response:
        order_id = params.get("orderId")
        trades = [row for row in self.trades if order_id in (None, row["orderId"])]
        return result(self._page(trades, "id", params, params.get("fromId")))

    def _page(self, rows: list[Row], key: str, params: Any, from_id: int | None) -> list[Row]:
        listed = [row for row in rows if row["symbol"] == params["symbol"]]
        limit = min(params["limit"], self.rows_max)
        if from_id is None:
            return listed[-limit:]
        return [row for row in listed if row[key] >= from_id][:limit]

    def _order(self, params: Any) -> Response:
        for row in self.orders:
            is_it = row["orderId"] == params.get("orderId") or row["clientOrderId"] == params.get("origClientOrderId")
            if is_it and row["symbol"] == params["symbol"]:
                return result(row)
        return refusal(-2013, "Order does not exist.")


def nonsense() -> Response:
    """An answer that says yes and cannot be read."""
    return Response(id=1, status=200, result=msgspec.Raw(b'"what?"'))
