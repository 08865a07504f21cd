"""Orders as a person reads them: everything that matters, and no line wider than 80 columns."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.order_listing import COLUMNS, age, plain, render_history, render_orders, summary
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request

T0 = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
LONGEST = "dw-" + "s" * 16 + "-k3Q9aZ-ZZZ-zzzzz"


def order(name: str = "dw-quoter-k3Q9aZ-1-1", *, after_ms: int = 0, **known: object) -> Order:
    return Order(
        **{
            "client_order_id": name,
            "symbol": "BTCUSDT",
            "side": Side.SELL,
            "type": OrderType.LIMIT_MAKER,
            "created_ms": T0,
            "quantity": Decimal("0.00100000"),
            "price": Decimal("39440.50"),
            "strategy": "quoter",
            "life": Life.OPEN,
            "evidence": "answer to order.place",
            "updated_ms": T0 + after_ms,
            **known,
        }  # type: ignore[arg-type]
    )


def test_an_open_order_is_shown_with_what_it_is_and_what_that_rests_on() -> None:
    text = render_orders([order(after_ms=2_000, filled_quantity=Decimal("0.0004"))], now_ms=T0 + 9_000)
    assert text.splitlines() == [
        "order                 state  certainty  age",
        "dw-quoter-k3Q9aZ-1-1  OPEN   known      9 s",
        "  SELL 0.001 BTCUSDT at 39440.5, LIMIT_MAKER, 0.0004 filled",
        "  answer to order.place, 7 s ago",
    ]


def test_an_unknown_order_says_so_since_when_and_why() -> None:
    unknown = order(
        life=Life.SENT,
        certainty=Certainty.UNKNOWN,
        request=Request.IN_DOUBT,
        unknown_since_ms=T0 + 10_000,
        evidence="no answer: within 10 s",
        reason="no answer came in time",
    )
    assert render_orders([unknown], now_ms=T0 + 200_000).splitlines()[1:] == [
        "dw-quoter-k3Q9aZ-1-1  SENT   UNKNOWN    3 min",
        "  SELL 0.001 BTCUSDT at 39440.5, LIMIT_MAKER",
        "  a cancel is in doubt",
        "  unknown for 3 min",
        "  no answer: within 10 s, 3 min ago",
        "  no answer came in time",
    ]


def test_requests_under_way_are_told() -> None:
    text = render_orders(
        [order(request=Request.CANCELING, amend=Amend.AMENDING, amend_quantity=Decimal("0.0005"))], now_ms=T0
    )
    assert "  a cancel is on its way\n  an amend to 0.0005 is on its way\n" in text
    assert "in doubt" in render_orders([order(amend=Amend.IN_DOUBT, amend_quantity=Decimal("0.0005"))], now_ms=T0)


def test_a_market_order_by_quote_quantity_and_a_draft_have_their_words() -> None:
    market = order(
        quantity=None, quote_quantity=Decimal(50), price=None, type=OrderType.MARKET, evidence="", updated_ms=0
    )
    assert render_orders([market], now_ms=T0).splitlines()[2:] == [
        "  SELL BTCUSDT for 50 of the quote asset, MARKET",
        "  nothing yet",
    ]


def test_orders_come_oldest_first_and_no_orders_are_no_text() -> None:
    young, old = order("dw-a-1-1-2", created_ms=T0 + 5), order("dw-a-1-1-1")
    lines = render_orders([young, old], now_ms=T0).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("dw")] == ["dw-a-1-1-1", "dw-a-1-1-2"]
    assert render_orders([], now_ms=T0) == ""


def test_the_summary_counts_what_is_live_and_what_is_in_doubt() -> None:
    orders = [order(), order(certainty=Certainty.UNKNOWN), order(life=Life.FILLED)]
    assert summary(orders, ended_max=2) == "2 live, 1 of them UNKNOWN, 1 ended"
    assert summary(orders, ended_max=1) == "2 live, 1 of them UNKNOWN, and the newest 1 that ended"
    assert summary(orders[:1], ended_max=0) == "1 live"
    assert summary([], ended_max=2) == "0 live, 0 ended"


def test_a_history_has_one_line_for_each_change_and_one_for_each_day() -> None:
    day_ms = 86_400_000
    snapshots = [
        order(life=Life.SENT, evidence="sent"),
        order(after_ms=12),
        order(after_ms=day_ms, filled_quantity=Decimal("0.001"), life=Life.FILLED, evidence="executionReport TRADE"),
    ]
    assert render_history(snapshots, now_ms=T0 + 2 * day_ms).splitlines() == [
        "dw-quoter-k3Q9aZ-1-1",
        "  SELL 0.001 BTCUSDT at 39440.5, LIMIT_MAKER, 0.001 filled",
        "  executionReport TRADE, 24 h ago",
        "",
        "time (UTC)    state   certainty  filled  evidence",
        "2023-11-14",
        "22:13:20.000  SENT    known      0       sent",
        "22:13:20.012  OPEN    known      0       answer to order.place",
        "2023-11-15",
        "22:13:20.000  FILLED  known      0.001   executionReport TRADE",
    ]
    with pytest.raises(ValueError, match="one snapshot at least"):
        render_history([], now_ms=T0)


def test_a_history_says_what_its_columns_do_not_tell() -> None:
    terms: dict[str, Any] = {"quantity": Decimal("0.003"), "order_id": 70}
    snapshots = [
        order(**terms),
        order(**terms, evidence="amend sent", amend=Amend.AMENDING, amend_quantity=Decimal("0.002")),
        order(
            **terms,
            evidence="no answer to order.amend.keepPriority that tells the outcome",
            amend=Amend.IN_DOUBT,
            amend_quantity=Decimal("0.002"),
            certainty=Certainty.UNKNOWN,
            reason="no answer came in time",
        ),
        order(quantity=Decimal("0.002"), order_id=70, evidence="executionReport REPLACED"),
    ]
    lines = render_history(snapshots, now_ms=T0).splitlines()
    assert lines[1] == "  SELL 0.002 BTCUSDT at 39440.5, LIMIT_MAKER, orderId 70"
    assert [line[40:] for line in lines[6:]] == [
        "answer to order.place",
        "amend sent: to 0.002",
        "no answer to order.amend.keepPriority",
        "that tells the outcome: no answer came",
        "in time",
        "executionReport REPLACED: the quantity",
        "is 0.002",
    ]


long_texts = st.text(st.sampled_from("abc -.[]"), max_size=300)
long_amounts = st.decimals("0.00000001", "999999999999", places=8)


@given(
    life=st.sampled_from(Life),
    certainty=st.sampled_from(Certainty),
    reason=long_texts,
    evidence=long_texts,
    quantity=long_amounts,
    price=long_amounts,
    filled=long_amounts,
    since_ms=st.integers(0, 10**12),
)
def test_no_line_is_wider_than_eighty_columns(
    life: Life,
    certainty: Certainty,
    reason: str,
    evidence: str,
    quantity: Decimal,
    price: Decimal,
    filled: Decimal,
    since_ms: int,
) -> None:
    shown = order(
        LONGEST,
        symbol="S" * 20,
        life=life,
        certainty=certainty,
        request=Request.IN_DOUBT,
        amend=Amend.IN_DOUBT,
        amend_quantity=quantity,
        reason=reason,
        evidence=evidence,
        quantity=quantity,
        price=price,
        filled_quantity=filled,
        unknown_since_ms=T0,
    )
    listed = render_orders([shown, order()], now_ms=T0 + since_ms)
    history = render_history([shown, shown], now_ms=T0 + since_ms)
    assert len(LONGEST) == 36
    assert all(len(line) <= COLUMNS for line in (listed + "\n" + history).splitlines())
    assert LONGEST in listed
    word = "UNKNOWN" if certainty is Certainty.UNKNOWN else "known"
    assert sum(f"  {word}  " in line for line in history.splitlines()) == 2  # no change is left out


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 s"), (999, "0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (200_000_000, "2 d")],
)
def test_ages_are_in_the_unit_that_suits_them(ms: int, text: str) -> None:
    assert age(ms) == text


@pytest.mark.parametrize(("amount", "text"), [("0.00100000", "0.001"), ("1E+3", "1000"), ("0E-8", "0")])
def test_amounts_are_plain(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
