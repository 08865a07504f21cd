"""The matching engine of the paper exchange: requests and market data in, replies and events out.

Pure and deterministic; it knows no clock, no network, no keys: the server hands in the time and authenticated requests,
and drains the events. What it decides rests on the published documentation; where that is silent, `Switches` says what
is assumed.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from dogwatch.actors.paper import queries
from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.admission import admit, admit_amendment
from dogwatch.actors.paper.decimals import ZERO, text
from dogwatch.actors.paper.engine_errors import (
    NEW_ORDER_REJECTED,
    REJECT_REASONS,
    EngineError,
    amend_rejected,
    insufficient_balance,
    invalid_symbol,
    rejected,
    replacement_failed,
    unknown_order,
)
from dogwatch.actors.paper.execution import Execution
from dogwatch.actors.paper.ledger import Balance, Ledger
from dogwatch.actors.paper.market import Market, MarketEvent
from dogwatch.actors.paper.matching import Match, plan_match
from dogwatch.actors.paper.order import Fill, PaperOrder
from dogwatch.actors.paper.parameters import (
    Cancellation,
    Parameters,
    Placement,
    Replacement,
    read_amendment,
    read_cancellation,
    read_placement,
    read_replacement,
)
from dogwatch.actors.paper.reports import amend_reply, cancel_reply, order_reply, order_row, replacement_parts
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import SymbolDefinition

__all__ = ["Engine", "EngineError", "Switches"]

Params = Mapping[str, Any]
PRECISION = 8
UserEvent = tuple[str, dict[str, Any]]


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """What the documentation leaves open or the venue may set otherwise.

    `self_trade_prevention` replaces every symbol's default mode (EXPIRE_MAKER); "NONE" allows trades with oneself.
    `cancelled_found_by_old_id`: whether a cancelled order, which carries a new client order id, is still found by the
    one it was placed with. `history_max` finished orders, and as many trades, are kept per account and symbol.
    Rates are fractions of the received asset.

    `amend_may_expire`: whether an amend to what has executed already, or less, ends the order; refused otherwise.
    `filter_failures_have_parts`: whether a filter that a cancel-replace fails, before anything is canceled, is told as
    the failure of both parts (-2022) instead of as it is (-1013). `over_limit_replace_status`: the status of a
    STOP_ON_FAILURE, CANCEL_ONLY cancel-replace over the limit of orders; None for 409 or 400, as the documentation's
    text has it, 429 as its table has it. `rejected_replacements_are_told`: whether a new order that the engine refuses
    after its cancel is told as an event REJECTED.
    """

    maker_rate: Decimal = Decimal("0.001")
    taker_rate: Decimal = Decimal("0.001")
    self_trade_prevention: str | None = None
    cancelled_found_by_old_id: bool = True
    amend_may_expire: bool = True
    filter_failures_have_parts: bool = False
    over_limit_replace_status: int | None = None
    rejected_replacements_are_told: bool = True
    history_max: int = 100_000


class Engine:
    """A spot exchange for any number of independent accounts.

    Requests take the parameters as they came from the wire (WebSocket API names; security parameters may be left in)
    and return the reply's `result`, or raise EngineError. Times are Unix milliseconds. An account that was never opened
    is a KeyError, a symbol given twice a ValueError. Account events are kept until `take_events`, public ones until
    `take_market_events`.
    """

    def __init__(
        self,
        symbols: Sequence[SymbolDefinition],
        *,
        switches: Switches | None = None,
        filters: ExchangeFilters | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.filters = filters or ExchangeFilters()
        self.definitions = _listed(symbols, self.switches)
        self.ledger = Ledger()
        self._accounts: dict[str, Account] = {}
        self._events: list[UserEvent] = []
        self._market_events: list[MarketEvent] = []
        self._markets = {
            symbol: Market(definition, self._market_events) for symbol, definition in self.definitions.items()
        }
        self._executions = {
            symbol: Execution(
                market, self._accounts, self.ledger, self._events, self.switches.maker_rate, self.switches.taker_rate
            )
            for symbol, market in self._markets.items()
        }
        self._client_ids = 0

    def open_account(self, account: str, balances: Mapping[str, Decimal], *, uid: int | None = None) -> None:
        """`uid` is its number, counted from 1 by default. Raises ValueError for a name that is taken, or an amount that
        is negative.
        """
        wallet = self.ledger.open(account, balances)
        number = 1 + len(self._accounts) if uid is None else uid
        self._accounts[account] = Account(account, wallet, number, self.switches.history_max)

    # Requests

    def place(self, account: str, params: Params, now_ms: int) -> dict[str, Any]:
        """Place an order: WebSocket API, Place new order. The reply's form follows `newOrderRespType`.

        Raises EngineError: -11xx for malformed parameters, -1013 for filters, -2010 when the engine refuses.
        """
        placement = read_placement(Parameters("order.place", params), self._precision(params))
        owner, market = self._accounts[account], self._market(placement.symbol)
        return order_reply(self._place(owner, placement, market, now_ms), placement.response_type)

    def place_test(self, account: str, params: Params, now_ms: int) -> dict[str, Any]:
        """Check an order without placing it: WebSocket API, Test new order. It never reaches the matching engine."""
        parameters = Parameters("order.test", params)
        placement = read_placement(parameters, self._precision(params))
        market = self._market(placement.symbol)
        admit(self._accounts[account], placement, market, self.filters, now_ms, is_test=True)
        if not parameters.flag("computeCommissionRates"):
            return {}
        none = {"maker": text(ZERO), "taker": text(ZERO)}
        return {
            "standardCommissionForOrder": {
                "maker": text(self.switches.maker_rate),
                "taker": text(self.switches.taker_rate),
            },
            "specialCommissionForOrder": none,
            "taxCommissionForOrder": dict(none),
            "discount": dict(queries.NO_DISCOUNT),
        }

    def cancel(self, account: str, params: Params, now_ms: int) -> dict[str, Any]:
        """Cancel an open order: WebSocket API, Cancel order. It is renamed to `newClientOrderId` or a made-up id.

        Raises EngineError: -1102 without an id, -2011 for an order that is not open, or for unmet restrictions.
        """
        parameters = Parameters("order.cancel", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        cancellation = read_cancellation(parameters)
        return cancel_reply(self._cancel(self._accounts[account], symbol, cancellation, now_ms))

    def cancel_all(self, account: str, params: Params, now_ms: int) -> list[dict[str, Any]]:
        """Cancel all open orders of a symbol: WebSocket API, Cancel open orders. Raises EngineError -2011 for none."""
        symbol = queries.symbol_of(Parameters("openOrders.cancelAll", params), self.definitions)
        owner = self._accounts[account]
        orders = list(owner.history(symbol).open.values())
        if not orders:
            raise unknown_order()
        for order in orders:
            self._take_off(owner, order, None, now_ms)
        return [cancel_reply(order) for order in orders]

    def cancel_replace(
        self, account: str, params: Params, now_ms: int, *, over_limit: EngineError | None = None
    ) -> dict[str, Any]:
        """Cancel an order, then place another: WebSocket API, Cancel and replace order.

        Filters are checked before anything happens; what the matching engine refuses, after the cancel. `over_limit`
        is why no order may be placed now: then only the cancel is tried. Raises EngineError: what malformed parameters
        and filters bring, with nothing done; -2021 or -2022 with the fate of both parts in `data`.
        """
        replacement = read_replacement(Parameters("order.cancelReplace", params), self._precision(params))
        placement = replacement.placement
        owner, market = self._accounts[account], self._market(placement.symbol)
        if not market.definition.cancel_replace_allowed:
            raise rejected("Order cancel-replace is not supported for this symbol.")
        self._check_filters_of_replacement(owner, replacement, market, now_ms)
        canceled = _attempt(lambda: self._cancel(owner, placement.symbol, replacement.cancellation, now_ms))
        placed: PaperOrder | EngineError | None = over_limit
        if isinstance(canceled, EngineError) and replacement.stops_on_failure:
            placed = None
        elif over_limit is None:
            placed = _attempt(lambda: self._place(owner, placement, market, now_ms))
            if isinstance(canceled, PaperOrder) and isinstance(placed, EngineError):
                self._tell_rejection(owner, placement, placed, now_ms)
        parts = replacement_parts(canceled, placed, placement.response_type)
        successes = [part for part in (canceled, placed) if isinstance(part, PaperOrder)]
        if len(successes) == 2:
            return parts
        failure = replacement_failed(parts, is_partial=bool(successes))
        if over_limit is not None and replacement.stops_on_failure and self.switches.over_limit_replace_status:
            failure.status = self.switches.over_limit_replace_status
        raise failure

    def amend(self, account: str, params: Params, now_ms: int) -> dict[str, Any]:
        """Lower the quantity of an open order, which keeps its place: WebSocket API, Order Amend Keep Priority.

        It is renamed to `newClientOrderId`, which may be its own, or a made-up id. Raises EngineError: -1102 without
        an id, -1013 for filters, -2038 for an order that is not open, a quantity that is not lower, amends too many.
        """
        parameters = Parameters("order.amend.keepPriority", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        amendment = read_amendment(parameters, self._precision(params))
        owner, market = self._accounts[account], self._market(symbol)
        order = _find_open(owner, symbol, amendment.order_id, amendment.client_order_id)
        if order is None:
            raise amend_rejected("Unknown order sent.")
        admit_amendment(order, amendment.quantity, market)
        if amendment.quantity <= order.executed + order.prevented and not self.switches.amend_may_expire:
            raise amend_rejected("The requested action would change no state; rejecting")
        renamed_from, name = order.client_order_id, amendment.new_client_order_id or self._make_client_id()
        if name != renamed_from and name in owner.open_client_ids:
            raise amend_rejected("Duplicate order sent.")
        execution_id = self._executions[symbol].amend(owner, order, name, amendment.quantity, now_ms)
        market.publish(now_ms)
        return amend_reply(order, execution_id, renamed_from)

    def order_status(self, account: str, params: Params) -> dict[str, Any]:
        """One order, open or finished: WebSocket API, Query order."""
        parameters = Parameters("order.status", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        return queries.order_status(self._accounts[account], parameters, symbol)

    def open_orders(self, account: str, params: Params) -> list[dict[str, Any]]:
        """WebSocket API, Current open orders: of one symbol, or of all."""
        parameters = Parameters("openOrders.status", params)
        symbol = queries.symbol_of(parameters, self.definitions) if "symbol" in parameters else None
        return queries.open_orders(self._accounts[account], symbol)

    def all_orders(self, account: str, params: Params) -> list[dict[str, Any]]:
        """WebSocket API, Account order history."""
        parameters = Parameters("allOrders", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        return queries.all_orders(self._accounts[account], parameters, symbol)

    def my_trades(self, account: str, params: Params) -> list[dict[str, Any]]:
        """WebSocket API, Account trade history."""
        parameters = Parameters("myTrades", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        return queries.my_trades(self._accounts[account], parameters, symbol)

    def account_status(self, account: str, params: Params) -> dict[str, Any]:
        """WebSocket API, Account information."""
        parameters = Parameters("account.status", params)
        rates = self.switches.maker_rate, self.switches.taker_rate
        return queries.account_status(self._accounts[account], parameters, *rates)

    def prevented_matches(self, account: str, params: Params) -> list[dict[str, Any]]:
        """WebSocket API, Account prevented matches."""
        parameters = Parameters("myPreventedMatches", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        return queries.prevented_matches(self._accounts[account], parameters, symbol)

    def amendments(self, account: str, params: Params) -> list[dict[str, Any]]:
        """WebSocket API, Query Order Amendments."""
        parameters = Parameters("order.amendments", params)
        symbol = queries.symbol_of(parameters, self.definitions)
        return queries.amendments(self._accounts[account], parameters, symbol)

    def commission(self, symbol: str) -> dict[str, Any]:
        """WebSocket API, Account commission rates."""
        return queries.commission(symbol, self.switches.maker_rate, self.switches.taker_rate)

    def exchange_info(self, params: Params, now_ms: int) -> dict[str, Any]:
        """WebSocket API, Exchange information."""
        return queries.exchange_info(self.definitions, self.filters, Parameters("exchangeInfo", params), now_ms)

    # The market outside

    def apply_trade(
        self,
        symbol: str,
        price: Decimal,
        quantity: Decimal,
        time_ms: int,
        *,
        buyer_is_maker: bool,
        trade_id: int | None = None,
    ) -> None:
        """The market outside traded. The trade is published as it is and becomes the last price.

        Resting orders that it went through (a buy above its price, a sell below it) are filled first, at their own
        prices, by price and time, in whole lots, together for no more than the trade's quantity; each fill is a trade
        of its own. An order at exactly the trade's price is not filled: nobody knows its place in the queue. While the
        feed brings no quotes, the outside quote is derived from the trade (Market.derive_quote). `trade_id` is kept as
        long as ids rise. Raises ValueError for a price or quantity that is not positive, EngineError -1121 for the
        symbol.
        """
        market = self._market(symbol)
        _check_positive(price, "price")
        _check_positive(quantity, "quantity")
        bid, ask = market.book.bids.best, market.book.asks.best
        if (bid is not None and price < bid) or (ask is not None and price > ask):
            self._executions[symbol].fill_through(price, quantity, time_ms)
        market.record_trade(market.next_trade_id(trade_id), price, quantity, time_ms, buyer_is_maker=buyer_is_maker)
        market.derive_quote(price, buyer_is_maker=buyer_is_maker)
        market.publish(time_ms)

    def apply_quote(
        self, symbol: str, bid: Decimal, bid_quantity: Decimal, ask: Decimal, ask_quantity: Decimal, time_ms: int
    ) -> None:
        """The market outside shows its best bid and ask; takers execute against them until they are used up.

        A quote fills no resting order, and is shown one tick away from one that it would cross. A side may be empty
        (quantity zero). Raises ValueError for a crossed or negative quote, EngineError -1121 for the symbol.
        """
        market = self._market(symbol)
        if min(bid, bid_quantity, ask, ask_quantity) < 0 or (bid_quantity and ask_quantity and bid >= ask):
            raise ValueError(f"{symbol}: a quote of {bid_quantity} at {bid} to {ask_quantity} at {ask} is impossible")
        market.quote(bid, bid_quantity, ask, ask_quantity)
        market.publish(time_ms)

    def set_reference_price(self, symbol: str, price: Decimal | None) -> None:
        """From now on filters and execution rules compare with this; None: with what they compare otherwise."""
        self._market(symbol).set_reference_price(price)

    # What happened

    def take_events(self) -> list[UserEvent]:
        """(account, user-data event) in the order in which they happened, each handed out once."""
        events = self._events.copy()
        self._events.clear()
        return events

    def take_market_events(self) -> list[MarketEvent]:
        """(kind, symbol, payload) in the order in which they happened, each handed out once; see market.py."""
        events = self._market_events.copy()
        self._market_events.clear()
        return events

    def book_ticker(self, symbol: str) -> dict[str, str]:
        return self._market(symbol).book_ticker()

    def depth(self, symbol: str, limit: int) -> dict[str, Any]:
        """At most `limit` levels a side, with the id of the last depth change."""
        return self._market(symbol).depth(limit)

    def last_price(self, symbol: str) -> str | None:
        """None before the first trade."""
        price = self._market(symbol).last_price
        return None if price is None else text(price)

    def average_price(self, symbol: str, now_ms: int) -> Decimal | None:
        """What the filters mean by it: the volume-weighted price of the last minutes; None before the first trade."""
        return self._market(symbol).average_price(now_ms)

    def reference_price(self, symbol: str) -> Decimal | None:
        """What stands in for the average price in filters and execution rules, where somebody has set it."""
        return self._market(symbol).reference_price

    def knows_reference_price(self, symbol: str) -> bool:
        """Whether it ever had one."""
        return self._market(symbol).knows_reference_price

    # The ledger's view

    def balances(self, account: str) -> dict[str, Balance]:
        return self._accounts[account].wallet.balances()

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Every order that is remembered, as `order.status` shows it."""
        return [
            order_row(order) for history in self._accounts[account].histories() for order in history.orders.values()
        ]

    def fills(self, account: str) -> list[Fill]:
        """By symbol, in the order in which they happened."""
        return [fill for history in self._accounts[account].histories() for fill in history.fills]

    def position(self, account: str, asset: str) -> Decimal:
        """What the account gained of the asset since it was opened (negative: lost), commissions included."""
        return self._accounts[account].wallet.position(asset)

    def net_position(self, account: str, symbol: str) -> Decimal:
        """Base quantity bought minus sold on the symbol, before commissions; forgotten fills included."""
        return self._accounts[account].history(symbol).net_quantity

    # Helpers

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise invalid_symbol()
        return market

    def _precision(self, params: Params) -> int:
        """The decimals of a symbol's assets; of an unknown symbol, which is refused later, those of most."""
        symbol = params.get("symbol")
        definition = self.definitions.get(symbol) if isinstance(symbol, str) else None
        return PRECISION if definition is None else definition.asset_precision

    def _new_order(self, owner: Account, placement: Placement, quantity: Decimal, mode: str, now_ms: int) -> PaperOrder:
        price = placement.price or ZERO
        quote_quantity = placement.quote_quantity or ZERO
        return PaperOrder(
            account=owner.name,
            symbol=placement.symbol,
            order_id=0,
            client_order_id=placement.client_order_id or self._make_client_id(),
            side=placement.side,
            type=placement.type,
            time_in_force=placement.time_in_force,
            price=price,
            quantity=quantity,
            quote_quantity=quote_quantity,
            self_trade_prevention=mode,
            strategy_id=placement.strategy_id,
            strategy_type=placement.strategy_type,
            created_ms=now_ms,
            updated_ms=now_ms,
            working_ms=now_ms,
            price_text=text(price),
            quantity_text=text(quantity),
            quote_quantity_text=text(quote_quantity),
        )

    def _check_engine(self, owner: Account, order: PaperOrder, market: Market, matches: list[Match]) -> None:
        """What only the matching engine can refuse: an id in use, missing funds, a maker that would take."""
        if order.client_order_id in owner.open_client_ids:
            raise rejected("Duplicate order sent.")
        execution = self._executions[order.symbol]
        if execution.funds_needed(order, matches) > execution.paying(owner, order).free:
            raise insufficient_balance()
        if order.type == "LIMIT_MAKER" and market.book.would_take(order.side, order.price):
            raise rejected("Order would immediately match and take.")

    def _place(self, owner: Account, placement: Placement, market: Market, now_ms: int) -> PaperOrder:
        quantity, mode = admit(owner, placement, market, self.filters, now_ms)
        order = self._new_order(owner, placement, quantity, mode, now_ms)
        order.least_taken, order.greatest_taken = market.range_for_takers(placement.side)
        matches = plan_match(market.book, order, market.definition.step_size)
        self._check_engine(owner, order, market, matches)
        order.order_id = market.next_order_id()
        self._executions[order.symbol].enter(owner, order, matches, now_ms)
        market.publish(now_ms)
        return order

    def _check_filters_of_replacement(
        self, owner: Account, replacement: Replacement, market: Market, now_ms: int
    ) -> None:
        """The order to be canceled still counts for them (CHANGELOG 2022-08-08)."""
        try:
            admit(owner, replacement.placement, market, self.filters, now_ms)
        except EngineError as refusal:
            if refusal.code == NEW_ORDER_REJECTED:
                return  # said by the matching engine, which is asked after the cancel
            if not self.switches.filter_failures_have_parts:
                raise
            placed = None if replacement.stops_on_failure else refusal
            raise replacement_failed(replacement_parts(refusal, placed, "ACK"), is_partial=False) from refusal

    def _tell_rejection(self, owner: Account, placement: Placement, refusal: EngineError, now_ms: int) -> None:
        """An event, where the documentation names a reason for it (User Data Streams, Order Reject Reason)."""
        reason = REJECT_REASONS.get(refusal.msg)
        if reason is None or not self.switches.rejected_replacements_are_told:
            return
        market = self._market(placement.symbol)
        quantity, mode = admit(owner, placement, market, self.filters, now_ms)
        order = self._new_order(owner, placement, quantity, mode, now_ms)
        self._executions[order.symbol].reject(order, reason, now_ms)

    def _cancel(self, owner: Account, symbol: str, cancellation: Cancellation, now_ms: int) -> PaperOrder:
        order = _find_open(owner, symbol, cancellation.order_id, cancellation.client_order_id)
        if order is None:
            raise unknown_order()
        if cancellation.restriction is not None and cancellation.restriction != f"ONLY_{order.status}":
            raise EngineError(-2011, "Order was not canceled due to cancel restrictions.")
        self._take_off(owner, order, cancellation.new_client_order_id, now_ms)
        return order

    def _take_off(self, owner: Account, order: PaperOrder, new_client_order_id: str | None, now_ms: int) -> None:
        market = self._markets[order.symbol]
        name = new_client_order_id or self._make_client_id()
        self._executions[order.symbol].cancel(
            owner, order, name, now_ms, keep_old=self.switches.cancelled_found_by_old_id
        )
        market.publish(now_ms)

    def _make_client_id(self) -> str:
        """22 alphanumerics, as the exchange makes them."""
        self._client_ids += 1
        return f"paper{self._client_ids:017d}"


