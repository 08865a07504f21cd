"""What each method of the WebSocket API does, once its envelope has passed every check: engine, session, market data.

(WebSocket API: "General requests", "Market data requests", "Authentication requests", "Trading requests", "Account
requests", "User Data Stream requests".)
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.decimals import text
from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.klines import INTERVALS
from dogwatch.actors.paper.market_streams import SymbolMarket
from dogwatch.actors.paper.rate_limits import AccountLimits, RateLimitRules
from dogwatch.actors.paper.refusals import Refused, missing, refused
from dogwatch.actors.paper.time_unit import klines_in_microseconds
from dogwatch.actors.paper.user_streams import UserStreams, terminated

ENVELOPE_PARAMS = frozenset({"apiKey", "recvWindow", "returnRateLimits", "signature", "timestamp"})
DEPTH_LIMIT, DEPTH_LIMIT_MAX = 100, 5000
ROWS, ROWS_MAX = 500, 1000


class Handlers:
    """The methods of one exchange. `table()` names them as the API does."""

    def __init__(
        self,
        engine: Engine,
        *,
        user_streams: UserStreams,
        markets: Mapping[str, SymbolMarket],
        limits_of: Callable[[str], AccountLimits],
        rules: RateLimitRules,
    ) -> None:
        self._engine = engine
        self._user_streams = user_streams
        self._markets = markets
        self._limits_of = limits_of
        self._rate_limits = _rate_limit_rows(rules)

    def table(self) -> dict[str, Handler]:
        return {
            "ping": lambda _call: Outcome(result={}),
            "time": lambda call: Outcome(result={"serverTime": call.now_ms}),
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades.recent": self._recent_trades,
            "klines": self._klines,
            "ticker.price": self._price_ticker,
            "ticker.book": self._book_ticker,
            "session.logon": self._log_on,
            "session.status": lambda call: Outcome(result=call.session.status(call.now_ms)),
            "session.logout": self._log_out,
            "order.place": self._place,
            "order.cancelReplace": self._cancel_replace,
            "order.amend.keepPriority": self._amend,
            "order.test": _timed(self._engine.place_test),
            "order.cancel": _timed(self._engine.cancel),
            "openOrders.cancelAll": _timed(self._engine.cancel_all),
            "order.status": _asked(self._engine.order_status),
            "openOrders.status": _asked(self._engine.open_orders),
            "allOrders": _asked(self._engine.all_orders),
            "myTrades": _asked(self._engine.my_trades),
            "account.status": _asked(self._engine.account_status),
            "account.rateLimits.orders": self._order_limits,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_by_signature,
            "userDataStream.unsubscribe": self._unsubscribe,
            "session.subscriptions": _list_subscriptions,
        }

    # Market data.

    def _exchange_info(self, call: Call) -> Outcome:
        info = self._engine.exchange_info(_engine_params(call), call.now_ms)
        info["rateLimits"] = self._rate_limits
        return Outcome(result=info)

    def _depth(self, call: Call) -> Outcome:
        limit = _integer(call, "limit", default=DEPTH_LIMIT)
        book = self._engine.depth(_symbol(call), max(1, min(limit, DEPTH_LIMIT_MAX)))
        if not self._has_wanted_status(call, _symbol(call)):
            raise refused(-1220)
        return Outcome(result=book)

    def _recent_trades(self, call: Call) -> Outcome:
        trades = self._market(call).recent_trades
        limit = max(1, min(_integer(call, "limit", default=ROWS), ROWS_MAX))
        rows = [_trade_row(trade) for trade in islice(trades, max(0, len(trades) - limit), None)]
        return Outcome(result=rows)

    def _klines(self, call: Call) -> Outcome:
        klines = self._market(call).klines
        interval = call.params["interval"]
        if interval not in INTERVALS:
            raise refused(-1120)
        klines.advance(call.now_ms)
        rows = klines.rows(
            interval,
            start_ms=_optional_integer(call, "startTime"),
            end_ms=_optional_integer(call, "endTime"),
            limit=max(1, min(_integer(call, "limit", default=ROWS), ROWS_MAX)),
        )
        return Outcome(result=klines_in_microseconds(rows) if call.session.in_microseconds else rows)

    def _price_ticker(self, call: Call) -> Outcome:
        def row(symbol: str) -> dict[str, str]:
            return {"symbol": symbol, "price": self._engine.last_price(symbol) or "0.00000000"}

        return self._ticker(call, row)

    def _book_ticker(self, call: Call) -> Outcome:
        return self._ticker(call, self._engine.book_ticker)

    def _ticker(self, call: Call, row: Callable[[str], dict[str, str]]) -> Outcome:
        """One row for `symbol`, else rows for `symbols` or for all."""
        if "symbol" in call.params and "symbols" in call.params:
            raise Refused(-1128, "Combination of optional parameters invalid.")
        if "symbol" in call.params:
            found = row(_symbol(call))
            if not self._has_wanted_status(call, _symbol(call)):
                raise refused(-1220)
            return Outcome(result=found)
        symbols = call.params.get("symbols", list(self._markets))
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise missing("symbols")
        if len(set(symbols)) < len(symbols):
            raise Refused(-1151, "Symbol is present multiple times in the list.")
        rows = [(symbol, row(symbol)) for symbol in symbols]
        return Outcome(result=[found for symbol, found in rows if self._has_wanted_status(call, symbol)])

    def _has_wanted_status(self, call: Call, symbol: str) -> bool:
        """Whether a symbol that is listed has the `symbolStatus` that was asked for, if any was."""
        wanted = call.params.get("symbolStatus")
        if wanted not in (None, "TRADING", "HALT", "BREAK"):
            raise refused(-1122)
        return wanted is None or self._engine.definitions[symbol].status == wanted

    def _market(self, call: Call) -> SymbolMarket:
        market = self._markets.get(_symbol(call))
        if market is None:
            raise refused(-1121)
        return market

    # Orders.

    def _place(self, call: Call) -> Outcome:
        limits = self._limits_of(call.account)
        over_limit = _too_many_orders(limits, call.now_ms)
        if over_limit is not None:
            raise over_limit
        result = self._engine.place(call.account, _engine_params(call), call.now_ms)
        limits.placed(call.now_ms)
        return Outcome(result=result)

    def _cancel_replace(self, call: Call) -> Outcome:
        """Everything that reaches the cancel is counted, also a new order that is then not attempted."""
        limits = self._limits_of(call.account)
        over_limit = _too_many_orders(limits, call.now_ms)
        if over_limit is not None and call.params.get("orderRateLimitExceededMode") != "CANCEL_ONLY":
            raise over_limit
        try:
            result = self._engine.cancel_replace(call.account, _engine_params(call), call.now_ms, over_limit=over_limit)
        except EngineError as refusal:
            if refusal.data is not None and over_limit is None:
                limits.placed(call.now_ms)
            raise
        limits.placed(call.now_ms)
        return Outcome(result=result)

    def _amend(self, call: Call) -> Outcome:
        result = self._engine.amend(call.account, _engine_params(call), call.now_ms)
        return Outcome(result=result, is_charged=result["amendedOrder"]["status"] != "EXPIRED")

    # The session and its subscriptions.

    def _log_on(self, call: Call) -> Outcome:
        call.session.log_on(call.params["apiKey"], call.account, call.now_ms)
        return Outcome(result=call.session.status(call.now_ms))

    def _log_out(self, call: Call) -> Outcome:
        before = self._user_streams.end_session(call.session, call.now_ms)
        return Outcome(result=call.session.status(call.now_ms), before=before)

    def _subscribe(self, call: Call) -> Outcome:
        return self._open_subscription(call, by_session=True)

    def _subscribe_by_signature(self, call: Call) -> Outcome:
        return self._open_subscription(call, by_session=False)

    def _open_subscription(self, call: Call, *, by_session: bool) -> Outcome:
        subscription = call.session.subscribe(call.account, by_session=by_session)
        self._user_streams.add(call.session, subscription)
        return Outcome(result={"subscriptionId": subscription.subscription_id})

    def _unsubscribe(self, call: Call) -> Outcome:
        session = call.session
        closed = session.unsubscribe(_optional_integer(call, "subscriptionId"))
        self._user_streams.remove(session, closed)
        return Outcome(result={}, before=tuple(terminated(one, session, call.now_ms) for one in closed))

    def _order_limits(self, call: Call) -> Outcome:
        return Outcome(result=self._limits_of(call.account).rows(call.now_ms))


def _list_subscriptions(call: Call) -> Outcome:
    return Outcome(result=[{"subscriptionId": subscription_id} for subscription_id in call.session.subscriptions])


def _too_many_orders(limits: AccountLimits, now_ms: int) -> Refused | None:
    """Why there is no room for one more order (-1015); None while there is."""
    exhausted = limits.exhausted(now_ms)
    if exhausted is None:
        return None
    return Refused(
        -1015,
        f"Too many new orders; current limit is {exhausted.limit} orders per {exhausted.text}.",
        status=429,
        data={"serverTime": now_ms, "retryAfter": exhausted.next_start_ms(now_ms)},
    )


def _timed(carry_out: Callable[[str, Mapping[str, Any], int], Any]) -> Handler:
    def handle(call: Call) -> Outcome:
        return Outcome(result=carry_out(call.account, _engine_params(call), call.now_ms))

    return handle


def _asked(ask: Callable[[str, Mapping[str, Any]], Any]) -> Handler:
    def handle(call: Call) -> Outcome:
        return Outcome(result=ask(call.account, _engine_params(call)))

    return handle


def _engine_params(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.params.items() if name not in ENVELOPE_PARAMS}


def _symbol(call: Call) -> str:
    symbol = call.params["symbol"]
    if not isinstance(symbol, str):
        raise missing("symbol")
    return symbol


def _optional_integer(call: Call, name: str) -> int | None:
    value = call.params.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value


def _integer(call: Call, name: str, *, default: int) -> int:
    value = _optional_integer(call, name)
    return default if value is None else value


def _trade_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `trades.recent` from the trade as the streams say it."""
    return {
        "id": trade["t"],
        "price": trade["p"],
        "qty": trade["q"],
        "quoteQty": text(Decimal(trade["p"]) * Decimal(trade["q"])),
        "time": trade["T"],
        "isBuyerMaker": trade["m"],
        "isBestMatch": True,
    }


def _rate_limit_rows(rules: RateLimitRules) -> list[dict[str, Any]]:
    rows = (
        ("REQUEST_WEIGHT", "MINUTE", 1, rules.request_weight_per_minute),
        ("RAW_REQUESTS", "MINUTE", 5, rules.raw_requests_per_5_minutes),
        ("ORDERS", "SECOND", 10, rules.orders_per_10_seconds),
        ("ORDERS", "DAY", 1, rules.orders_per_day),
        ("CONNECTIONS", "MINUTE", 5, rules.connections_per_5_minutes),
    )
    return [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
        for kind, interval, number, limit in rows
    ]
