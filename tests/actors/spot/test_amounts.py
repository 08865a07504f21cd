"""Numbers that are no amounts are found where frames and results are read, whatever they stand in."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.amounts import with_sound_amounts
from dogwatch.actors.spot.envelope import MalformedFrame, UserEvent
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.results import AccountStatus, AccountTrade, OrderReport, decode_result, decode_results
from dogwatch.actors.spot.user_events import PositionBalance

NONE = ["NaN", "sNaN", "-Infinity", "inf", "1E+999999999", "1E-999999999", "0E-999999999", "NaN" + "9" * 1_000]
SOME = ["0", "0.00000000", "-1.5", "123456789012345678901234.00000001", "1E-8"]

REPORT = (
    '{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"a","S":"BUY","o":"LIMIT","f":"GTC",'
    '"q":"1","p":"2","P":"0","F":"0","g":-1,"C":"","x":"TRADE","X":"FILLED","r":"NONE","i":7,"l":"1","z":"1","L":"2",'
    '"n":"AMOUNT","N":"BNB","T":1,"t":1,"I":1,"w":false,"m":false,"M":false,"O":1,"Z":"2","Y":"2","Q":"0","V":"NONE"}}'
)
POSITION = (
    '{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1","l":"AMOUNT"}]}}'
)
FRAMES = [REPORT, POSITION, POSITION.replace('{"sub', '{ "sub')]
TRADE = {
    "symbol": "BTCUSDT", "id": 1, "orderId": 7, "orderListId": -1, "price": "2", "qty": "1", "quoteQty": "2",
    "commission": "AMOUNT", "commissionAsset": "BNB", "time": 1, "isBuyer": True, "isMaker": False, "isBestMatch": True,
}  # fmt: skip


@pytest.mark.parametrize("amount", NONE)
@pytest.mark.parametrize("frame", FRAMES)
def test_an_event_with_a_number_that_is_no_amount_cannot_be_read(frame: str, amount: str) -> None:
    read = decode_frame(frame.replace("AMOUNT", amount).encode())
    assert isinstance(read, MalformedFrame)
    assert read.problem.startswith("a number that is no amount: ")
    assert len(read.problem) < 100


@pytest.mark.parametrize("amount", SOME)
@pytest.mark.parametrize("frame", FRAMES)
def test_amounts_of_any_size_that_money_has_are_read(frame: str, amount: str) -> None:
    assert isinstance(decode_frame(frame.replace("AMOUNT", amount).encode()), UserEvent)


@pytest.mark.parametrize("amount", NONE)
def test_a_result_that_would_be_booked_with_such_a_number_is_malformed(amount: str) -> None:
    trades = msgspec.json.encode([TRADE]).decode()
    assert len(decode_results(trades.replace("AMOUNT", "1").encode(), AccountTrade)) == 1
    with pytest.raises(MalformedResult, match="a number that is no amount"):
        decode_results(trades.replace("AMOUNT", amount).encode(), AccountTrade)
    order = {"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": "a", "executedQty": amount, "status": "NEW"}
    with pytest.raises(MalformedResult, match="a number that is no amount"):
        decode_result(msgspec.json.encode(order), OrderReport)


def test_an_answer_s_fills_and_an_account_s_balances_are_looked_at_too() -> None:
    fill = {"price": "NaN", "qty": "1", "commission": "0", "commissionAsset": "BNB", "tradeId": 1}
    order = {"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": "a", "status": "NEW", "fills": [fill]}
    balances = [{"asset": "BTC", "free": "inf", "locked": "0"}]
    account = {"balances": balances, "canTrade": True, "updateTime": 1}
    with pytest.raises(MalformedResult, match="a number that is no amount"):
        decode_result(msgspec.json.encode(order), OrderReport)
    with pytest.raises(MalformedResult, match="a number that is no amount"):
        decode_result(msgspec.json.encode(account), AccountStatus)


@given(st.one_of(st.decimals(), st.builds(Decimal, st.from_regex(r"-?[0-9]{1,3}E[+-]?[0-9]{1,3}", fullmatch=True))))
@settings(max_examples=100)
def test_what_is_finite_with_at_most_sixty_places_on_either_side_is_an_amount(amount: Decimal) -> None:
    balance = PositionBalance(asset="BTC", free=Decimal(1), locked=amount)
    if amount.is_finite() and -60 <= amount.adjusted() <= 60:
        assert with_sound_amounts(balance) is balance
    else:
        with pytest.raises(msgspec.ValidationError, match="a number that is no amount"):
            with_sound_amounts(balance)
