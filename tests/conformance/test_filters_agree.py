"""Client and paper exchange read the same filters and come to the same verdict on the same order, by the same name.

Neither shares a line with the other: what one says about exchangeInfo, the other checks an order against.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.admission import admit, admit_amendment
from dogwatch.actors.paper.engine_errors import TYPE_REFUSALS, EngineError
from dogwatch.actors.paper.ledger import Ledger
from dogwatch.actors.paper.market import Market
from dogwatch.actors.paper.order import Amendment, PaperOrder
from dogwatch.actors.paper.parameters import Parameters, read_placement
from dogwatch.actors.paper.rules import Facts, OpenCounts, check_open_orders
from dogwatch.actors.paper.symbol_filters import ExchangeFilters, exchange_filters, my_filters
from dogwatch.actors.paper.symbols import SymbolDefinition, describe
from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.exchange_info import ExchangeInfo, decode_exchange_info
from dogwatch.actors.spot.filter_checks import check_amendment, why_not
from dogwatch.actors.spot.filter_context import ALGO_TYPES, FilterContext, Refusal, Terms
from dogwatch.actors.spot.filters import OpenOrders, Rounding, SymbolRules

NOW_MS = 1_700_000_000_000
ZERO = Decimal(0)
TYPES = tuple(TYPE_REFUSALS)
STOPS = tuple(str(kind) for kind in ALGO_TYPES)

# Where the client names a field of exchangeInfo or an error code, the exchange has words of its own.
WORDS = {
    "status": "-2010 Market is closed.",
    "quoteOrderQtyMarketAllowed": "-2010 Quote order qty market orders are not support for this symbol.",
    "-2010": "-2010 IcebergQty exceeds QTY.",
}


class Case(NamedTuple):
    """A symbol, an exchange, what the account has, and an order as it is sent."""

    definition: SymbolDefinition
    exchange: ExchangeFilters
    price: Decimal | None
    held: Decimal
    open_orders: int
    open_elsewhere: int
    params: dict[str, str]


# Made-up symbols.


def _steps(precision: int) -> st.SearchStrategy[Decimal]:
    every = [Decimal(number).scaleb(-places) for places in range(precision + 1) for number in (1, 2, 5, 25)]
    return st.sampled_from(every)


def _amounts(precision: int) -> st.SearchStrategy[Decimal]:
    return st.integers(1, 1000 * 10**precision).map(lambda number: Decimal(number).scaleb(-precision))


MULTIPLIERS = st.sampled_from([ZERO, Decimal("0.2"), Decimal("0.8"), Decimal("1.2"), Decimal(5)])
DELTAS = st.sampled_from([0, 10, 2000])


def _filters(precision: int) -> dict[str, st.SearchStrategy[Any]]:
    steps, amounts = _steps(precision), _amounts(precision)
    return {
        **dict.fromkeys(("tick_size", "step_size", "market_step_size"), steps),
        **dict.fromkeys(("price_min", "quantity_min", "market_quantity_min"), steps),
        **dict.fromkeys(("price_max", "quantity_max", "market_quantity_max", "position_max"), amounts),
        **dict.fromkeys(("notional_min", "notional_max", "min_notional", "reference_price"), amounts),
        **dict.fromkeys(("multiplier_up", "multiplier_down", "bid_multiplier_up", "bid_multiplier_down"), MULTIPLIERS),
        **dict.fromkeys(("ask_multiplier_up", "ask_multiplier_down"), MULTIPLIERS),
        **dict.fromkeys(("notional_min_applies_to_market", "notional_max_applies_to_market"), st.booleans()),
        "min_notional_applies_to_market": st.booleans(),
        "average_price_minutes": st.sampled_from([0, 5]),
        **dict.fromkeys(("trailing_above_min", "trailing_above_max"), DELTAS),
        **dict.fromkeys(("trailing_below_min", "trailing_below_max"), DELTAS),
        **dict.fromkeys(("iceberg_parts_max", "orders_max"), st.integers(0, 3)),
        "status": st.just("HALT"),
        "quote_quantity_allowed": st.just(False),
    }


FILTERS = {precision: _filters(precision) for precision in (2, 8)}
CHOICES = st.lists(st.sampled_from(sorted(FILTERS[8])), max_size=4, unique=True)
"""A few at a time: a symbol with all of them refuses all orders."""
PRECISIONS = st.sampled_from(sorted(FILTERS))


@st.composite
def definitions(draw: st.DrawFn) -> SymbolDefinition:
    precision = draw(PRECISIONS)
    chosen: dict[str, Any] = {name: draw(FILTERS[precision][name]) for name in draw(CHOICES)}
    return SymbolDefinition(
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        asset_precision=precision,
        order_types=TYPES,
        iceberg_allowed=True,
        trailing_allowed=True,
        **{"notional_max": ZERO, "orders_max": 0, **chosen},
    )


CHANGES = st.sampled_from(["", "", "", "step", "-step", "unit", "-unit", "tenth"])
BOOLEANS, COUNTS, SIDES, KINDS = (
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(TYPES),
)
TRAILING = st.sampled_from(["0", "1", "9", "10", "11", "1999", "2000", "2001"])
PLACES = st.integers(0, 5)


def _near(draw: st.DrawFn, precision: int, step: Decimal, *bounds: Decimal) -> str:
    """An amount for which a filter may just say yes or just say no."""
    place = draw(PLACES)
    centre = bounds[place] if place < len(bounds) and bounds[place] else draw(AMOUNTS[precision])
    if step:
        centre -= centre % step
    smallest = Decimal(1).scaleb(-precision)
    change = {"step": step, "-step": -step, "unit": smallest, "-unit": -smallest, "tenth": smallest / 10}
    return _text(max(centre + change.get(draw(CHANGES), ZERO), ZERO))


AMOUNTS = {precision: _amounts(precision) for precision in FILTERS}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    definition = draw(definitions())
    precision, kind = definition.asset_precision, draw(KINDS)
    amounts = AMOUNTS[precision]
    price = draw(amounts) if draw(BOOLEANS) else None
    lots = definition.step_size, definition.quantity_min, definition.quantity_max, definition.market_quantity_max
    prices = definition.tick_size, price or Decimal(1), definition.price_min, definition.price_max
    params = {"symbol": "BTCUSDT", "side": draw(SIDES), "type": kind}
    if kind == "MARKET" and draw(BOOLEANS):
        params["quoteOrderQty"] = _near(draw, precision, ZERO, definition.notional_min, definition.notional_max)
    else:
        params["quantity"] = _near(draw, precision, *lots)
    if "LIMIT" in kind:
        params["price"] = _near(draw, precision, *prices)
        if kind != "LIMIT_MAKER":
            params["timeInForce"] = "GTC"
        if draw(BOOLEANS):
            params["icebergQty"] = _near(draw, precision, *lots)
    if kind in STOPS:
        trails = draw(BOOLEANS)
        if trails:
            params["trailingDelta"] = draw(TRAILING)
        if not trails or draw(BOOLEANS):
            params["stopPrice"] = _near(draw, precision, *prices)
    asset_max = {asset: draw(amounts) for asset in ("BTC", "USDT") if draw(COUNTS) == 3}
    exchange = ExchangeFilters(orders_max=4 if draw(BOOLEANS) else 0, asset_max=asset_max)
    held = draw(amounts) if definition.position_max else ZERO
    return Case(definition, exchange, price, held, draw(COUNTS), draw(COUNTS), params)


def _text(value: Decimal) -> str:
    return f"{value:f}"


# The two judges.


def _paper_market(case: Case) -> Market:
    market = Market(case.definition, [])
    if case.price is not None:
        market.record_trade(1, case.price, Decimal(1), NOW_MS, buyer_is_maker=False)
        market.quote(case.price, Decimal(10**9), case.price, Decimal(10**9))
    return market


def _open_order(price: Decimal = Decimal(1), quantity: Decimal = Decimal(1)) -> PaperOrder:
    """A sale, which counts for no position."""
    return PaperOrder(
        account="main",
        symbol="BTCUSDT",
        order_id=1,
        client_order_id="a",
        side="SELL",
        type="LIMIT",
        time_in_force="GTC",
        price=price,
        quantity=quantity,
        quote_quantity=ZERO,
        self_trade_prevention="NONE",
        strategy_id=None,
        strategy_type=None,
        created_ms=0,
        updated_ms=0,
        working_ms=0,
    )


def on_paper(case: Case) -> str:
    """The name of the filter that the paper exchange refuses the order for, or its code and words; empty: accepted."""
    account = Account("main", Ledger().open("main", {"BTC": case.held}), 1, 10)
    account.history("BTCUSDT").open.update(dict.fromkeys(range(case.open_orders), _open_order()))
    account.history("ETHUSDT").open.update(dict.fromkeys(range(case.open_elsewhere), _open_order()))
    try:
        placement = read_placement(Parameters("order.test", case.params), case.definition.asset_precision)
        admit(account, placement, _paper_market(case), case.exchange, NOW_MS, is_test=True)
    except EngineError as refusal:
        name = refusal.msg.removeprefix("Filter failure: ")
        return f"{refusal.code} {refusal.msg}" if name == refusal.msg else name
    return ""


def rules_of(case: Case) -> SymbolRules:
    """The rules as a client reads them off the exchange's answers."""
    shown = {
        "serverTime": NOW_MS,
        "symbols": [describe(case.definition)],
        "exchangeFilters": exchange_filters(case.exchange),
        "rateLimits": [],
    }
    info: ExchangeInfo = decode_exchange_info(msgspec.json.encode(shown))
    mine = my_filters(case.definition, case.exchange, ("BTC", "USDT"))
    return SymbolRules.of(
        info.symbols[0], exchange_filters=info.exchange_filters, mine=msgspec.convert(mine, MyFilters, strict=False)
    )


