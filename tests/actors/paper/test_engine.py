"""The engine as a whole: orders of every kind, who trades with whom, which replies and events come of it, in order."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.paper.engine import EngineError, Switches
from dogwatch.actors.paper.symbols import BTCUSDT
from tests.actors.paper.trading import NOW_MS, Floor

# User Data Streams, Order Update: the fields of every report, in the documented order.
REPORT_FIELDS = list("eEscSofqpPFgCxXrilzLnNTtvIwmMOZYQWV".replace("v", ""))


def test_a_resting_limit_order_is_reported_new_and_locks_its_cost() -> None:
    floor = Floor()
    reply = floor.limit("alice", "BUY", "99.50", "2", newClientOrderId="bid-1")
    assert (reply["status"], reply["executedQty"], reply["fills"]) == ("NEW", "0.00000000", [])
    report, position = floor.events("alice")
    assert list(report) == REPORT_FIELDS
    assert (report["c"], report["C"], report["x"], report["X"], report["r"]) == ("bid-1", "", "NEW", "NEW", "NONE")
    assert (report["w"], report["m"], report["M"], report["t"], report["n"], report["N"]) == (
        True, False, False, -1, "0", None,
    )  # fmt: skip
    assert (report["q"], report["p"], report["P"], report["F"], report["Q"]) == (
        "2.00000000", "99.50000000", "0.00000000", "0.00000000", "0.00000000",
    )  # fmt: skip
    assert report["T"] == report["E"] == report["O"] == report["W"] == reply["transactTime"] == NOW_MS
    assert position == {
        "e": "outboundAccountPosition",
        "E": NOW_MS,
        "u": NOW_MS,
        "B": [
            {"a": "BTC", "f": "10.00000000", "l": "0.00000000"},
            {"a": "BNB", "f": "0.00000000", "l": "0.00000000"},
            {"a": "USDT", "f": "999801.00000000", "l": "199.00000000"},
        ],
    }


def test_a_reply_comes_in_the_form_that_was_asked_for() -> None:
    floor = Floor()
    ack = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
    result = [
        *ack, "price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce",
        "type", "side", "workingTime", "selfTradePreventionMode",
    ]  # fmt: skip
    assert list(floor.limit("alice", "BUY", "98", "1", newOrderRespType="ACK")) == ack
    assert list(floor.limit("alice", "BUY", "98", "1", newOrderRespType="RESULT")) == result
    assert list(floor.limit("alice", "BUY", "98", "1")) == [*result[:-1], "fills", result[-1]]
    assert list(floor.place(side="BUY", type="LIMIT_MAKER", price="98", quantity="1")) == ack


def test_a_taker_is_reported_new_then_trade_by_trade_and_its_balances_once() -> None:
    floor = Floor()
    floor.limit("bob", "SELL", "100.50", "1")
    floor.events()
    reply = floor.limit("alice", "BUY", "101", "3")
    assert reply["status"] == "FILLED"
    assert [(fill["price"], fill["qty"]) for fill in reply["fills"]] == [
        ("100.50000000", "1.00000000"),
        ("101.00000000", "2.00000000"),
    ]
    events = floor.engine.take_events()
    assert [(owner, event.get("x"), event.get("I"), event.get("w"), event.get("m")) for owner, event in events] == [
        ("alice", "NEW", 2, True, False),
        ("alice", "TRADE", 3, True, False),
        ("bob", "TRADE", 4, False, True),
        ("alice", "TRADE", 5, False, False),
        ("alice", None, None, None, None),
        ("bob", None, None, None, None),
    ]


def test_the_execution_ids_of_a_dry_market_order_follow_the_documented_example() -> None:
    floor = Floor(quoted=False)
    for price in ("100", "100"):
        floor.limit("bob", "SELL", price, "2")
    floor.events()
    floor.engine.take_market_events()
    reply = floor.market("alice", "BUY", "6")
    assert (reply["status"], reply["expiryReason"], reply["executedQty"]) == (
        "EXPIRED", "INSUFFICIENT_LIQUIDITY", "4.00000000",
    )  # fmt: skip
    events = floor.events("alice")
    first = events[0]["I"]
    assert [event.get("I", first) - first for event in events] == [0, 1, 3, 5, 0]
    assert [event.get("w") for event in events] == [True, False, False, False, None]
    assert [event.get("eR") for event in events] == [None, None, None, "INSUFFICIENT_LIQUIDITY", None]


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "story", "reason"),
    [
        (
            "IOC",
            "7",
            ["NEW/NEW", "TRADE/PARTIALLY_FILLED", "EXPIRED/EXPIRED", "position"],
            "UNFILLED_IOC_QUANTITY_EXPIRED",
        ),
        ("FOK", "7", ["NEW/NEW", "EXPIRED/EXPIRED", "position"], "UNFILLED_FOK_ORDER_EXPIRED"),
        ("IOC", "5", ["NEW/NEW", "TRADE/FILLED", "position"], None),
        ("FOK", "5", ["NEW/NEW", "TRADE/FILLED", "position"], None),
        ("GTC", "7", ["NEW/NEW", "TRADE/PARTIALLY_FILLED", "position"], None),
    ],
)
def test_time_in_force_decides_about_the_remainder(
    time_in_force: str, quantity: str, story: list[str], reason: str | None
) -> None:
    floor = Floor()
    reply = floor.limit("alice", "BUY", "101", quantity, timeInForce=time_in_force)
    assert floor.story() == story
    assert reply.get("expiryReason") == reason
    assert floor.locked("alice", "USDT") == (Decimal(202) if time_in_force == "GTC" else 0)


def test_price_goes_before_time_and_time_goes_across_accounts() -> None:
    floor = Floor(quoted=False)
    floor.limit("bob", "SELL", "100", "1", newClientOrderId="second")
    floor.limit("alice", "SELL", "100", "1", newClientOrderId="third")
    floor.limit("alice", "SELL", "99.99", "1", newClientOrderId="first")
    floor.limit("bob", "SELL", "100.01", "1", newClientOrderId="last")
    floor.events()
    floor.engine.open_account("carol", {"USDT": Decimal(1000)})
    floor.market("carol", "BUY", "3.5")
    makers = [event["c"] for event in floor.events() if event.get("m")]
    assert makers == ["first", "second", "third", "last"]


def test_the_outside_stands_before_accounts_at_the_same_price() -> None:
    floor = Floor()
    floor.limit("bob", "SELL", "101", "1")
    floor.market("alice", "BUY", "5")
    assert floor.engine.net_position("bob", "BTCUSDT") == 0
    floor.market("alice", "BUY", "1")
    assert floor.engine.net_position("bob", "BTCUSDT") == -1


def test_consumed_liquidity_comes_back_only_with_the_next_quote() -> None:
    floor = Floor()
    assert floor.market("alice", "BUY", "4")["status"] == "FILLED"
    assert floor.market("alice", "BUY", "4")["executedQty"] == "1.00000000"
    assert floor.market("alice", "BUY", "4")["executedQty"] == "0.00000000"
    floor.trade("101")
    assert floor.market("alice", "BUY", "4")["executedQty"] == "0.00000000"
    floor.quote("99", "5", "101", "5")
    assert floor.market("alice", "BUY", "4")["status"] == "FILLED"


def test_commission_is_taken_from_what_is_received() -> None:
    floor = Floor(switches=Switches(maker_rate=Decimal("0.0002"), taker_rate=Decimal("0.001")))
    floor.limit("bob", "SELL", "100", "2")
    reply = floor.market("alice", "BUY", "2")
    assert (reply["fills"][0]["commission"], reply["fills"][0]["commissionAsset"]) == ("0.00200000", "BTC")
    assert floor.free("alice", "BTC") == Decimal("11.998")
    assert floor.free("bob", "USDT") == Decimal("1000199.96")
    assert floor.engine.ledger.fees == {"BTC": Decimal("0.002"), "USDT": Decimal("0.04")}


def test_price_improvement_is_given_back() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "110", "7")
    assert floor.free("alice", "USDT") == 1_000_000 - 5 * 101 - 2 * 110
    assert floor.locked("alice", "USDT") == 220


def test_a_trade_fills_only_orders_that_it_went_through() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1")
    floor.limit("alice", "SELL", "102", "1")
    floor.events()
    floor.trade("98")
    floor.trade("102")
    assert floor.story() == []
    floor.trade("97.99", "0.4")
    floor.trade("102.01", "9")
    assert floor.story() == ["TRADE/PARTIALLY_FILLED", "position", "TRADE/FILLED", "position"]
    fills = floor.engine.fills("alice")
    assert [(fill.price, fill.quantity) for fill in fills] == [
        (Decimal(98), Decimal("0.4")),
        (Decimal(102), Decimal(1)),
    ]
    assert all(fill.is_maker for fill in fills)


def test_one_trade_fills_no_more_than_its_quantity_best_price_first() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="low")
    floor.limit("bob", "BUY", "98.50", "1", newClientOrderId="high")
    floor.events()
    floor.trade("97", "1.5")
    fills = [(event["c"], event["l"], event["L"]) for event in floor.events() if event["e"] == "executionReport"]
    assert fills == [("high", "1.00000000", "98.50000000"), ("low", "0.50000000", "98.00000000")]


def test_a_trade_smaller_than_a_lot_fills_nothing() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1")
    floor.events()
    floor.trade("97", "0.000009")
    assert floor.story() == []
    floor.trade("97", "0.000019")
    assert floor.events()[0]["l"] == "0.00001000"


def test_recorded_trade_ids_are_kept_until_an_account_trades() -> None:
    floor = Floor(BTCUSDT)
    engine = floor.engine
    engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), NOW_MS, buyer_is_maker=True, trade_id=553_287_559)
    floor.market("alice", "BUY", "1")
    engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), NOW_MS, buyer_is_maker=True, trade_id=553_287_560)
    engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), NOW_MS, buyer_is_maker=True, trade_id=553_287_900)
    trades = [payload["t"] for kind, _, payload in engine.take_market_events() if kind == "trade"]
    assert trades == [553_287_559, 553_287_560, 553_287_561, 553_287_900]


def test_a_quote_that_crosses_a_resting_order_is_held_back_and_fills_nothing() -> None:
    floor = Floor()
    floor.limit("alice", "SELL", "102", "1", newClientOrderId="ask")
    floor.events()
    floor.quote("102", "3", "103", "3")
    assert floor.story() == []
    assert floor.engine.book_ticker("BTCUSDT") == {
        "symbol": "BTCUSDT", "bidPrice": "101.99000000", "bidQty": "3.00000000",
        "askPrice": "102.00000000", "askQty": "1.00000000",
    }  # fmt: skip
    floor.cancel("alice", origClientOrderId="ask")
    assert floor.engine.book_ticker("BTCUSDT")["bidPrice"] == "102.00000000"


def test_cancel_renames_the_order_and_frees_its_id_and_its_funds() -> None:
    floor = Floor()
    placed = floor.limit("alice", "SELL", "105", "3", newClientOrderId="mine")
    floor.events()
    reply = floor.cancel("alice", origClientOrderId="mine", newClientOrderId="gone")
    assert (reply["status"], reply["clientOrderId"], reply["origClientOrderId"]) == ("CANCELED", "gone", "mine")
    assert "workingTime" not in reply
    report, position = floor.events()
    assert (report["x"], report["c"], report["C"], report["w"]) == ("CANCELED", "gone", "mine", False)
    assert position["B"][0] == {"a": "BTC", "f": "10.00000000", "l": "0.00000000"}
    assert floor.limit("alice", "SELL", "105", "3", newClientOrderId="mine")["orderId"] == placed["orderId"] + 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"origClientOrderId": "nobody"}, -2011),
        ({"orderId": 99}, -2011),
        ({"orderId": 1, "origClientOrderId": "other"}, -2011),
        ({}, -1102),
        ({"orderId": 1, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, -2011),
        ({"orderId": 1, "cancelRestrictions": "NEVER"}, -1145),
        ({"orderId": "1x"}, -1100),
        ({"orderId": 1, "price": "5"}, -1104),
    ],
)
def test_a_cancel_that_fits_no_open_order_is_refused(params: dict[str, object], code: int) -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="one")
    with pytest.raises(EngineError) as refused:
        floor.cancel("alice", **params)
    assert refused.value.code == code
    assert len(floor.engine.open_orders("alice", {})) == 1


def test_an_order_of_somebody_else_is_unknown() -> None:
    floor = Floor()
    floor.limit("bob", "BUY", "98", "1")
    with pytest.raises(EngineError, match="Unknown order sent"):
        floor.cancel("alice", orderId=1)


def test_cancel_all_cancels_every_order_of_the_symbol_and_refuses_when_there_is_none() -> None:
    floor = Floor()
    for price in ("97", "98"):
        floor.limit("alice", "BUY", price, "1")
    floor.limit("bob", "BUY", "98", "1")
    replies = floor.engine.cancel_all("alice", {"symbol": "BTCUSDT"}, NOW_MS)
    assert [reply["price"] for reply in replies] == ["97.00000000", "98.00000000"]
    assert floor.locked("alice", "USDT") == 0
    assert len(floor.engine.open_orders("bob", {})) == 1
    with pytest.raises(EngineError, match="Unknown order sent"):
        floor.engine.cancel_all("alice", {"symbol": "BTCUSDT"}, NOW_MS)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "98", "newClientOrderId": "taken"}, "Duplicate order sent."),
        (
            {"type": "LIMIT", "timeInForce": "GTC", "price": "115", "quantity": "8999"},
            "Account has insufficient balance for requested action.",
        ),
        ({"type": "LIMIT_MAKER", "price": "101"}, "Order would immediately match and take."),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "98", "pegPriceType": "PRIMARY_PEG"},
         "Pegged orders are not supported for this symbol."),
        ({"type": "STOP_LOSS", "stopPrice": "90"}, "Stop loss orders are not supported for this symbol."),
        ({"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "98", "stopPrice": "90"},
         "Stop loss limit orders are not supported for this symbol."),
        ({"type": "TAKE_PROFIT", "stopPrice": "90"}, "Take profit orders are not supported for this symbol."),
        ({"type": "TAKE_PROFIT_LIMIT", "timeInForce": "GTC", "price": "98", "stopPrice": "90"},
         "Take profit limit orders are not supported for this symbol."),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "98", "icebergQty": "0.5"},
         "Iceberg orders are not supported for this symbol."),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "98", "icebergQty": "2"}, "IcebergQty exceeds QTY."),
        ({"type": "LIMIT", "timeInForce": "IOC", "price": "98", "icebergQty": "0.5"}, "Unsupported order combination"),
    ],
)  # fmt: skip
def test_the_engine_refuses_with_the_exchange_s_own_words(params: dict[str, str], text: str) -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "97", "1", newClientOrderId="taken")
    before = floor.engine.balances("alice")
    floor.engine.take_events()
    assert floor.refusal(**{"side": "BUY", "quantity": "1", **params}) == (-2010, text)
    assert floor.engine.balances("alice") == before
    assert floor.story() == []


def test_a_closed_symbol_takes_no_orders() -> None:
    halted = msgspec.structs.replace(BTCUSDT, status="HALT")
    floor = Floor(halted)
    assert floor.refusal(side="BUY", type="MARKET", quantity="1") == (-2010, "Market is closed.")


def test_a_market_order_by_quote_quantity_buys_whole_lots_for_no_more_than_was_asked() -> None:
    floor = Floor()
    reply = floor.place(side="BUY", type="MARKET", quoteOrderQty="100")
    assert (reply["origQty"], reply["status"], reply["origQuoteOrderQty"]) == ("0.99009000", "FILLED", "100.00000000")
    assert Decimal(reply["cummulativeQuoteQty"]) <= 100


def test_a_market_order_by_quote_quantity_expires_where_liquidity_ends() -> None:
    floor = Floor()
    reply = floor.place(side="BUY", type="MARKET", quoteOrderQty="1010")
    assert (reply["executedQty"], reply["origQty"], reply["status"]) == ("5.00000000", "10.00000000", "EXPIRED")
    assert floor.refusal(side="BUY", type="MARKET", quoteOrderQty="100") == (
        -2010,
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
    )


def test_a_market_order_without_funds_is_refused_whole() -> None:
    floor = Floor()
    floor.engine.open_account("poor", {"USDT": Decimal(100), "BTC": Decimal("0.5")})
    for side in ("BUY", "SELL"):
        assert floor.refusal("poor", side=side, type="MARKET", quantity="1") == (
            -2010,
            "Account has insufficient balance for requested action.",
        )


def test_order_test_checks_but_places_nothing() -> None:
    floor = Floor()
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "98", "quantity": "1"}
    assert floor.engine.place_test("alice", good, NOW_MS) == {}
    assert "standardCommissionForOrder" in floor.engine.place_test(
        "alice", {**good, "computeCommissionRates": True}, NOW_MS
    )
    with pytest.raises(EngineError, match="PRICE_FILTER"):
        floor.engine.place_test("alice", {**good, "price": "98.001"}, NOW_MS)
    assert floor.engine.orders("alice") == []


def test_time_runs_only_through_what_the_caller_says() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1")
    floor.now_ms += 5_000
    floor.trade("97")
    (order,) = floor.engine.orders("alice")
    assert (order["time"], order["updateTime"]) == (NOW_MS, NOW_MS + 5_000)


def test_the_same_requests_give_the_same_events() -> None:
    def play() -> object:
        floor = Floor()
        floor.limit("alice", "BUY", "98", "1")
        floor.market("bob", "SELL", "6")
        floor.trade("90", "0.3")
        return floor.engine.take_events(), floor.engine.take_market_events()

    assert play() == play()


@pytest.mark.parametrize(
    ("price", "quantity"), [("0", "1"), ("-1", "1"), ("100", "0"), ("NaN", "1"), ("100", "Infinity")]
)
def test_an_impossible_trade_is_a_mistake_of_the_caller(price: str, quantity: str) -> None:
    with pytest.raises(ValueError, match="is positive"):
        Floor().trade(price, quantity)


@pytest.mark.parametrize("quote", [("101", "1", "100", "1"), ("100", "1", "100", "1"), ("-1", "1", "100", "1")])
def test_an_impossible_quote_is_a_mistake_of_the_caller(quote: tuple[str, str, str, str]) -> None:
    with pytest.raises(ValueError, match="is impossible"):
        Floor().quote(*quote)


def test_an_account_is_opened_once_with_what_one_can_own() -> None:
    floor = Floor()
    with pytest.raises(ValueError, match="open already"):
        floor.engine.open_account("alice", {})
    with pytest.raises(ValueError, match="not an amount"):
        floor.engine.open_account("carol", {"BTC": Decimal(-1)})


def test_an_exchange_lists_a_symbol_once() -> None:
    with pytest.raises(ValueError, match="BTCUSDT is listed twice"):
        Floor(BTCUSDT, BTCUSDT)


def test_an_account_that_was_never_opened_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Floor().market("nobody", "BUY", "1")


def test_positions_are_what_was_gained_since_opening() -> None:
    floor = Floor()
    floor.market("alice", "BUY", "2")
    assert floor.engine.net_position("alice", "BTCUSDT") == 2
    assert floor.engine.position("alice", "BTC") == Decimal("1.998")
    assert floor.engine.position("alice", "USDT") == -202


def test_finished_orders_are_forgotten_beyond_the_history_but_open_ones_never() -> None:
    floor = Floor(switches=Switches(history_max=3))
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="old")
    for number in range(10):
        floor.market("alice", "SELL", "0.1", newClientOrderId=f"m{number}")
    assert [order["clientOrderId"] for order in floor.engine.orders("alice")] == ["old", "m7", "m8", "m9"]
    assert len(floor.engine.fills("alice")) == 3
    assert floor.engine.net_position("alice", "BTCUSDT") == -1
    with pytest.raises(EngineError, match="Order does not exist"):
        floor.engine.order_status("alice", {"symbol": "BTCUSDT", "origClientOrderId": "m1"})
