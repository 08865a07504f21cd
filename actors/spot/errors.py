"""What the exchange says when it refuses, and the three ways in which a request can fail (Error codes, errors.md).

`ExchangeError` is the value that came over the wire. `Rejected`, `NotSent` and `OutcomeUnknown` are what a caller may
see raised: refused by the exchange; never left this machine; left it and nobody knows. They are never mixed up. Which
errors leave the outcome unknown is judged in `outcome.py`.
"""

import msgspec

from dogwatch.runtime.errors import DogwatchError


class CodeFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known about an error code: its documented name, and what to do."""

    name: str
    hint: str = ""


class ExchangeError(msgspec.Struct, frozen=True, kw_only=True, rename={"message": "msg"}):
    """The `error` object of a response, with the response's status. `data` is raw JSON, empty if there was none.

    Source: WebSocket API, Response format.
    """

    code: int
    message: str
    status: int = 0
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def facts(self) -> CodeFacts:
        return CODES.get(self.code, _UNLISTED)

    @property
    def hint(self) -> str:
        return hint_for(self.code, self.message)

    @property
    def retry_after_ms(self) -> int | None:
        """Server time before which nothing may be sent, on status 429 and 418. Not every 429 carries it."""
        return self._limits().retry_after_ms

    @property
    def server_time_ms(self) -> int | None:
        """The server's clock when it refused, on status 429 and 418."""
        return self._limits().server_time_ms

    def _limits(self) -> "_LimitData":
        if not self.data:
            return _LimitData()
        try:
            return msgspec.json.decode(self.data, type=_LimitData)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _LimitData()  # some other code's data: no limits in it


class _LimitData(msgspec.Struct, frozen=True, rename={"retry_after_ms": "retryAfter", "server_time_ms": "serverTime"}):
    retry_after_ms: int | None = None
    server_time_ms: int | None = None


class Rejected(DogwatchError):
    """The exchange refused the request. It was not executed.

    `code` and `wording` are the exchange's own; `hint` says what to do about it.
    """

    def __init__(self, code: int, wording: str, *, hint: str = "") -> None:
        super().__init__(f"the exchange refused: {wording} [{code}]", hint=hint or hint_for(code, wording))
        self.code = code
        self.wording = wording