def context_of(case: Case) -> FilterContext:
    """Everything that the exchange knows, the client knows too."""
    return FilterContext(
        rules=rules_of(case),
        reference_price=case.definition.reference_price or None,
        average_price=case.price,
        last_price=case.price,
        position=case.held,
        on_symbol=OpenOrders(orders=case.open_orders, algo_orders=0, iceberg_orders=0),
        on_account=OpenOrders(orders=case.open_orders + case.open_elsewhere, algo_orders=0, iceberg_orders=0),
    )


def terms_of(params: dict[str, str]) -> Terms:
    def amount(name: str) -> Decimal | None:
        return Decimal(params[name]) if name in params else None

    return Terms(
        side=Side(params["side"]),
        type=OrderType(params["type"]),
        quantity=amount("quantity"),
        quote_quantity=amount("quoteOrderQty"),
        price=amount("price"),
        stop_price=amount("stopPrice"),
        iceberg_quantity=amount("icebergQty"),
        trailing_delta=int(params["trailingDelta"]) if "trailingDelta" in params else None,
    )


def agree(refusal: Refusal, said: str) -> bool:
    """Whether the exchange says the same in its own words."""
    return said == WORDS.get(refusal.filter, refusal.filter) or said.startswith(f"{refusal.filter} ")


FIELDS = {
    "quantity": "quantity",
    "quote quantity": "quoteOrderQty",
    "price": "price",
    "stop price": "stopPrice",
    "iceberg quantity": "icebergQty",
    "trailing delta": "trailingDelta",
}


