"""Whatever is asked of the engine, whatever the market does: nothing is lost, nothing crossed, every event adds up."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.paper.decimals import rounded_up
from dogwatch.actors.paper.engine import Engine, EngineError, Switches
from dogwatch.actors.paper.parameters import KNOWN
from dogwatch.actors.paper.symbols import BTCUSDT, ETHBTC

# Odd ticks make products with nine decimals, so that rounding is part of every run.
SYMBOLS = {"BTCUSDT": BTCUSDT, "ETHBTC": msgspec.structs.replace(ETHBTC, notional_min=Decimal("0.00000001"))}
PRICES = {
    "BTCUSDT": [Decimal(9990 + step) / 100 for step in range(0, 21, 3)],
    "ETHBTC": [Decimal(2990 + step) / 100_000 for step in range(0, 21, 3)],
}
ASSETS = ("BTC", "ETH", "USDT", "BNB")
ACCOUNTS = ("alice", "bob")

symbols = st.sampled_from(sorted(PRICES))
prices = st.integers(0, 6)
quantities = st.integers(1, 30_000).map(lambda lots: Decimal(lots) / 10_000)
accounts = st.sampled_from(ACCOUNTS)
sides = st.sampled_from(["BUY", "SELL"])
modes = st.sampled_from([None, "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "NONE"])

limits = st.tuples(
    st.just("limit"), accounts, symbols, sides, prices, quantities, st.sampled_from(["GTC", "IOC", "FOK"]), modes
)
makers = st.tuples(st.just("maker"), accounts, symbols, sides, prices, quantities)
markets = st.tuples(st.just("market"), accounts, symbols, sides, quantities)
spends = st.tuples(st.just("spend"), accounts, symbols, sides, quantities)
cancels = st.tuples(st.just("cancel"), accounts, symbols, st.integers(0, 10))
amends = st.tuples(st.just("amend"), accounts, symbols, st.integers(0, 10), quantities, st.booleans())
replacements = st.tuples(
    st.just("replace"), accounts, symbols, st.integers(0, 10), sides, prices, quantities, st.booleans()
)
trades = st.tuples(st.just("trade"), symbols, prices, quantities, st.booleans())
quotes = st.tuples(st.just("quote"), symbols, st.integers(0, 5), quantities, quantities)
actions = st.lists(
    st.one_of(limits, makers, markets, spends, cancels, amends, replacements, trades, quotes), min_size=12, max_size=50
)


class Player:
    """Plays actions on an engine; a refusal is part of the game and must change nothing."""

    def __init__(self) -> None:
        permissive = {
            symbol: msgspec.structs.replace(
                definition, self_trade_prevention_modes=(*definition.self_trade_prevention_modes, "NONE")
            )
            for symbol, definition in SYMBOLS.items()
        }
        self.engine = Engine(list(permissive.values()), switches=Switches(taker_rate=Decimal("0.00075")))
        for account in ACCOUNTS:
            self.engine.open_account(account, {"BTC": Decimal(3), "ETH": Decimal(50), "USDT": Decimal(900)})
        self.totals = {asset: self.engine.ledger.total(asset) for asset in ASSETS}
        self.now_ms = 0

    def play(self, action: tuple[Any, ...]) -> None:
        self.now_ms += 1
        kind, *rest = action
        before = {account: self.engine.balances(account) for account in ACCOUNTS}
        try:
            getattr(self, kind)(*rest)
        except EngineError as refusal:
            if refusal.data is not None:
                return  # a part of the request worked, or was tried at least
            for account in ACCOUNTS:
                held = before[account]
                assert all(held.get(a, b) == b for a, b in self.engine.balances(account).items())

    def limit(
        self, account: str, symbol: str, side: str, price: int, quantity: Decimal, time_in_force: str, mode: str | None
    ) -> None:
        params = {"type": "LIMIT", "timeInForce": time_in_force, "selfTradePreventionMode": mode}
        self.place(account, symbol, side, price=str(PRICES[symbol][price]), quantity=str(quantity), **params)

    def maker(self, account: str, symbol: str, side: str, price: int, quantity: Decimal) -> None:
        self.place(account, symbol, side, price=str(PRICES[symbol][price]), quantity=str(quantity), type="LIMIT_MAKER")

    def market(self, account: str, symbol: str, side: str, quantity: Decimal) -> None:
        self.place(account, symbol, side, quantity=str(quantity), type="MARKET")

    def spend(self, account: str, symbol: str, side: str, quantity: Decimal) -> None:
        amount = quantity * 100 if symbol == "BTCUSDT" else quantity
        self.place(account, symbol, side, quoteOrderQty=str(amount), type="MARKET")

    def place(self, account: str, symbol: str, side: str, **params: Any) -> None:
        self.engine.place(account, {"symbol": symbol, "side": side, **params}, self.now_ms)

    def cancel(self, account: str, symbol: str, number: int) -> None:
        orders = self.engine.open_orders(account, {"symbol": symbol})
        if orders:
            order_id = orders[number % len(orders)]["orderId"]
            self.engine.cancel(account, {"symbol": symbol, "orderId": order_id}, self.now_ms)

    def amend(self, account: str, symbol: str, number: int, quantity: Decimal, keeps_name: bool) -> None:
        orders = self.engine.open_orders(account, {"symbol": symbol})
        if orders:
            order = orders[number % len(orders)]
            params = {"symbol": symbol, "orderId": order["orderId"], "newQty": str(quantity)}
            if keeps_name:
                params["newClientOrderId"] = order["clientOrderId"]
            self.engine.amend(account, params, self.now_ms)

    def replace(
        self, account: str, symbol: str, number: int, side: str, price: int, quantity: Decimal, stops: bool
    ) -> None:
        ids = [order["orderId"] for order in self.engine.open_orders(account, {"symbol": symbol})] + [0]
        params = {
            "symbol": symbol,
            "cancelReplaceMode": "STOP_ON_FAILURE" if stops else "ALLOW_FAILURE",
            "cancelOrderId": ids[number % len(ids)],
            "side": side,
            "type": "LIMIT_MAKER",
            "price": str(PRICES[symbol][price]),
            "quantity": str(quantity),
        }
        self.engine.cancel_replace(account, params, self.now_ms)

    def trade(self, symbol: str, price: int, quantity: Decimal, buyer_is_maker: bool) -> None:
        self.engine.apply_trade(symbol, PRICES[symbol][price], quantity, self.now_ms, buyer_is_maker=buyer_is_maker)

    def quote(self, symbol: str, price: int, bid_quantity: Decimal, ask_quantity: Decimal) -> None:
        bid, ask = PRICES[symbol][price], PRICES[symbol][price + 1]
        self.engine.apply_quote(symbol, bid, bid_quantity, ask, ask_quantity, self.now_ms)


@settings(max_examples=60)
@given(actions)
def test_nothing_is_created_or_lost_and_no_balance_is_negative(played: list[tuple[Any, ...]]) -> None:
    player = Player()
    for action in played:
        player.play(action)
        assert {asset: player.engine.ledger.total(asset) for asset in ASSETS} == player.totals
        for account in ACCOUNTS:
            for balance in player.engine.balances(account).values():
                assert balance.free >= 0
                assert balance.locked >= 0


@settings(max_examples=60)
@given(actions)
def test_what_is_locked_is_what_the_open_orders_need(played: list[tuple[Any, ...]]) -> None:
    player = Player()
    for action in played:
        player.play(action)
    for account in ACCOUNTS:
        needed: dict[str, Decimal] = defaultdict(Decimal)
        for order in player.engine.open_orders(account, {}):
            definition = SYMBOLS[order["symbol"]]
            prevented = Decimal(order.get("preventedQuantity", 0))
            remaining = Decimal(order["origQty"]) - Decimal(order["executedQty"]) - prevented
            assert remaining > 0
            if order["side"] == "BUY":
                needed[definition.quote_asset] += rounded_up(Decimal(order["price"]) * remaining)
            else:
                needed[definition.base_asset] += remaining
        locked = {asset: balance.locked for asset, balance in player.engine.balances(account).items() if balance.locked}
        assert locked == dict(needed)


@settings(max_examples=60)
@given(actions)
def test_the_book_is_never_crossed_and_depth_changes_add_up_to_it(played: list[tuple[Any, ...]]) -> None:
    player = Player()
    seen: dict[str, dict[str, dict[str, str]]] = {symbol: {"b": {}, "a": {}} for symbol in SYMBOLS}
    update_ids = dict.fromkeys(SYMBOLS, 0)
    trade_ids = dict.fromkeys(SYMBOLS, -1)
    for action in played:
        player.play(action)
        for kind, symbol, payload in player.engine.take_market_events():
            if kind == "trade":
                assert payload["t"] > trade_ids[symbol]
                trade_ids[symbol] = payload["t"]
            if kind == "depth":
                assert payload["U"] == update_ids[symbol] + 1
                assert payload["u"] == payload["U"] + len(payload["b"]) + len(payload["a"]) - 1
                update_ids[symbol] = payload["u"]
                for side in ("b", "a"):
                    for price, quantity in payload[side]:
                        seen[symbol][side].pop(price, None)
                        if Decimal(quantity):
                            seen[symbol][side][price] = quantity
        for symbol in SYMBOLS:
            depth = player.engine.depth(symbol, 5000)
            assert depth["lastUpdateId"] == update_ids[symbol]
            assert dict(depth["bids"]) == seen[symbol]["b"]
            assert dict(depth["asks"]) == seen[symbol]["a"]
            if depth["bids"] and depth["asks"]:
                assert Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0])
            ticker = player.engine.book_ticker(symbol)
            assert depth["bids"][:1] == ([[ticker["bidPrice"], ticker["bidQty"]]] if depth["bids"] else [])
            assert depth["asks"][:1] == ([[ticker["askPrice"], ticker["askQty"]]] if depth["asks"] else [])


def assert_follows(event: dict[str, Any], former: dict[str, Any] | None) -> None:
    """Only a cancel renames an order, only an amend renames and lowers it."""
    if event["x"] in {"REPLACED", "CANCELED"}:
        assert former is not None
        assert event["C"] == former["c"]
        assert (Decimal(event["q"]) < Decimal(former["q"])) == (event["x"] == "REPLACED")
    else:
        assert event["C"] == ""
        assert former is None or (event["c"], event["q"]) == (former["c"], former["q"])


@settings(max_examples=60)
@given(actions)
def test_the_events_alone_tell_every_order_and_every_balance(played: list[tuple[Any, ...]]) -> None:
    player = Player()
    execution_ids = dict.fromkeys(SYMBOLS, 0)
    orders: dict[tuple[str, str, int], dict[str, Any]] = {}
    filled: dict[tuple[str, str, int], Decimal] = defaultdict(Decimal)
    balances: dict[tuple[str, str], tuple[str, str]] = {}
    for action in played:
        player.play(action)
        for account, event in player.engine.take_events():
            if event["e"] == "outboundAccountPosition":
                balances |= {(account, entry["a"]): (entry["f"], entry["l"]) for entry in event["B"]}
                continue
            if event["x"] == "REJECTED":
                assert (event["i"], event["I"]) == (-1, -1)
                continue
            assert event["I"] > execution_ids[event["s"]]
            execution_ids[event["s"]] = event["I"]
            key = (account, event["s"], event["i"])
            assert (event["x"] == "NEW") == (key not in orders)
            filled[key] += Decimal(event["l"])
            assert filled[key] == Decimal(event["z"])
            assert_follows(event, orders.get(key))
            assert (event["t"] >= 0) == (event["x"] == "TRADE") == event["M"]
            orders[key] = event
    for account in ACCOUNTS:
        for row in player.engine.orders(account):
            last = orders[account, row["symbol"], row["orderId"]]
            assert (last["X"], last["z"], last["Z"]) == (row["status"], row["executedQty"], row["cummulativeQuoteQty"])
            assert last["q"] == row["origQty"]
            assert last["c"] == row["clientOrderId"]
            assert last["w"] == (row["status"] in {"NEW", "PARTIALLY_FILLED"})
        for asset, balance in player.engine.balances(account).items():
            if (account, asset) in balances:
                assert balances[account, asset] == (f"{balance.free:.8f}", f"{balance.locked:.8f}")


@settings(max_examples=60)
@given(actions)
def test_replies_queries_and_fills_agree(played: list[tuple[Any, ...]]) -> None:
    player = Player()
    for action in played:
        player.play(action)
    for account in ACCOUNTS:
        fills = player.engine.fills(account)
        assert len({(fill.symbol, fill.trade_id, fill.order_id) for fill in fills}) == len(fills)
        for symbol in SYMBOLS:
            trades = player.engine.my_trades(account, {"symbol": symbol})
            net = sum((Decimal(row["qty"]) * (1 if row["isBuyer"] else -1) for row in trades), Decimal(0))
            assert net == player.engine.net_position(account, symbol)
        for row in player.engine.orders(account):
            query = {"symbol": row["symbol"], "orderId": row["orderId"]}
            assert player.engine.order_status(account, query) == row
            mine = [fill for fill in fills if (fill.symbol, fill.order_id) == (row["symbol"], row["orderId"])]
            assert sum((fill.quantity for fill in mine), Decimal(0)) == Decimal(row["executedQty"])
            assert sum((fill.quote_quantity for fill in mine), Decimal(0)) == Decimal(row["cummulativeQuoteQty"])


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,10})?", fullmatch=True),
    st.sampled_from(["BTCUSDT", "ETHBTC", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "FOK", "DECREMENT"]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
SHAPES: list[dict[str, Any]] = [
    {"symbol": "ETHBTC", "side": "BUY", "type": "MARKET", "quoteOrderQty": "1"},
    {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "1"},
    {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "1"},
]


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_sent_is_answered_or_refused(data: st.DataObject) -> None:
    player = Player()
    player.trade("BTCUSDT", 0, Decimal(1), True)
    player.engine.apply_trade("ETHBTC", Decimal("0.00001"), Decimal(1), 0, buyer_is_maker=True)
    engine = player.engine
    requests: dict[str, Callable[[dict[str, Any]], object]] = {
        "order.place": lambda params: engine.place("alice", params, 1),
        "order.test": lambda params: engine.place_test("alice", params, 1),
        "order.cancel": lambda params: engine.cancel("alice", params, 1),
        "order.cancelReplace": lambda params: engine.cancel_replace("alice", params, 1),
        "order.amend.keepPriority": lambda params: engine.amend("alice", params, 1),
        "openOrders.cancelAll": lambda params: engine.cancel_all("alice", params, 1),
        "order.status": lambda params: engine.order_status("alice", params),
        "openOrders.status": lambda params: engine.open_orders("alice", params),
        "allOrders": lambda params: engine.all_orders("alice", params),
        "myTrades": lambda params: engine.my_trades("alice", params),
        "account.status": lambda params: engine.account_status("alice", params),
        "exchangeInfo": lambda params: engine.exchange_info(params, 1),
    }
    for _ in range(10):
        method = data.draw(st.sampled_from(sorted(requests)))
        places = method in {"order.place", "order.test", "order.cancelReplace"}
        shape = data.draw(st.sampled_from(SHAPES)) if places else {"symbol": "BTCUSDT"}
        names = st.sampled_from(sorted(KNOWN[method]))
        params = {**shape, **data.draw(st.dictionaries(names, values, max_size=3))}
        with suppress(EngineError):
            requests[method](params)
    assert {asset: engine.ledger.total(asset) for asset in ASSETS} == player.totals
