"""The short ways of an order out of the tracker say what the long ones say."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dogwatch.actors.order_messages import PlaceOrder
from dogwatch.actors.placing import (
    canceling_call,
    canceling_request,
    placing_call,
    placing_request,
    replacing_call,
    replacing_request,
    sent_order,
)
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import Life
from dogwatch.actors.spot.order_events import Sent
from dogwatch.actors.spot.order_state import apply

GOOD = st.decimals(min_value=0, max_value=10**9, places=8)
MADE_UP: Any = [TimeInForce("UNTIL_MONDAY"), "GTC"]
ODD_AMOUNTS: list[Any] = [None, 3, 1.5, *map(Decimal, ("1E+2", "-1", "NaN", "Infinity", "0E-8", "1E-25", "1E+25"))]
ODD: dict[str, list[Any]] = {
    "side": ["BUY", "HOLD"],
    "order_type": [*OrderType, OrderType("NEW_TYPE"), "LIMIT"],
    "quantity": ODD_AMOUNTS,
    "quote_quantity": [*ODD_AMOUNTS, Decimal(7)],
    "price": ODD_AMOUNTS,
    "time_in_force": [None, *TimeInForce, *MADE_UP],
}


@st.composite
def intents(draw: st.DrawFn) -> PlaceOrder:
    """A plain order, in which a thing or two may be odd."""
    kind, lasts = draw(
        st.sampled_from([(OrderType.LIMIT_MAKER, None), *((OrderType.LIMIT, each) for each in TimeInForce)])
    )
    intent = PlaceOrder(
        strategy="one",
        life=1,
        symbol="BTCUSDT",
        side=draw(st.sampled_from(Side)),
        order_type=kind,
        quantity=draw(GOOD),
        price=draw(GOOD),
        time_in_force=lasts,
        deadline_s=10.0,
    )
    odd = draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2, unique=True))
    changes: dict[str, Any] = {name: draw(st.sampled_from(ODD[name])) for name in odd}
    return msgspec.structs.replace(intent, **changes)


def outcome(make: Any) -> Any:
    """What is sent, parameters in their order, or the words of the refusal."""
    try:
        call: Call = make()
    except (TypeError, ValueError) as refusal:
        return type(refusal), str(refusal)
    return call.method, list(call.params.items()), call.lane, call.account


@given(intents())
def test_an_order_is_sent_as_its_request_is_and_refused_in_the_same_words(intent: PlaceOrder) -> None:
    order = sent_order(intent, client_order_id="dw-one-r-1-1", now_ms=5)
    made = outcome(lambda: placing_call(order))
    assert made == outcome(lambda: Call.of(placing_request(order)))
    event("refused" if len(made) == 2 else "sent")


@given(intents())
def test_a_replacement_is_sent_as_its_request_is(intent: PlaceOrder) -> None:
    new = sent_order(intent, client_order_id="dw-one-r-1-2", now_ms=5)
    for name in ("dw-one-r-1-1", "by-hand", "not a name"):
        old = sent_order(intent, client_order_id=name, now_ms=5)
        made = outcome(lambda old=old: replacing_call(old, new))
        assert made == outcome(lambda old=old: Call.of(replacing_request(old, new)))
        assert outcome(lambda old=old: canceling_call(old)) == outcome(lambda old=old: Call.of(canceling_request(old)))


@given(intents())
def test_an_order_begins_as_a_draft_that_was_sent(intent: PlaceOrder) -> None:
    order = sent_order(intent, client_order_id="dw-one-r-1-1", now_ms=5)
    draft = msgspec.structs.replace(order, life=Life.DRAFT, evidence="", sent_ms=None, updated_ms=0)
    sent, actions = apply(draft, Sent(), 5)
    told, expected = msgspec.structs.astuple(order), msgspec.structs.astuple(sent)
    assert all(one is other or one == other for one, other in zip(told, expected, strict=True))  # NaN is the same NaN
    assert actions == ()


@pytest.mark.parametrize("kind", ["LIMIT", "LIMIT_MAKER"])
def test_plain_texts_are_sent_and_no_words_of_ours(kind: str) -> None:
    intent = PlaceOrder(
        strategy="one",
        life=1,
        symbol="BTCUSDT",
        side=Side.SELL,
        order_type=OrderType(kind),
        time_in_force=TimeInForce.IOC if kind == "LIMIT" else None,
        quantity=Decimal("0.010"),
        price=Decimal("1E+4"),
        deadline_s=10.0,
    )
    params = placing_call(sent_order(intent, client_order_id="dw-one-r-1-1", now_ms=5)).params
    assert {type(value) for value in params.values()} == {str}
    assert params == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": kind,
        **({"timeInForce": "IOC"} if kind == "LIMIT" else {}),
        "price": "10000",
        "quantity": "0.010",
        "newClientOrderId": "dw-one-r-1-1",
    }
