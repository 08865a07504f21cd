"""The exchange's words: known ones are members, new ones survive."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import (
    AttemptResult,
    CancelReplaceMode,
    ExecutionType,
    OrderStatus,
    OrderType,
    RateLimitType,
    Side,
    SymbolStatus,
    TimeInForce,
)


def test_a_documented_word_decodes_to_the_member_itself() -> None:
    assert msgspec.json.decode(b'"PARTIALLY_FILLED"', type=OrderStatus) is OrderStatus.PARTIALLY_FILLED
    assert OrderStatus.PARTIALLY_FILLED.is_known


@given(st.text())
def test_a_new_word_keeps_its_text_and_never_raises(text: str) -> None:
    word = msgspec.json.decode(msgspec.json.encode(text), type=OrderStatus)
    assert isinstance(word, OrderStatus)
    assert word == text
    assert hash(word) == hash(text)
    assert word.is_known == (text in {str(member) for member in OrderStatus})
    assert msgspec.json.decode(msgspec.json.encode(word)) == text
    assert repr(word)


def test_new_words_are_not_remembered() -> None:
    before = len(OrderStatus._value2member_map_)
    for number in range(100):
        OrderStatus(f"INVENTED_{number}")
    assert len(OrderStatus._value2member_map_) == before
    assert len(OrderStatus) == 9


@pytest.mark.parametrize("wrong", [b"1", b"null", b"[]", b"1.5"])
def test_a_word_is_a_string_or_an_error(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=TimeInForce)


def test_there_are_two_sides_and_no_third() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'"SHORT"', type=Side)


def test_every_documented_word_is_here() -> None:
    """The lists of enums.md and of the methods' parameters, July 2026, in their order."""
    assert " ".join(OrderStatus) == (
        "NEW PENDING_NEW PARTIALLY_FILLED FILLED CANCELED PENDING_CANCEL REJECTED EXPIRED EXPIRED_IN_MATCH"
    )
    assert " ".join(ExecutionType) == "NEW CANCELED REPLACED REJECTED TRADE EXPIRED TRADE_PREVENTION"
    assert " ".join(OrderType) == ("LIMIT MARKET STOP_LOSS STOP_LOSS_LIMIT TAKE_PROFIT TAKE_PROFIT_LIMIT LIMIT_MAKER")
    assert " ".join(SymbolStatus) == "TRADING END_OF_DAY HALT BREAK CANCEL_ONLY"
    assert " ".join(CancelReplaceMode) == "STOP_ON_FAILURE ALLOW_FAILURE"
    assert " ".join(AttemptResult) == "SUCCESS FAILURE NOT_ATTEMPTED"
    assert {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"} < set(RateLimitType)