class NotSent(DogwatchError):
    """Nothing left this machine, so the request cannot have been executed. It may be made again.

    `retry_after_s`, where it is known: in how many seconds the exchange's limits have room for it.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(DogwatchError):
    """The request left this machine and it is not known whether it was executed. Never repeat it blindly.

    `code` and `wording` are the exchange's if it answered at all, else None and empty.
    """

    def __init__(self, reason: str, *, code: int | None = None, wording: str = "", hint: str = "") -> None:
        said = f": {wording} [{code}]" if code is not None else ""
        super().__init__(f"{reason}{said}", hint=hint or "ask for the order's status before doing anything else")
        self.reason = reason
        self.code = code
        self.wording = wording


class MalformedResult(DogwatchError):
    """A response arrived whose result is not what the documentation says. The request was answered, so it was read."""


def hint_for(code: int, message: str) -> str:
    """What to do about an error of the exchange, or an empty string. The text decides before the code does."""
    for text, hint in _TEXT_HINTS:
        if text in message:
            return hint
    return CODES.get(code, _UNLISTED).hint


_UNLISTED = CodeFacts(name="UNLISTED")

_CLOCK = (
    "the exchange's clock is followed, and this was sent again while there was time: raise recv_window_ms if the way "
    "to the exchange takes so long, or give the request more time"
)
_KEY = "check the key's permissions and its IP list, and that the key belongs to this venue"
_SLOW = "wait until the limit resets; market data belongs on streams"
_OURS = "this is a mistake in the request as it was built"

CODES: dict[int, CodeFacts] = {
    -1000: CodeFacts(name="UNKNOWN"),
    -1001: CodeFacts(name="DISCONNECTED"),
    -1002: CodeFacts(name="UNAUTHORIZED", hint=_KEY),
    -1003: CodeFacts(name="TOO_MANY_REQUESTS", hint=_SLOW),
    -1006: CodeFacts(name="UNEXPECTED_RESP"),
    -1007: CodeFacts(name="TIMEOUT"),
    -1008: CodeFacts(name="SERVER_BUSY", hint="try again in a few minutes"),
    -1010: CodeFacts(name="ERROR_MSG_RECEIVED"),
    -1013: CodeFacts(name="INVALID_MESSAGE", hint="compare the order with the symbol's filters in exchangeInfo"),
    -1014: CodeFacts(name="UNKNOWN_ORDER_COMPOSITION", hint="this combination of order options does not exist"),
    -1015: CodeFacts(name="TOO_MANY_ORDERS", hint="place fewer orders, or wait for the interval to end"),
    -1016: CodeFacts(name="SERVICE_SHUTTING_DOWN", hint="connect again"),
    -1020: CodeFacts(name="UNSUPPORTED_OPERATION"),
    -1021: CodeFacts(name="INVALID_TIMESTAMP", hint=_CLOCK),
    -1022: CodeFacts(
        name="INVALID_SIGNATURE",
        hint="the private key or secret does not belong to this API key, or the signed text differs from what was sent",
    ),
    -1034: CodeFacts(name="TOO_MANY_CONNECTIONS", hint="wait: 300 connection attempts per 5 minutes and IP"),
    -1100: CodeFacts(name="ILLEGAL_CHARS", hint=_OURS),
    -1101: CodeFacts(name="TOO_MANY_PARAMETERS", hint=_OURS),
    -1102: CodeFacts(name="MANDATORY_PARAM_EMPTY_OR_MALFORMED", hint=_OURS),
    -1103: CodeFacts(name="UNKNOWN_PARAM", hint=_OURS),
    -1104: CodeFacts(name="UNREAD_PARAMETERS", hint="leave out what this method and order type do not take"),
    -1105: CodeFacts(name="PARAM_EMPTY", hint=_OURS),
    -1106: CodeFacts(name="PARAM_NOT_REQUIRED", hint="leave this parameter out for this order type"),
    -1108: CodeFacts(name="PARAM_OVERFLOW", hint="the number is too large"),
    -1111: CodeFacts(name="BAD_PRECISION", hint="round to the symbol's tick and step sizes"),
    -1112: CodeFacts(name="NO_DEPTH", hint="nobody quotes this symbol now"),
    -1114: CodeFacts(name="TIF_NOT_REQUIRED", hint="leave out time_in_force for this order type"),
    -1115: CodeFacts(name="INVALID_TIF", hint="GTC, IOC or FOK"),
    -1116: CodeFacts(name="INVALID_ORDER_TYPE", hint="see orderTypes of the symbol in exchangeInfo"),
    -1117: CodeFacts(name="INVALID_SIDE", hint="BUY or SELL"),
    -1118: CodeFacts(name="EMPTY_NEW_CL_ORD_ID", hint=_OURS),
    -1119: CodeFacts(name="EMPTY_ORG_CL_ORD_ID", hint=_OURS),
    -1120: CodeFacts(name="BAD_INTERVAL", hint="see the list of kline intervals"),
    -1121: CodeFacts(name="BAD_SYMBOL", hint="symbols are in capitals without a separator, such as BTCUSDT"),
    -1122: CodeFacts(name="INVALID_SYMBOLSTATUS"),
    -1127: CodeFacts(name="MORE_THAN_XX_HOURS", hint="ask for at most 24 hours at a time"),
    -1128: CodeFacts(name="OPTIONAL_PARAMS_BAD_COMBO", hint="these optional parameters do not go together"),
    -1130: CodeFacts(name="INVALID_PARAMETER", hint=_OURS),
    -1134: CodeFacts(name="BAD_STRATEGY_TYPE", hint="strategyType starts at 1000000"),
    -1135: CodeFacts(name="INVALID_JSON", hint=_OURS),
    -1139: CodeFacts(name="INVALID_TICKER_TYPE"),
    -1145: CodeFacts(name="INVALID_CANCEL_RESTRICTIONS", hint="ONLY_NEW or ONLY_PARTIALLY_FILLED"),
    -1151: CodeFacts(name="DUPLICATE_SYMBOLS", hint="name each symbol once"),
    -1165: CodeFacts(name="BUY_OCO_LIMIT_MUST_BE_BELOW"),
    -1166: CodeFacts(name="SELL_OCO_LIMIT_MUST_BE_ABOVE"),
    -1191: CodeFacts(name="TOO_MANY_SUBSCRIPTIONS", hint="spread the subscriptions over more connections"),
    # Seen on the wire, missing from errors.md.
    -1193: CodeFacts(name="SESSION_NOT_AUTHENTICATED", hint="session.logon comes first; it takes an Ed25519 key"),
    -1194: CodeFacts(name="INVALID_TIME_UNIT", hint="MICROSECOND or MILLISECOND"),
    -1210: CodeFacts(name="INVALID_PEG_PRICE_TYPE"),
    -1211: CodeFacts(name="INVALID_PEG_OFFSET_TYPE"),
    -1220: CodeFacts(name="SYMBOL_DOES_NOT_MATCH_STATUS", hint="the symbol is not in the state that was asked for"),
    -2010: CodeFacts(name="NEW_ORDER_REJECTED"),
    -2011: CodeFacts(
        name="CANCEL_REJECTED", hint="the order may have been filled or canceled already: ask for its status"
    ),
    -2013: CodeFacts(name="NO_SUCH_ORDER", hint="an order placed a moment ago may not be visible yet"),
    -2014: CodeFacts(
        name="BAD_API_KEY_FMT", hint="the API key has 64 letters and digits; look for a stray blank or newline"
    ),
    -2015: CodeFacts(name="REJECTED_MBX_KEY", hint=_KEY),
    -2016: CodeFacts(name="NO_TRADING_WINDOW"),
    -2021: CodeFacts(
        name="CANCEL_REPLACE_PARTIALLY_FAILED", hint="one of the two happened: look into the error's data"
    ),
    -2022: CodeFacts(name="CANCEL_REPLACE_FAILED", hint="neither happened"),
    -2026: CodeFacts(name="ORDER_ARCHIVED", hint="it ended unfilled more than 90 days ago"),
    -2028: CodeFacts(
        name="KEY_TYPE_NOT_SUPPORTED", hint="session.logon takes an Ed25519 key; make one with `dogwatch keygen`"
    ),
    -2035: CodeFacts(name="SUBSCRIPTION_ACTIVE", hint="one subscription per account and connection"),
    -2036: CodeFacts(name="SUBSCRIPTION_INACTIVE"),
    -2038: CodeFacts(name="ORDER_AMEND_REJECTED", hint="an amend can only lower the quantity of an open order"),
    -2039: CodeFacts(name="CLIENT_ORDER_ID_INVALID", hint="this client order id belongs to another order"),
    -2042: CodeFacts(name="MAXIMUM_SUBSCRIPTION_IDS", hint="open a new connection"),
    -2043: CodeFacts(name="NO_REFERENCE_PRICE"),
}
"""The codes of errors.md that the WebSocket API can send (without FIX and SBE), July 2026."""

# Parts of the exchange's texts that tell more than their codes: errors.md, Messages for -1010, -2010, -2011 and -2038,
# and Filter failures.
_TEXT_HINTS: tuple[tuple[str, str], ...] = (
    ("Filter failure: PRICE_FILTER", "round the price to the symbol's tickSize and keep it in minPrice to maxPrice"),
    ("Filter failure: PERCENT_PRICE", "the price is too far from the market"),
    ("Filter failure: LOT_SIZE", "round the quantity to the symbol's stepSize and keep it in minQty to maxQty"),
    ("Filter failure: MARKET_LOT_SIZE", "the quantity is outside of what the symbol takes as a MARKET order"),
    ("Filter failure: MIN_NOTIONAL", "price times quantity is too small"),
    ("Filter failure: NOTIONAL", "price times quantity is too small or too large"),
    ("Filter failure: ICEBERG_PARTS", "show a larger part of the iceberg"),
    ("Filter failure: MAX_POSITION", "the position would grow beyond what the symbol allows"),
    ("Filter failure: TRAILING_DELTA", "the trailing delta is outside of what the symbol allows"),
    ("Filter failure: MAX_NUM_ORDER_AMENDS", "this order was amended as often as it may be: replace it instead"),
    ("Filter failure: MAX_NUM", "too many of these are open on this symbol: cancel some first"),
    ("Filter failure: EXCHANGE_MAX_NUM", "too many of these are open on this account: cancel some first"),
    ("insufficient balance", "free some balance or place a smaller order"),
    ("would immediately match", "a LIMIT_MAKER must not cross the book: place it further away"),
    ("would trigger immediately", "the stop price is on the wrong side of the market"),
    ("Duplicate order sent", "an open order has this client order id already"),
    ("Unknown order sent", "no such open order: it may have been filled, canceled or never placed; ask for its status"),
    ("cancel restrictions", "the order is no longer in the state that the cancel asked for"),
    ("Market is closed", "the symbol is not trading now"),
    ("trading phase", "the symbol is not trading normally now"),
    ("not permitted for this account", "this account may not trade this symbol"),
    ("restricted for this account", "this account may not trade this symbol"),
    ("may not place or cancel orders", "trading is switched off for this account"),
    ("disabled on this account", "this action is switched off for this account"),
    ("are not support", "the symbol does not take this order type: see exchangeInfo"),
    ("amend (quantity increase)", "an amend can only lower the quantity"),
    ("amend (pending OPO order)", "its quantity is that of the working order: amend that one"),
    ("amend is not supported", "the symbol does not allow amends: cancel the order and place a smaller one"),
    ("cancel-replace is not supported", "the symbol does not allow it in one request: cancel, then place"),
    ("Check origClOrdId and orderId", "the two ids belong to different orders: give one of them"),
    ("order combination", "this combination of order options does not exist"),
    ("peg", "see the rules for pegged orders"),
    ("trading is not enabled", "trading through this API is switched off for this account"),
    ("Order book liquidity is less than", "the book is too thin for this order now"),
    ("IcebergQty exceeds QTY", "the iceberg's visible part must not exceed the quantity"),
    ("Price * QTY is zero or less", "price and quantity must be above zero"),
    ("relationship of the prices", "the legs' prices are on the wrong sides of the market"),
    ("would change no state", "the order has this quantity already"),
)