@settings(max_examples=250, deadline=None)
@given(case=cases())
def test_what_the_client_refuses_the_exchange_refuses_by_the_same_name_and_takes_all_else(case: Case) -> None:
    refusal = why_not(terms_of(case.params), context_of(case))
    said = on_paper(case)
    event(refusal.filter if refusal else "passes")
    is_priceless = case.params["type"] == "MARKET" and case.price is None
    if refusal is not None:
        assert agree(refusal, said) or (is_priceless and said.endswith("NOTIONAL")), (refusal, said)
    elif "quoteOrderQty" not in case.params and not is_priceless:
        assert not said, "by quote quantity, or without a price, the exchange may know more"


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_an_order_that_is_corrected_as_advised_is_accepted(case: Case) -> None:
    context = context_of(case)
    params = dict(case.params)
    for _ in range(8):
        refusal = why_not(terms_of(params), context)
        if refusal is None:
            said = on_paper(case._replace(params=params))
            event("corrected" if params != case.params else "right at once")
            assert not said or "quoteOrderQty" in params or case.price is None
            return
        if refusal.legal is None:
            return
        params[FIELDS[refusal.field]] = _text(refusal.legal)


@settings(max_examples=150, deadline=None)
@given(
    definition=definitions(),
    value=st.decimals(min_value="0.000000001", max_value=10**6, places=9),
    rounding=st.sampled_from(Rounding),
    side=st.sampled_from(["BUY", "SELL"]),
)
def test_what_is_rounded_to_the_rules_passes_the_filters_that_are_about_steps(
    definition: SymbolDefinition, value: Decimal, rounding: Rounding, side: str
) -> None:
    names = {"price_min", "price_max", "quantity_min", "quantity_max", "market_quantity_min", "market_quantity_max"}
    definition = msgspec.structs.replace(definition, status="TRADING", **dict.fromkeys(names, ZERO))
    case = Case(definition, ExchangeFilters(), Decimal(1), ZERO, 0, 0, {})
    rules = rules_of(case)
    price, quantity = rules.round_price(value, rounding), rules.round_quantity(value, rounding)
    market, quote = rules.round_quantity(value, rounding, market=True), rules.round_quote(value, rounding)
    order = {"symbol": "BTCUSDT", "side": side}
    for params in (
        order | {"type": "LIMIT_MAKER", "price": _text(price), "quantity": _text(quantity)},
        order | {"type": "MARKET", "quantity": _text(market)},
        order | {"type": "MARKET", "quoteOrderQty": _text(quote)},
    ):
        said = on_paper(case._replace(params=params))
        of_nothing = {price, quantity} if "price" in params else {market} if "quantity" in params else {quote}
        if ZERO not in of_nothing:
            assert said != "PRICE_FILTER"
            how_much_it_buys_is_not_the_clients_to_round = "quoteOrderQty" in params
            assert "LOT_SIZE" not in said or how_much_it_buys_is_not_the_clients_to_round
            assert not said.startswith(("-1111", "-1100")), said


