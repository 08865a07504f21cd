"""What the exchange says about its markets when it is asked: books, trades, candles, tickers, reference prices
(WebSocket API, Market data requests). `price` is in the quote asset, `quantity` and `volume` in the base asset, what
has `quote` in its name in the quote asset. What comes by itself is in `stream_events.py`."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import CalculationType
from dogwatch.actors.spot.stream_events import PriceLevel
from dogwatch.actors.spot.wire_names import wire_names


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The best levels of a book, best first, at most 5,000 of each side (depth). What lies beyond is not said."""

    last_update_id: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


class PublicTrade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(trade_id="id", quantity="qty", quote_quantity="quoteQty"),
):
    """One trade of anybody (trades.recent, trades.historical). `is_buyer_maker`: the seller was the aggressor."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    time_ms: int
    is_buyer_maker: bool
    is_best_match: bool


class BlockTrade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(trade_id="id", quantity="qty", quote_quantity="quoteQty"),
):
    """One trade that was agreed upon outside of the book (blockTrades.historical)."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    time_ms: int
    is_buyer_maker: bool


class AggregateTrade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "aggregate_trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "time_ms": "T",
        "is_buyer_maker": "m",
        "is_best_match": "M",
    },
):
    """What one taker order traded at one price at one time (trades.aggregate), with the first and the last id of its
    trades."""

    aggregate_trade_id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    time_ms: int
    is_buyer_maker: bool
    is_best_match: bool


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One candlestick (klines, uiKlines). The last of an answer is usually not closed yet: compare `close_time_ms`.

    The wire sends an array, in this order; its last element says nothing.
    """

    start_time_ms: int
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    close_price: Decimal
    volume: Decimal
    close_time_ms: int
    quote_volume: Decimal
    trade_count: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    unused: str = "0"


class AveragePrice(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names(interval_min="mins")):
    """The average price of the last `interval_min` minutes (avgPrice). `close_time_ms` is that of the last trade."""

    interval_min: int
    price: Decimal
    close_time_ms: int


class Ticker(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(
        weighted_average_price="weightedAvgPrice",
        previous_close_price="prevClosePrice",
        last_quantity="lastQty",
        bid="bidPrice",
        bid_quantity="bidQty",
        ask="askPrice",
        ask_quantity="askQty",
        first_trade_id="firstId",
        last_trade_id="lastId",
        trade_count="count",
    ),
):
    """What happened on a symbol in a window of time (ticker.24hr, ticker.tradingDay, ticker).

    The MINI type has neither changes nor the average. The best prices, the last quantity and the close before are in
    ticker.24hr of type FULL only. What was not there is None.
    """

    symbol: str
    price_change: Decimal | None = None
    price_change_percent: Decimal | None = None
    weighted_average_price: Decimal | None = None
    previous_close_price: Decimal | None = None
    last_price: Decimal
    last_quantity: Decimal | None = None
    bid: Decimal | None = None
    bid_quantity: Decimal | None = None
    ask: Decimal | None = None
    ask_quantity: Decimal | None = None
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time_ms: int
    close_time_ms: int
    first_trade_id: int
    last_trade_id: int
    trade_count: int


class PriceTicker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The price of the last trade on a symbol (ticker.price)."""

    symbol: str
    price: Decimal


class BookTicker(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(bid="bidPrice", bid_quantity="bidQty", ask="askPrice", ask_quantity="askQty"),
):
    """The best prices of a symbol and what is there (ticker.book)."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


class ReferencePrice(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names(time_ms="timestamp")):
    """The reference price of a symbol (referencePrice), valid at `time_ms`. None: there is none at the moment."""

    symbol: str
    reference_price: Decimal | None
    time_ms: int


class ReferencePriceCalculation(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names(bucket_width_ms="bucketWidthMs")
):
    """How the reference price of a symbol comes about (referencePrice.calculation): the mean of the trades in the last
    `bucket_count` intervals of `bucket_width_ms` milliseconds, or from outside."""

    symbol: str
    calculation_type: CalculationType
    bucket_count: int | None = None
    bucket_width_ms: int | None = None
    external_calculation_id: int | None = None
