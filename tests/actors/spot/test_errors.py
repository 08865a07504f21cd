"""Errors of the exchange: its own words are kept, a hint is added, and unknown is never mistaken for refused."""

import msgspec
import pytest

from dogwatch.actors.spot.error_codes import CODES, hint_for
from dogwatch.actors.spot.errors import ExchangeError, NotSent, OutcomeUnknown, Rejected
from dogwatch.runtime.errors import DogwatchError


def test_names_are_unique() -> None:
    assert len({facts.name for facts in CODES.values()}) == len(CODES)


def test_who_meets_a_code_is_told_what_to_do_except_where_only_the_text_or_a_question_can_tell() -> None:
    silent = {code for code, facts in CODES.items() if not facts.hint}
    assert silent == {-1000, -1001, -1006, -1007, -1010, -2010}


def test_a_code_that_is_in_no_table_has_no_hint() -> None:
    error = ExchangeError(code=-9999, message="news", status=400)
    assert error.hint == ""
    assert error.facts.name == "UNLISTED"


@pytest.mark.parametrize(
    ("code", "message", "part"),
    [
        (-1013, "Filter failure: LOT_SIZE", "stepSize"),
        (-1013, "Filter failure: MARKET_LOT_SIZE", "MARKET order"),
        (-1013, "Filter failure: PRICE_FILTER", "tickSize"),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", "too far"),
        (-1013, "Filter failure: MIN_NOTIONAL", "too small"),
        (-1013, "Filter failure: NOTIONAL", "too small or too large"),
        (-1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS", "account"),
        (-1013, "Filter failure: MAX_NUM_ORDERS", "symbol"),
        (-1013, "Filter failure: MAX_NUM_ORDER_AMENDS", "replace it"),
        (-1013, "Filter failure: MAX_ASSET", "myFilters"),
        (-1013, "Filter failure: SOMETHING_NEW", "exchangeInfo"),
        (-1013, "This symbol does not allow the specified self-trade prevention mode.", "allowedSelfTrade"),
        (-2038, "Order amend is not supported for this symbol.", "does not allow amends"),
        (-2038, "Order amend (quantity increase) is not supported.", "only lower"),
        (-2010, "Order cancel-replace is not supported for this symbol.", "cancel, then place"),
        (-2011, "Cancel order is invalid. Check origClOrdId and orderId.", "different orders"),
        (-2010, "This order type may not use pegged price.", "pegged orders"),
        (-2010, "Account has insufficient balance for requested action.", "balance"),
        (-2010, "Order would immediately match and take.", "cross"),
        (-2010, "Duplicate order sent.", "client order id"),
        (-2010, "Quote order qty market orders are not support for this symbol.", "exchangeInfo"),
        (-2011, "Unknown order sent.", "status"),
        (-1021, "Timestamp for this request is outside of the recvWindow.", "clock"),
        (-2015, "Invalid API-key, IP, or permissions for action.", "IP list"),
        (-2028, "HMAC-SHA-256 API key is not supported.", "Ed25519"),
    ],
)
def test_the_hint_fits_what_the_exchange_said(code: int, message: str, part: str) -> None:
    assert part in hint_for(code, message)


def test_a_rejection_shows_the_exchanges_own_words_its_code_and_the_hint() -> None:
    error = Rejected(-1013, "Filter failure: LOT_SIZE")
    assert (error.code, error.wording) == (-1013, "Filter failure: LOT_SIZE")
    assert "Filter failure: LOT_SIZE [-1013]" in str(error)
    assert "stepSize" in str(error)


def test_an_unknown_outcome_says_why_it_is_unknown() -> None:
    lost = OutcomeUnknown("the link was lost after writing")
    assert (lost.reason, lost.code, lost.wording) == ("the link was lost after writing", None, "")
    assert "status" in lost.hint
    told = OutcomeUnknown("the exchange does not know", code=-1007, wording="Timeout waiting")
    assert (told.code, told.wording) == (-1007, "Timeout waiting")
    assert "Timeout waiting [-1007]" in str(told)


def test_the_three_outcomes_are_told_apart_by_their_type() -> None:
    kinds = (Rejected, NotSent, OutcomeUnknown)
    assert all(issubclass(kind, DogwatchError) for kind in kinds)
    assert not any(issubclass(first, second) for first in kinds for second in kinds if first is not second)


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b'"text"', b'{"cancelResult":"FAILURE"}', b'{"retryAfter":"soon"}']
)
def test_data_of_another_kind_holds_no_limits(data: bytes) -> None:
    error = ExchangeError(code=-2022, message="", data=msgspec.Raw(data))
    assert error.retry_after_ms is None
    assert error.server_time_ms is None