@given(
    kind=st.sampled_from(TYPES),
    iceberg=st.sampled_from([None, Decimal(1)]),
    counts=st.tuples(*[st.integers(0, 3)] * 6),
    limits=st.tuples(*[st.integers(0, 3)] * 6),
)
def test_open_orders_are_counted_alike(
    kind: str, iceberg: Decimal | None, counts: tuple[int, ...], limits: tuple[int, ...]
) -> None:
    names = ("orders_max", "algo_orders_max", "iceberg_orders_max")
    of_symbol: dict[str, Any] = dict(zip(names, limits[:3], strict=True))
    of_account: dict[str, Any] = dict(zip(names, limits[3:], strict=True))
    definition = SymbolDefinition(
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        order_types=TYPES,
        iceberg_allowed=True,
        notional_max=ZERO,
        **of_symbol,
    )
    exchange = ExchangeFilters(**of_account)
    case = Case(definition, exchange, None, ZERO, 0, 0, {})
    params = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "2", "price": "1"}
    placement = msgspec.structs.replace(read_placement(Parameters("order.test", params)), type=kind)
    placement = msgspec.structs.replace(placement, iceberg_quantity=iceberg)
    on_symbol, on_account = (
        OpenCounts(orders=orders, algo_orders=algo, iceberg_orders=icebergs)
        for orders, algo, icebergs in (counts[:3], counts[3:])
    )
    try:
        check_open_orders(definition, exchange, placement, Facts(on_symbol=on_symbol, on_account=on_account))
        said = None
    except EngineError as refusal:
        said = refusal.msg.removeprefix("Filter failure: ")
    context = FilterContext(
        rules=rules_of(case),
        on_symbol=OpenOrders(**msgspec.structs.asdict(on_symbol)),
        on_account=OpenOrders(**msgspec.structs.asdict(on_account)),
    )
    terms = Terms(side=Side.SELL, type=OrderType(kind), quantity=Decimal(2), price=Decimal(1), iceberg_quantity=iceberg)
    refused = why_not(terms, context)
    assert (refused.filter if refused else None) == said


FORMER = Amendment(
    execution_id=1, old_name="a", new_name="a", old_quantity=Decimal(2), new_quantity=Decimal(1), time_ms=0
)
"""One that was made before: they are only counted."""


@settings(max_examples=150, deadline=None)
@given(
    definition=definitions(),
    amends=st.integers(0, 4),
    amends_max=st.integers(0, 3),
    data=st.data(),
    is_allowed=BOOLEANS,
)
def test_an_amend_is_refused_here_and_there_by_the_same_name(
    definition: SymbolDefinition, amends: int, amends_max: int, data: st.DataObject, is_allowed: bool
) -> None:
    definition = msgspec.structs.replace(definition, status="TRADING", amend_allowed=is_allowed, amends_max=amends_max)
    amounts = AMOUNTS[definition.asset_precision]
    price, quantity, less = data.draw(amounts), data.draw(amounts), data.draw(amounts)
    order = _open_order(price, quantity + less)
    order.amendments.extend([FORMER] * amends)
    case = Case(definition, ExchangeFilters(), None, ZERO, 0, 0, {})
    try:
        admit_amendment(order, quantity, _paper_market(case))
        said = ""
    except EngineError as refusal:
        said = refusal.msg.removeprefix("Filter failure: ")
    terms = Terms(side=Side.SELL, type=OrderType.LIMIT, quantity=quantity, price=price)
    refused = check_amendment(terms, FilterContext(rules=rules_of(case), amends=amends))
    event(said or "passes")
    if not is_allowed:
        assert refused
        assert said == "Order amend is not supported for this symbol."
    else:
        assert (refused[0].filter if refused else "") == said