def _find_open(owner: Account, symbol: str, order_id: int | None, client_order_id: str | None) -> PaperOrder | None:
    """By order id, which the client order id must then fit, or by client order id; None when none is open."""
    history = owner.history(symbol)
    order = history.by_client_id.get(client_order_id or "") if order_id is None else history.open.get(order_id)
    if order is None or not order.is_open or (client_order_id is not None and order.client_order_id != client_order_id):
        return None
    return order


def _attempt(carry_out: Callable[[], PaperOrder]) -> PaperOrder | EngineError:
    """One part of a request whose parts may fail by themselves."""
    try:
        return carry_out()
    except EngineError as refusal:
        return refusal


def _check_positive(value: Decimal, name: str) -> None:
    if not value.is_finite() or value <= 0:
        raise ValueError(f"a trade's {name} is positive, not {value}")


def _listed(symbols: Sequence[SymbolDefinition], switches: Switches) -> dict[str, SymbolDefinition]:
    listed: dict[str, SymbolDefinition] = {}
    for definition in symbols:
        if definition.symbol in listed:
            raise ValueError(f"{definition.symbol} is listed twice")
        listed[definition.symbol] = _switched(definition, switches)
    return listed


def _switched(definition: SymbolDefinition, switches: Switches) -> SymbolDefinition:
    mode = switches.self_trade_prevention
    if mode is None:
        return definition
    modes = definition.self_trade_prevention_modes
    return msgspec.structs.replace(
        definition,
        default_self_trade_prevention=mode,
        self_trade_prevention_modes=modes if mode in modes else (*modes, mode),
    )
