"""What each method of the WebSocket API does, once its envelope has passed every check: engine, session, market data.

(WebSocket API: "General requests", "Market data requests", "Authentication requests", "Trading requests", "Account
requests", "User Data Stream requests".)
"""

from collections.abc import Callable, Mapping
from typing import Any

from dogwatch.actors.paper.call_values import optional_integer, symbol_in
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.market_handlers import MarketHandlers
from dogwatch.actors.paper.rate_limits import AccountLimits, RateLimitRules
from dogwatch.actors.paper.refusals import Refused, refused
from dogwatch.actors.paper.symbol_filters import my_filters
from dogwatch.actors.paper.symbol_market import SymbolMarket
from dogwatch.actors.paper.symbols import SymbolDefinition
from dogwatch.actors.paper.user_streams import UserStreams, terminated

ENVELOPE_PARAMS = frozenset({"apiKey", "recvWindow", "returnRateLimits", "signature", "timestamp"})


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
        self._market_handlers = MarketHandlers(engine, markets)
        self._limits_of = limits_of
        self._rate_limits = _rate_limit_rows(rules)

    def table(self) -> dict[str, Handler]:
        return {
            "ping": lambda _call: Outcome(result={}),
            "time": lambda call: Outcome(result={"serverTime": call.now_ms}),
            "exchangeInfo": self._exchange_info,
            **self._market_handlers.table(),
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
            "account.commission": self._commission,
            "order.amendments": _asked(self._engine.amendments),
            "myPreventedMatches": _asked(self._engine.prevented_matches),
            "myAllocations": self._allocations,
            "myFilters": self._my_filters,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_by_signature,
            "userDataStream.unsubscribe": self._unsubscribe,
            "session.subscriptions": _list_subscriptions,
        }

    # The exchange.

    def _exchange_info(self, call: Call) -> Outcome:
        info = self._engine.exchange_info(_engine_params(call), call.now_ms)
        info["rateLimits"] = self._rate_limits
        return Outcome(result=info)

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
        closed = session.unsubscribe(optional_integer(call, "subscriptionId"))
        self._user_streams.remove(session, closed)
        return Outcome(result={}, before=tuple(terminated(one, session, call.now_ms) for one in closed))

    # The account.

    def _order_limits(self, call: Call) -> Outcome:
        return Outcome(result=self._limits_of(call.account).rows(call.now_ms))

    def _commission(self, call: Call) -> Outcome:
        return Outcome(result=self._engine.commission(self._definition(call).symbol))

    def _allocations(self, call: Call) -> Outcome:
        """Only smart order routing allocates, and there is none here."""
        for name in ("startTime", "endTime", "fromAllocationId", "orderId", "limit"):
            optional_integer(call, name)
        self._definition(call)
        return Outcome(result=[])

    def _my_filters(self, call: Call) -> Outcome:
        definition = self._definition(call)
        assets = definition.base_asset, definition.quote_asset
        return Outcome(result=my_filters(definition, self._engine.filters, assets))

    def _definition(self, call: Call) -> SymbolDefinition:
        definition = self._engine.definitions.get(symbol_in(call))
        if definition is None:
            raise refused(-1121)
        return definition


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
