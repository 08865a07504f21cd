"""The order table: what is live, what has ended and how, what is forgotten, and names that never repeat."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.order_journal import Recorded
from dogwatch.actors.order_table import OrderTable, is_surely_open
from dogwatch.actors.run_token import run_token
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.fills import FillLedger
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Certainty, Life, Order, Request
from tests.actors.fake_journal import FakeJournal


def order(name: str, life: Life = Life.OPEN, *, strategy: str = "one", order_id: int | None = 1) -> Order:
    return Order(
        client_order_id=name,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        created_ms=0,
        quantity=Decimal(1),
        strategy=strategy,
        life=life,
        order_id=order_id,
    )


def fill(trade_id: int, name: str = "a", strategy: str = "one", quantity: str = "0.5") -> Fill:
    return Fill(
        symbol="BTCUSDT",
        trade_id=trade_id,
        order_id=1,
        client_order_id=name,
        side=Side.BUY,
        price=Decimal(100),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quantity) * 100,
        commission=Decimal("0.0005"),
        commission_asset="BTC",
        is_maker=True,
        traded_ms=0,
        strategy=strategy,
    )


def test_live_orders_are_those_of_the_strategy_that_have_not_ended_oldest_first() -> None:
    table = OrderTable(run="r")
    for name, strategy in (("a", "one"), ("b", "two"), ("c", "one")):
        table.put(order(name, strategy=strategy))
    table.put(order("a", Life.FILLED))
    assert [entry.client_order_id for entry in table.live("one")] == ["c"]
    assert [entry.client_order_id for entry in table.all_live()] == ["c", "b"]
    assert table.live("nobody") == ()


def test_the_newest_snapshot_is_given_and_a_forgotten_order_is_its_own_newest() -> None:
    table = OrderTable(run="r", closed_kept=1)
    first = order("a")
    table.put(first)
    table.put(order("a", Life.CANCELED))
    assert table.latest(first).life is Life.CANCELED
    table.put(order("b", Life.CANCELED))
    assert table.get("a") is None
    assert table.latest(first) is first
    assert len(table) == 1


def test_an_order_that_came_back_and_ended_again_has_ended_once_and_lately() -> None:
    table = OrderTable(run="r", closed_kept=2)
    table.put(order("a", Life.NEVER_PLACED, order_id=None))
    table.put(order("b", Life.CANCELED, order_id=2))
    table.put(order("a"))
    assert table.newest_closed(10) == (table.get("b"),)
    table.put(order("a", Life.FILLED))
    assert [entry.client_order_id for entry in table.newest_closed(10)] == ["b", "a"]
    table.put(order("c", Life.CANCELED, order_id=3))
    assert [entry.client_order_id for entry in table.newest_closed(10)] == ["a", "c"]


def test_an_id_that_the_exchange_has_given_twice_names_the_newer_order_and_breaks_nothing() -> None:
    """A test network begins anew now and then, and counts from one again."""
    table = OrderTable(run="r", closed_kept=1)
    table.put(order("a", Life.CANCELED, order_id=7))
    table.put(order("b", order_id=7))
    for name in "cd":
        table.put(order(name, Life.CANCELED, order_id=8))
    assert table.by_order_id("BTCUSDT", 7) == table.get("b")
    assert table.by_order_id("BTCUSDT", 8) == table.get("d")


def test_what_ended_is_counted_and_corrected_when_a_canceled_order_turns_out_filled() -> None:
    table = OrderTable(run="r")
    table.put(order("a", Life.SENT, order_id=None))
    assert table.placed == 0
    table.put(order("a"))
    table.put(order("a", Life.CANCELED))
    table.put(order("a", Life.FILLED))
    assert table.placed == 1
    assert table.ended[Life.CANCELED] == 0
    assert table.ended[Life.FILLED] == 1


@given(
    asked_after=st.integers(0, 12),
    steps=st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from([Life.SENT, Life.OPEN, Life.CANCELED, Life.FILLED]),
            st.sampled_from(list(Certainty)),
            st.sampled_from(list(Request)),
            st.sampled_from(list(Side)),
            st.integers(0, 3),
        ),
        max_size=12,
    ),
)
@settings(max_examples=80)
def test_what_may_yet_be_bought_is_what_looking_through_all_open_orders_gives(
    asked_after: int, steps: list[tuple[str, Life, Certainty, Request, Side, int]]
) -> None:
    table = OrderTable(run="r")
    for number, (name, life, certainty, request, side, filled) in enumerate(steps):
        if number == asked_after:
            table.buying_on("BTCUSDT")
        changes = {"certainty": certainty, "request": request, "side": side, "filled_quantity": Decimal(filled) / 4}
        known = table.get(name)
        changes["side"] = side if known is None else known.side
        table.put(msgspec.structs.replace(order(name, life), **changes))
    open_ones = [each for each in table.all_live() if is_surely_open(each) and each.side is Side.BUY]
    assert table.buying_on("BTCUSDT") == sum((each.remaining or 0 for each in open_ones), Decimal(0))


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from([Life.SENT, Life.OPEN, Life.CANCELED, Life.FILLED]),
            st.sampled_from(list(Certainty)),
            st.sampled_from(list(Request)),
            st.integers(0, 4),
            st.integers(0, 4),
        ),
        max_size=20,
    )
)
@settings(max_examples=80)
def test_whatever_changes_the_table_counts_what_looking_through_its_orders_gives(
    steps: list[tuple[str, Life, Certainty, Request, int, int]],
) -> None:
    table = OrderTable(run="r")
    latest: dict[str, Order] = {}
    for trade_id, (name, life, certainty, request, filled, booked) in enumerate(steps):
        order_id = None if life is Life.SENT and name not in latest else "abcd".index(name)
        changes = {"certainty": certainty, "request": request, "filled_quantity": Decimal(filled) / 4}
        if name not in latest:  # of this run's orders the table knows before the exchange does
            table.put(order(name, Life.DRAFT, order_id=None))
        latest[name] = msgspec.structs.replace(order(name, life, order_id=order_id), **changes)
        table.put(latest[name])
        table.book(fill(trade_id, name, quantity=str(Decimal(booked) / 8)), base_asset="BTC", quote_asset="USDT")
    every = latest.values()
    assert {each.client_order_id: each for each in table.all_live()} == {
        name: each for name, each in latest.items() if not each.is_closed
    }
    assert table.open_orders == table.open_on("BTCUSDT") == sum(map(is_surely_open, every))
    assert table.placed == sum(each.order_id is not None for each in every)
    assert +table.ended == Counter(each.life for each in every if each.is_closed)
    assert {each.client_order_id for each in table.unexplained()} == {
        each.client_order_id for each in every if table.unbooked(each) > 0
    }


def test_an_order_that_comes_back_to_life_is_not_forgotten() -> None:
    table = OrderTable(run="r", closed_kept=1)
    table.put(order("a", Life.REJECTED))
    table.put(order("a", Life.OPEN))
    for name in "bcd":
        table.put(order(name, Life.CANCELED))
    assert [entry.client_order_id for entry in table.all_live()] == ["a"]
    assert table.get("a") is not None


def test_a_fill_counts_once_and_the_position_is_net_of_commission_in_the_base_asset() -> None:
    table = OrderTable(run="r")
    assert table.position("one", "BTCUSDT") == 0
    assert table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    assert not table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    assert table.position("one", "BTCUSDT") == Decimal("0.4995")
    assert table.position("two", "BTCUSDT") == 0
    assert table.position("one", "ETHUSDT") == 0
    assert [position.fills for position in table.positions("one")] == [1]
    assert table.strategies() == ("one",)


def test_what_the_known_fills_do_not_explain_is_told() -> None:
    table = OrderTable(run="r")
    half = msgspec.structs.replace(order("a"), filled_quantity=Decimal("0.5"))
    table.put(half)
    assert table.unbooked(half) == Decimal("0.5")
    assert table.unexplained() == (half,)
    ended = msgspec.structs.replace(half, life=Life.CANCELED)
    table.put(ended)
    assert table.unexplained() == (ended,)
    table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    assert table.unbooked(half) == 0
    assert table.unexplained() == ()


def fields_of(table: OrderTable) -> dict[str, Any]:
    """All that it holds, in Python and as machine code."""
    values = {name: getattr(table, name) for name in dir(table) if not name.startswith("__")}
    return {name: value for name, value in values.items() if not callable(value)}


@settings(max_examples=50)
@given(lives=st.lists(st.sampled_from([Life.OPEN, Life.EXPIRED]), min_size=1, max_size=4), is_bought=st.booleans())
def test_an_order_that_is_taken_is_entered_as_any_other_change_is(lives: list[Life], is_bought: bool) -> None:
    tables = [OrderTable(run="r", journal=FakeJournal(), closed_kept=2) for _ in range(2)]
    for table in tables:
        if is_bought:
            table.buying_on("BTCUSDT")
        for number, life in enumerate(lives):
            sent = order(str(number), Life.SENT, order_id=None)
            table.add_sent(sent)
            taken = msgspec.structs.replace(sent, life=life, order_id=number)
            (table.put if table is tables[0] else table.put_accepted)(taken)
    one, other = tables
    assert vars(one.journal) == vars(other.journal)
    one.journal = other.journal = None
    one.marks = other.marks  # nothing was raised, and they compare as objects
    assert fields_of(one) == fields_of(other)


@settings(max_examples=50)
@given(filled=st.lists(st.integers(1, 5), min_size=1, max_size=4), booked=st.sets(st.integers(0, 3)))
def test_a_trade_of_an_open_order_is_entered_as_any_other_change_is(filled: list[int], booked: set[int]) -> None:
    tables = [OrderTable(run="r", journal=FakeJournal()) for _ in range(2)]
    for table in tables:
        table.put(order("a"))
        table.buying_on("BTCUSDT")
        total = Decimal(0)
        for number, tenths in enumerate(filled):
            total += Decimal(tenths) / 100
            traded = msgspec.structs.replace(order("a"), filled_quantity=total)
            (table.put if table is tables[0] else table.put_traded)(traded)
            if number in booked:
                known = fill(number, quantity=str(Decimal(tenths) / 100))
                table.book(known, base_asset="BTC", quote_asset="USDT")
                table.book(known, base_asset="BTC", quote_asset="USDT")
            else:
                table.explain(traded, Decimal(0))
    one, other = tables
    assert one.get("a") == other.get("a")
    assert one.live("one") == other.live("one")
    assert list(one.unexplained()) == list(other.unexplained())
    assert one.buying_on("BTCUSDT") == other.buying_on("BTCUSDT") == 1 - Decimal(sum(filled)) / 100
    assert (one.open_orders, one.placed) == (other.open_orders, other.placed)
    assert vars(one.journal) == vars(other.journal)


def test_client_order_ids_never_repeat_and_lead_back_to_their_origin() -> None:
    table = OrderTable(run=run_token(1_767_225_600_000))
    made = [table.next_client_order_id("one", life) for life in (1, 1, 2, 1)]
    assert len(set(made)) == 4
    origins = [client_order_id.parse(name) for name in made]
    assert [(origin.strategy, origin.life, origin.sequence) for origin in origins if origin] == [
        ("one", 1, 1),
        ("one", 1, 2),
        ("one", 2, 1),
        ("one", 1, 3),
    ]


def test_a_name_that_cannot_be_part_of_an_id_uses_up_no_number() -> None:
    table = OrderTable(run="r")
    with pytest.raises(ValueError, match="does not fit"):
        table.next_client_order_id("much too long a name", 1)
    assert table.next_client_order_id("one", 1).endswith("-1-1")


def test_orders_of_earlier_runs_are_known_and_not_counted() -> None:
    table = OrderTable(run="r")
    orders = (order("a", Life.CANCELED), order("b", order_id=2), order("c", Life.SENT, order_id=None))
    table.restore(Recorded(orders=orders, ledgers={}, booked={}, marks={}, halt=None))
    assert [entry.client_order_id for entry in table.all_live()] == ["b", "c"]
    for late in (order("a", Life.FILLED), order("b", Life.FILLED, order_id=2), order("c", Life.EXPIRED, order_id=3)):
        table.put(late)
    table.put(order("adopted", order_id=4))
    table.put(order("adopted", Life.FILLED, order_id=4))
    assert (table.placed, sum(table.ended.values())) == (0, 0)
    assert min(table.ended.values(), default=0) == 0


def test_the_newest_that_have_ended_are_given_in_their_order() -> None:
    table = OrderTable(run="r")
    for number in range(1, 5):
        table.put(order(f"o{number}", Life.FILLED, order_id=number))
    table.put(order("live", order_id=9))
    assert [entry.client_order_id for entry in table.newest_closed(2)] == ["o3", "o4"]
    assert len(table.newest_closed(100)) == 4
    assert table.newest_closed(0) == ()


def test_an_order_is_found_by_the_exchanges_id_until_it_is_forgotten() -> None:
    table = OrderTable(run="r", closed_kept=1)
    table.put(order("a", Life.SENT, order_id=None))
    assert table.by_order_id("BTCUSDT", 7) is None
    table.put(order("a", order_id=7))
    table.put(order("a", Life.FILLED, order_id=7))
    found = table.by_order_id("BTCUSDT", 7)
    assert found is not None
    assert found.is_filled
    assert table.by_order_id("ETHUSDT", 7) is None
    table.put(order("b", Life.FILLED, order_id=8))
    assert table.by_order_id("BTCUSDT", 7) is None


def test_listed_trades_explain_what_was_booked_before_the_order_was_known_again() -> None:
    table = OrderTable(run="r")
    filled = msgspec.structs.replace(order("a", Life.FILLED), filled_quantity=Decimal(1))
    table.put(filled)
    table.explain(filled, Decimal("0.4"))
    assert table.unbooked(filled) == Decimal("0.6")
    table.explain(filled, Decimal("0.3"))
    assert table.unbooked(filled) == Decimal("0.6")
    table.explain(filled, Decimal(1))
    assert table.unexplained() == ()


def test_only_an_intent_and_the_first_mark_wait_for_a_commit() -> None:
    journal = FakeJournal()
    table = OrderTable(run="r", journal=journal)
    table.put(order("a", Life.SENT, order_id=None))
    table.put(order("a"))
    table.put(order("b", Life.SENT, order_id=None))
    table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    first, next_one = ("BTCUSDT", Mark(order_id=1)), ("BTCUSDT", Mark(order_id=2))
    table.record_mark(*first, is_first=True)
    table.record_mark(*next_one)
    intents = [order("a", Life.SENT, order_id=None), order("b", Life.SENT, order_id=None)]
    assert journal.pending == [intents[0], order("a"), intents[1], fill(1), first, next_one]
    assert journal.behind == [order("a"), fill(1), next_one]


def recorded(*orders: Order, **more: Any) -> Recorded:
    values: dict[str, Any] = {"ledgers": {}, "booked": {}, "marks": {}, "halt": None}
    return Recorded(orders=orders, **{**values, **more})


def test_what_an_earlier_process_has_left_is_there_and_counts_as_nothing_of_this_run() -> None:
    journal = FakeJournal()
    table = OrderTable(run="r", journal=journal)
    ledger = FillLedger()
    ledger.follow("BTCUSDT", "BTC", "USDT")
    ledger.record(fill(1))
    half = msgspec.structs.replace(order("a"), filled_quantity=Decimal("0.5"))
    ended = msgspec.structs.replace(order("b", Life.CANCELED, order_id=2), filled_quantity=Decimal("0.5"))
    table.restore(
        recorded(
            half,
            ended,
            ledgers={"one": ledger},
            booked={"a": Decimal("0.5")},
            marks={"BTCUSDT": Mark(order_id=2, trade_id=1)},
        )
    )
    assert table.live("one") == (half,)
    assert table.by_order_id("BTCUSDT", 2) == ended
    assert table.unexplained() == (ended,)
    assert not table.book(fill(1), base_asset="BTC", quote_asset="USDT")
    assert table.position("one", "BTCUSDT") == Decimal("0.4995")
    assert table.marks.settled("BTCUSDT") == Mark(order_id=2, trade_id=1)
    assert (table.placed, table.ended.total()) == (0, 0)
    assert journal.pending == []


def test_ids_of_this_run_that_are_on_record_are_not_given_out_again() -> None:
    table = OrderTable(run="r")
    table.restore(recorded(order("dw-one-r-1-5"), order("dw-one-r-1-3", order_id=2), order("dw-one-q-1-9", order_id=3)))
    assert table.next_client_order_id("one", 1) == "dw-one-r-1-6"
    assert table.next_client_order_id("one", 2) == "dw-one-r-2-1"
