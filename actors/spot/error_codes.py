"""The error codes of the exchange: their names, and what to do about each (Error codes, errors.md)."""

import msgspec


class CodeFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known about an error code: its documented name, and what to do."""

    name: str
    hint: str = ""


def hint_for(code: int, message: str) -> str:
    """What to do about an error of the exchange, or an empty string. The text decides before the code does."""
    for text, hint in _TEXT_HINTS:
        if text in message:
            return hint
    return facts_of(code).hint


def facts_of(code: int) -> CodeFacts:
    """What is known about a code; its name is UNLISTED if the documentation does not have it."""
    return CODES.get(code, _UNLISTED)


_UNLISTED = CodeFacts(name="UNLISTED")

_CLOCK = (
    "the exchange's clock is followed, and this was sent again while there was time: raise recv_window_ms if the way "
    "to the exchange takes so long, or give the request more time"
)
_KEY = "check the key's permissions and its IP list, and that the key belongs to this venue"
_SLOW = "wait until the limit resets; market data belongs on streams"
_OURS = "this is a mistake in the request as it was built"
_FIX = "only the FIX API says this, which is not used here"
_SBE = "answers are asked for and read as JSON, not as SBE: look for what changes the request on its way"
_PRICES = "the legs' prices are on the wrong sides of the market"

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
    -1020: CodeFacts(name="UNSUPPORTED_OPERATION", hint="the exchange has no such operation, or not on this venue"),
    -1021: CodeFacts(name="INVALID_TIMESTAMP", hint=_CLOCK),
    -1022: CodeFacts(
        name="INVALID_SIGNATURE",
        hint="the private key or secret does not belong to this API key, or the signed text differs from what was sent",
    ),
    -1033: CodeFacts(name="COMP_ID_IN_USE", hint=_FIX),
    -1034: CodeFacts(name="TOO_MANY_CONNECTIONS", hint="wait: 300 connection attempts per 5 minutes and IP"),
    -1035: CodeFacts(name="LOGGED_OUT", hint=_FIX),
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
    -1122: CodeFacts(name="INVALID_SYMBOLSTATUS", hint="TRADING, HALT or BREAK"),
    -1125: CodeFacts(
        name="INVALID_LISTEN_KEY", hint="listen keys are no more: userDataStream.subscribe takes their place"
    ),
    -1127: CodeFacts(name="MORE_THAN_XX_HOURS", hint="ask for at most 24 hours at a time"),
    -1128: CodeFacts(name="OPTIONAL_PARAMS_BAD_COMBO", hint="these optional parameters do not go together"),
    -1130: CodeFacts(name="INVALID_PARAMETER", hint=_OURS),
    -1134: CodeFacts(name="BAD_STRATEGY_TYPE", hint="strategyType starts at 1000000"),
    -1135: CodeFacts(name="INVALID_JSON", hint=_OURS),
    -1139: CodeFacts(name="INVALID_TICKER_TYPE", hint="FULL or MINI"),
    -1145: CodeFacts(name="INVALID_CANCEL_RESTRICTIONS", hint="ONLY_NEW or ONLY_PARTIALLY_FILLED"),
    -1151: CodeFacts(name="DUPLICATE_SYMBOLS", hint="name each symbol once"),
    -1152: CodeFacts(name="INVALID_SBE_HEADER", hint=_SBE),
    -1153: CodeFacts(name="UNSUPPORTED_SCHEMA_ID", hint=_SBE),
    -1155: CodeFacts(name="SBE_DISABLED", hint=_SBE),
    -1158: CodeFacts(name="OCO_ORDER_TYPE_REJECTED", hint="see which order types a leg of this list may have"),
    -1160: CodeFacts(name="OCO_ICEBERGQTY_TIMEINFORCE", hint="an iceberg leg must be GTC"),
    -1161: CodeFacts(name="DEPRECATED_SCHEMA", hint=_SBE),
    -1165: CodeFacts(name="BUY_OCO_LIMIT_MUST_BE_BELOW", hint=_PRICES),
    -1166: CodeFacts(name="SELL_OCO_LIMIT_MUST_BE_ABOVE", hint=_PRICES),
    -1168: CodeFacts(
        name="BOTH_OCO_ORDERS_CANNOT_BE_LIMIT",
        hint="one leg must be a STOP_LOSS, a TAKE_PROFIT or one of their _LIMIT forms",
    ),
    -1169: CodeFacts(name="INVALID_TAG_NUMBER", hint=_FIX),
    -1170: CodeFacts(name="TAG_NOT_DEFINED_IN_MESSAGE", hint=_FIX),
    -1171: CodeFacts(name="TAG_APPEARS_MORE_THAN_ONCE", hint=_FIX),
    -1172: CodeFacts(name="TAG_OUT_OF_ORDER", hint=_FIX),
    -1173: CodeFacts(name="GROUP_FIELDS_OUT_OF_ORDER", hint=_FIX),
    -1174: CodeFacts(name="INVALID_COMPONENT", hint=_FIX),
    -1175: CodeFacts(name="RESET_SEQ_NUM_SUPPORT", hint=_FIX),
    -1176: CodeFacts(name="ALREADY_LOGGED_IN", hint=_FIX),
    -1177: CodeFacts(name="GARBLED_MESSAGE", hint=_FIX),
    -1178: CodeFacts(name="BAD_SENDER_COMPID", hint=_FIX),
    -1179: CodeFacts(name="BAD_SEQ_NUM", hint=_FIX),
    -1180: CodeFacts(name="EXPECTED_LOGON", hint=_FIX),
    -1181: CodeFacts(name="TOO_MANY_MESSAGES", hint=_FIX),
    -1182: CodeFacts(name="PARAMS_BAD_COMBO", hint=_FIX),
    -1183: CodeFacts(name="NOT_ALLOWED_IN_DROP_COPY_SESSIONS", hint=_FIX),
    -1184: CodeFacts(name="DROP_COPY_SESSION_NOT_ALLOWED", hint=_FIX),
    -1185: CodeFacts(name="DROP_COPY_SESSION_REQUIRED", hint=_FIX),
    -1186: CodeFacts(name="NOT_ALLOWED_IN_ORDER_ENTRY_SESSIONS", hint=_FIX),
    -1187: CodeFacts(name="NOT_ALLOWED_IN_MARKET_DATA_SESSIONS", hint=_FIX),
    -1188: CodeFacts(name="INCORRECT_NUM_IN_GROUP_COUNT", hint=_FIX),
    -1189: CodeFacts(name="DUPLICATE_ENTRIES_IN_A_GROUP", hint=_FIX),
    -1190: CodeFacts(name="INVALID_REQUEST_ID", hint=_FIX),
    -1191: CodeFacts(name="TOO_MANY_SUBSCRIPTIONS", hint="spread the subscriptions over more connections"),
    # Seen on the wire, missing from errors.md.
    -1193: CodeFacts(name="SESSION_NOT_AUTHENTICATED", hint="session.logon comes first; it takes an Ed25519 key"),
    -1194: CodeFacts(name="INVALID_TIME_UNIT", hint="MICROSECOND or MILLISECOND"),
    -1196: CodeFacts(name="BUY_OCO_STOP_LOSS_MUST_BE_ABOVE", hint=_PRICES),
    -1197: CodeFacts(name="SELL_OCO_STOP_LOSS_MUST_BE_BELOW", hint=_PRICES),
    -1198: CodeFacts(name="BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW", hint=_PRICES),
    -1199: CodeFacts(name="SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE", hint=_PRICES),
    -1210: CodeFacts(name="INVALID_PEG_PRICE_TYPE", hint="PRIMARY_PEG or MARKET_PEG"),
    -1211: CodeFacts(name="INVALID_PEG_OFFSET_TYPE", hint="PRICE_LEVEL"),
    -1220: CodeFacts(name="SYMBOL_DOES_NOT_MATCH_STATUS", hint="the symbol is not in the state that was asked for"),
    -1221: CodeFacts(name="INVALID_SBE_MESSAGE_FIELD", hint=_SBE),
    -1222: CodeFacts(name="OPO_WORKING_MUST_BE_BUY", hint="an OPO buys first and sells what it bought"),
    -1223: CodeFacts(name="OPO_PENDING_MUST_BE_SELL", hint="an OPO buys first and sells what it bought"),
    -1224: CodeFacts(name="WORKING_PARAM_REQUIRED", hint=_OURS),
    -1225: CodeFacts(
        name="PENDING_PARAM_NOT_REQUIRED",
        hint="the pending order takes its quantity from what was bought: leave it out",
    ),
    -2010: CodeFacts(name="NEW_ORDER_REJECTED"),
    -2011: CodeFacts(
        name="CANCEL_REJECTED", hint="the order may have been filled or canceled already: ask for its status"
    ),
    -2013: CodeFacts(name="NO_SUCH_ORDER", hint="an order placed a moment ago may not be visible yet"),
    -2014: CodeFacts(
        name="BAD_API_KEY_FMT", hint="the API key has 64 letters and digits; look for a stray blank or newline"
    ),
    -2015: CodeFacts(name="REJECTED_MBX_KEY", hint=_KEY),
    -2016: CodeFacts(name="NO_TRADING_WINDOW", hint="the symbol did not trade in this window: ask for ticker.24hr"),
    -2021: CodeFacts(
        name="CANCEL_REPLACE_PARTIALLY_FAILED", hint="one of the two happened: look into the error's data"
    ),
    -2022: CodeFacts(name="CANCEL_REPLACE_FAILED", hint="neither happened"),
    -2026: CodeFacts(name="ORDER_ARCHIVED", hint="it ended unfilled more than 90 days ago"),
    -2028: CodeFacts(
        name="KEY_TYPE_NOT_SUPPORTED", hint="session.logon takes an Ed25519 key; make one with `dogwatch keygen`"
    ),
    -2035: CodeFacts(name="SUBSCRIPTION_ACTIVE", hint="one subscription per account and connection"),
    -2036: CodeFacts(name="SUBSCRIPTION_INACTIVE", hint="it was closed before, or opened on another connection"),
    -2038: CodeFacts(name="ORDER_AMEND_REJECTED", hint="an amend can only lower the quantity of an open order"),
    -2039: CodeFacts(name="CLIENT_ORDER_ID_INVALID", hint="this client order id belongs to another order"),
    -2042: CodeFacts(name="MAXIMUM_SUBSCRIPTION_IDS", hint="open a new connection"),
    -2043: CodeFacts(name="NO_REFERENCE_PRICE", hint="not every symbol has one"),
}
"""The codes of errors.md, July 2026: those of WebSocket and REST, and for completeness those of FIX and SBE."""

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
    ("Filter failure: MAX_ASSET", "the order moves more of an asset than this account may at a time: see myFilters"),
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
    ("self-trade prevention mode", "see allowedSelfTradePreventionModes of the symbol in exchangeInfo"),
    ("order combination", "this combination of order options does not exist"),
    ("peg", "see the rules for pegged orders"),
    ("trading is not enabled", "trading through this API is switched off for this account"),
    ("Order book liquidity is less than", "the book is too thin for this order now"),
    ("IcebergQty exceeds QTY", "the iceberg's visible part must not exceed the quantity"),
    ("Price * QTY is zero or less", "price and quantity must be above zero"),
    ("relationship of the prices", _PRICES),
    ("would change no state", "the order has this quantity already"),
)
