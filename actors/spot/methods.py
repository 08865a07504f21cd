"""The methods of the WebSocket API, the types of security, and a request as it is written (Request format).

What is known of each method stands with its request: see requests.py. Its frame is made in request_frames.py.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum

import msgspec

ParamValue = str | int | bool | list[str]
Params = dict[str, ParamValue]

RECV_WINDOW_MS, RECV_WINDOW_MS_MAX = 5_000, 60_000
"""What the exchange takes if nothing is said, and at most."""


class Security(Enum):
    """What a method demands (Request security)."""

    NONE = "NONE"
    USER_STREAM = "USER_STREAM"
    """A session that is logged on; no timestamp."""
    USER_DATA = "USER_DATA"
    TRADE = "TRADE"
    SIGNED = "SIGNED"
    """An API key and a signature in the request itself, also within a session."""

    @property
    def needs_timestamp(self) -> bool:
        return self in (Security.USER_DATA, Security.TRADE, Security.SIGNED)


class Method(StrEnum):
    """All methods, in the order of the documentation."""

    PING = "ping"
    TIME = "time"
    EXCHANGE_INFO = "exchangeInfo"
    EXECUTION_RULES = "executionRules"
    DEPTH = "depth"
    TRADES_RECENT = "trades.recent"
    TRADES_HISTORICAL = "trades.historical"
    BLOCK_TRADES_HISTORICAL = "blockTrades.historical"
    TRADES_AGGREGATE = "trades.aggregate"
    KLINES = "klines"
    UI_KLINES = "uiKlines"
    AVG_PRICE = "avgPrice"
    TICKER_24HR = "ticker.24hr"
    TICKER_TRADING_DAY = "ticker.tradingDay"
    TICKER = "ticker"
    TICKER_PRICE = "ticker.price"
    TICKER_BOOK = "ticker.book"
    REFERENCE_PRICE = "referencePrice"
    REFERENCE_PRICE_CALCULATION = "referencePrice.calculation"
    SESSION_LOGON = "session.logon"
    SESSION_STATUS = "session.status"
    SESSION_LOGOUT = "session.logout"
    ORDER_PLACE = "order.place"
    ORDER_TEST = "order.test"
    ORDER_CANCEL = "order.cancel"
    ORDER_CANCEL_REPLACE = "order.cancelReplace"
    ORDER_AMEND = "order.amend.keepPriority"
    OPEN_ORDERS_CANCEL_ALL = "openOrders.cancelAll"
    ORDER_LIST_PLACE = "orderList.place"
    ORDER_LIST_PLACE_OCO = "orderList.place.oco"
    ORDER_LIST_PLACE_OTO = "orderList.place.oto"
    ORDER_LIST_PLACE_OTOCO = "orderList.place.otoco"
    ORDER_LIST_PLACE_OPO = "orderList.place.opo"
    ORDER_LIST_PLACE_OPOCO = "orderList.place.opoco"
    ORDER_LIST_CANCEL = "orderList.cancel"
    SOR_ORDER_PLACE = "sor.order.place"
    SOR_ORDER_TEST = "sor.order.test"
    ACCOUNT_STATUS = "account.status"
    ORDER_STATUS = "order.status"
    OPEN_ORDERS_STATUS = "openOrders.status"
    ALL_ORDERS = "allOrders"
    ORDER_LIST_STATUS = "orderList.status"
    OPEN_ORDER_LISTS_STATUS = "openOrderLists.status"
    ALL_ORDER_LISTS = "allOrderLists"
    MY_TRADES = "myTrades"
    ACCOUNT_RATE_LIMITS_ORDERS = "account.rateLimits.orders"
    MY_PREVENTED_MATCHES = "myPreventedMatches"
    MY_ALLOCATIONS = "myAllocations"
    ACCOUNT_COMMISSION = "account.commission"
    ORDER_AMENDMENTS = "order.amendments"
    MY_FILTERS = "myFilters"
    USER_DATA_STREAM_SUBSCRIBE = "userDataStream.subscribe"
    USER_DATA_STREAM_UNSUBSCRIBE = "userDataStream.unsubscribe"
    SESSION_SUBSCRIPTIONS = "session.subscriptions"
    USER_DATA_STREAM_SUBSCRIBE_SIGNATURE = "userDataStream.subscribe.signature"


class RequestForm(msgspec.Struct, frozen=True, gc=False):
    """A request, in the order in which it is written. As a struct it is written in 0.5 us, as a dict in 0.8."""

    id: int | str
    method: str
    params: Mapping[str, ParamValue] | msgspec.UnsetType
