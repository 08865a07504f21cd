"""The exchange's words as enumerations (enums.md). What follows from a word lives elsewhere.

The exchange adds words without notice. A word that is not listed here still decodes: it keeps its text, compares and
hashes like a string, and says `is_known == False`. So one new word never costs an order event.
"""

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """One word of the exchange. `Word("SOMETHING_NEW")` does not raise; its `is_known` is False."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Not kept anywhere: a stream of invented words must not fill the memory.
        word = str.__new__(cls, value)
        word._name_ = value
        word._value_ = value
        return word

    @property
    def is_known(self) -> bool:
        """Whether this word was in the documentation when this table was written."""
        return self._value_ in type(self)._value2member_map_


class Side(StrEnum):
    """Order side (side). There is no third one, so anything else is refused."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """SELL for BUY, BUY for SELL."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for BUY, -1 for SELL: what a fill does to a position."""
        return 1 if self is Side.BUY else -1


class OrderType(Word):
    """Order types (orderTypes, type)."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"


class TimeInForce(Word):
    """Time in force (timeInForce): how long an order stays on the book."""

    GTC = "GTC"
    """Until it is filled or canceled."""
    IOC = "IOC"
    """Fill what is possible at once, expire the rest."""
    FOK = "FOK"
    """Fill everything at once or expire."""


class OrderStatus(Word):
    """Order status (status): the exchange's last word about an order. How we read it is `Order.life`."""

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    PENDING_CANCEL = "PENDING_CANCEL"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


class ExecutionType(Word):
    """Execution types: what an executionReport reports."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


class RejectReason(Word):
    """Order reject reason of an executionReport (User Data Streams, Order Reject Reason)."""

    NONE = "NONE"
    INSUFFICIENT_BALANCES = "INSUFFICIENT_BALANCES"
    STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY = "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY"
    WOULD_MATCH_IMMEDIATELY = "WOULD_MATCH_IMMEDIATELY"
    OCO_BAD_PRICES = "OCO_BAD_PRICES"


class ExpiryReason(Word):
    """Expiry reasons (expiryReason): why the exchange expired an order."""

    NONE = "NONE"
    REJECTED = "REJECTED"
    EXCHANGE_CANCELED = "EXCHANGE_CANCELED"
    OCO_TRIGGER = "OCO_TRIGGER"
    OTO_PHASE_ONE_EXPIRED = "OTO_PHASE_ONE_EXPIRED"
    UNFILLED_IOC_QUANTITY_EXPIRED = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK_ORDER_EXPIRED = "UNFILLED_FOK_ORDER_EXPIRED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    EXECUTION_RULE_PRICE_RANGE_EXCEEDED = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"


class ResponseType(Word):
    """Order response type (newOrderRespType): how much the answer to order.place tells."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class SelfTradePreventionMode(Word):
    """STP modes (selfTradePreventionMode)."""

    NONE = "NONE"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


class CancelRestrictions(Word):
    """cancelRestrictions of order.cancel: cancel only if the order is in this state."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


class CancelReplaceMode(Word):
    """cancelReplaceMode of order.cancelReplace: whether the new order is placed although the cancel has failed."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class AttemptResult(Word):
    """cancelResult and newOrderResult of order.cancelReplace: what became of each of its two parts."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    NOT_ATTEMPTED = "NOT_ATTEMPTED"


class SymbolStatus(Word):
    """Symbol status (status). Only TRADING takes new orders; CANCEL_ONLY takes cancels."""

    TRADING = "TRADING"
    END_OF_DAY = "END_OF_DAY"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


class ContingencyType(Word):
    """ContingencyType of an order list."""

    OCO = "OCO"
    OTO = "OTO"


class ListStatusType(Word):
    """Order list status (listStatusType)."""

    RESPONSE = "RESPONSE"
    EXEC_STARTED = "EXEC_STARTED"
    UPDATED = "UPDATED"
    ALL_DONE = "ALL_DONE"


class ListOrderStatus(Word):
    """Order list order status (listOrderStatus)."""

    EXECUTING = "EXECUTING"
    ALL_DONE = "ALL_DONE"
    REJECT = "REJECT"


class RateLimitType(Word):
    """Rate limiters (rateLimitType)."""

    REQUEST_WEIGHT = "REQUEST_WEIGHT"
    ORDERS = "ORDERS"
    RAW_REQUESTS = "RAW_REQUESTS"
    CONNECTIONS = "CONNECTIONS"


class RateLimitInterval(Word):
    """Rate limit intervals (interval)."""

    SECOND = "SECOND"
    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"


class PegPriceType(Word):
    """pegPriceType: the best price of which side an order is pegged to when it comes onto the book (Pegged Orders)."""

    PRIMARY_PEG = "PRIMARY_PEG"
    """The best price of its own side."""
    MARKET_PEG = "MARKET_PEG"
    """The best price of the other side."""


class PegOffsetType(Word):
    """pegOffsetType: what a pegOffsetValue counts."""

    PRICE_LEVEL = "PRICE_LEVEL"


class OrderRateLimitExceededMode(Word):
    """orderRateLimitExceededMode of order.cancelReplace: what to do when too many orders are unfilled already."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


class TickerType(Word):
    """type of a ticker request: MINI leaves out averages, quotes and changes."""

    FULL = "FULL"
    MINI = "MINI"


class AllocationType(Word):
    """AllocationType: what an allocation came from."""

    SOR = "SOR"


class WorkingFloor(Word):
    """Working floor (workingFloor): where an order trades, on its own book or by smart order routing."""

    EXCHANGE = "EXCHANGE"
    SOR = "SOR"


class MatchType(Word):
    """matchType of a fill that smart order routing found on another book."""

    ONE_PARTY_TRADE_REPORT = "ONE_PARTY_TRADE_REPORT"


class CalculationType(Word):
    """calculationType of a reference price."""

    ARITHMETIC_MEAN = "ARITHMETIC_MEAN"
    EXTERNAL = "EXTERNAL"
