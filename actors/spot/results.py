"""The results of all methods as values, and the functions that make them of a response's raw JSON.

Field names are spelled out; the wire's names stand beside each type where they do not follow from ours. Numbers that
are JSON strings become `Decimal`, times are integers in milliseconds (`instants.py` says how, where the connection has
microseconds). What the exchange leaves out where it does not apply is None. Fields that the exchange adds later are
ignored.

The types stand in files by family; all results can be imported from here, with what they consist of beside them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from dogwatch.actors.spot.account_results import (
    AccountBalance,
    AccountStatus,
    AccountTrade,
    Allocation,
    MyFilters,
    PreventedMatch,
    decode_my_filters,
)
from dogwatch.actors.spot.amounts import with_sound_amounts
from dogwatch.actors.spot.commission_results import (
    AccountCommission,
    CommissionDiscount,
    CommissionRates,
    OrderCommissionRates,
    OrderTestResult,
)
from dogwatch.actors.spot.envelope import UNDECODABLE, RateLimitUsage
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, Rejected
from dogwatch.actors.spot.exchange_info import ExchangeInfo, decode_exchange_info
from dogwatch.actors.spot.execution_rules import ExecutionRules, decode_execution_rules
from dogwatch.actors.spot.general_results import Empty, ServerTime
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.market_results import (
    AggregateTrade,
    AveragePrice,
    BlockTrade,
    BookSnapshot,
    BookTicker,
    Candle,
    PriceTicker,
    PublicTrade,
    ReferencePrice,
    ReferencePriceCalculation,
    Ticker,
)
from dogwatch.actors.spot.order_list_results import (
    AmendedList,
    AmendedOrder,
    AmendResult,
    ListMember,
    OrderListReport,
)
from dogwatch.actors.spot.order_results import (
    Amendment,
    CancelReplaceResult,
    OrderReport,
    ReportedFill,
    ReportedPreventedMatch,
)
from dogwatch.actors.spot.session_results import SessionStatus, SubscribeResult, Subscription

__all__ = [
    "AccountBalance",
    "AccountCommission",
    "AccountStatus",
    "AccountTrade",
    "AggregateTrade",
    "Allocation",
    "AmendResult",
    "AmendedList",
    "AmendedOrder",
    "Amendment",
    "AveragePrice",
    "BlockTrade",
    "BookSnapshot",
    "BookTicker",
    "CancelReplaceResult",
    "Candle",
    "CommissionDiscount",
    "CommissionRates",
    "Empty",
    "ExchangeInfo",
    "ExecutionRules",
    "ListMember",
    "MyFilters",
    "OrderCommissionRates",
    "OrderListReport",
    "OrderReport",
    "OrderTestResult",
    "PreventedMatch",
    "PriceTicker",
    "PublicTrade",
    "RateLimitUsage",
    "ReferencePrice",
    "ReferencePriceCalculation",
    "ReportedFill",
    "ReportedPreventedMatch",
    "ServerTime",
    "SessionStatus",
    "SubscribeResult",
    "Subscription",
    "Ticker",
    "decode_book_tickers",
    "decode_cancel",
    "decode_cancels",
    "decode_price_tickers",
    "decode_reference_price",
    "decode_reference_price_calculation",
    "decode_result",
    "decode_results",
    "decode_routed_orders",
    "decode_tickers",
]

T = TypeVar("T")

# Of results of which the exchange may invent new parts.
_OPEN_DECODERS: dict[Any, Callable[[Any], Any]] = {
    ExchangeInfo: decode_exchange_info,
    ExecutionRules: decode_execution_rules,
    MyFilters: decode_my_filters,
}

_BOOKED = frozenset({OrderReport, OrderListReport, CancelReplaceResult, AmendResult, AccountTrade, AccountStatus})
"""What amounts are counted together from: one that is none would never leave the sums."""


def decode_result(result: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return a response's result as a `kind` of this package, or a tuple of them.

    Raises MalformedResult if it is not one. The request was answered then, but how is not known.
    """
    try:
        decoded: T = _decoder(kind)(result)  # type: ignore[arg-type] # a type is hashable
        return with_instants(decoded)
    except UNDECODABLE as error:
        raise _malformed(result, kind, error) from None


def decode_results(result: bytes | msgspec.Raw, kind: type[T]) -> tuple[T, ...]:
    """Return a result that is an array of `kind` (openOrders.status, allOrders, myTrades). Raises MalformedResult."""
    return decode_result(result, tuple[kind, ...])  # type: ignore[valid-type] # a value here


def decode_cancel(result: bytes | msgspec.Raw) -> OrderReport | OrderListReport:
    """Return the result of order.cancel: the order's report, or its list's if the order was a member of one."""
    # As a key or a value, no order report contains this word in quotation marks.
    if b'"contingencyType"' in bytes(result):
        return decode_result(result, OrderListReport)
    return decode_result(result, OrderReport)


def decode_cancels(result: bytes | msgspec.Raw) -> tuple[OrderReport | OrderListReport, ...]:
    """Return the result of openOrders.cancelAll, which mixes orders and order lists. Raises MalformedResult."""
    return tuple(decode_cancel(item) for item in decode_results(result, msgspec.Raw))


def decode_routed_orders(result: bytes | msgspec.Raw) -> tuple[OrderReport, ...]:
    """Return the result of sor.order.place: an array of one order, over REST the order. Raises MalformedResult."""
    return _one_or_many(result, OrderReport)


def decode_tickers(result: bytes | msgspec.Raw) -> tuple[Ticker, ...]:
    """Return the result of ticker.24hr, ticker.tradingDay and ticker: one for `symbol`, an array for all else. Raises
    MalformedResult."""
    return _one_or_many(result, Ticker)


def decode_price_tickers(result: bytes | msgspec.Raw) -> tuple[PriceTicker, ...]:
    """Return the result of ticker.price: one for `symbol`, an array for all else. Raises MalformedResult."""
    return _one_or_many(result, PriceTicker)


def decode_book_tickers(result: bytes | msgspec.Raw) -> tuple[BookTicker, ...]:
    """Return the result of ticker.book: one for `symbol`, an array for all else. Raises MalformedResult."""
    return _one_or_many(result, BookTicker)


def decode_reference_price(result: bytes | msgspec.Raw) -> ReferencePrice:
    """Return the result of referencePrice. Raises MalformedResult, and Rejected for a symbol that never had one: the
    exchange may say so in the result of a success."""
    return _unless_refused(result, ReferencePrice)


def decode_reference_price_calculation(result: bytes | msgspec.Raw) -> ReferencePriceCalculation:
    """Return the result of referencePrice.calculation. Raises as `decode_reference_price` does."""
    return _unless_refused(result, ReferencePriceCalculation)


def _one_or_many(result: bytes | msgspec.Raw, kind: type[T]) -> tuple[T, ...]:
    if bytes(result).lstrip()[:1] == b"[":
        return decode_results(result, kind)
    return (decode_result(result, kind),)


def _unless_refused(result: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return decode_result(result, kind)
    except MalformedResult:
        try:
            error = decode_result(result, ExchangeError)
        except MalformedResult:
            error = None
        if error is None:
            raise
    raise Rejected(error.code, error.message)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """A decoder is costly to make and cheap to keep; there are as many as kinds of results."""
    decode = _OPEN_DECODERS.get(kind) or msgspec.json.Decoder(kind).decode
    if kind in _BOOKED or (get_origin(kind) is tuple and get_args(kind)[0] in _BOOKED):
        return _soundly(decode)
    return decode


def _soundly(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda result: with_sound_amounts(decode(result))


def _malformed(result: bytes | msgspec.Raw, kind: Any, error: Exception) -> MalformedResult:
    excerpt = bytes(result)[:200].decode("utf-8", "replace")
    return MalformedResult(f"a result is not {_described(kind)}: {error}; it begins with {excerpt!r}")


def _described(kind: Any) -> str:
    """`OrderReport`, or `an array of OrderReport`."""
    if get_origin(kind) is tuple:
        return f"an array of {_described(get_args(kind)[0])}"
    return getattr(kind, "__name__", str(kind))
