"""Why the exchange says no: EngineError and every refusal text that the engine uses. No rules here, only their words.

Texts and codes: errors.md, "Error codes for Binance", "Filter failures", "Messages for -1010, -2010, -2011 and -2038".
"""

from collections.abc import Callable
from typing import Any


class EngineError(Exception):
    """The exchange refuses a request: its error code, its text, the HTTP-like status of the reply.

    `data` goes along in the error: when to try again, or what became of the parts of the request.
    """

    def __init__(self, code: int, msg: str, status: int = 400, data: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data


def filter_failure(name: str) -> EngineError:
    return EngineError(-1013, f"Filter failure: {name}")


def illegal_characters(name: str, legal: str) -> EngineError:
    return EngineError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def mandatory(name: str) -> EngineError:
    return EngineError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of_two(first: str, second: str) -> EngineError:
    return EngineError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def unread(read: int, sent: int) -> EngineError:
    return EngineError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def empty(name: str) -> EngineError:
    return EngineError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> EngineError:
    return EngineError(-1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> EngineError:
    return EngineError(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> EngineError:
    return EngineError(-1111, f"Parameter '{name}' has too much precision.")


def bad_combination() -> EngineError:
    return EngineError(-1128, "Combination of optional parameters invalid.")


def not_valid(name: str) -> EngineError:
    return EngineError(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_symbol() -> EngineError:
    return EngineError(-1121, "Invalid symbol.")


def rejected(msg: str) -> EngineError:
    """The matching engine refuses a new order."""
    return EngineError(-2010, msg)


def insufficient_balance() -> EngineError:
    return rejected("Account has insufficient balance for requested action.")


def unknown_order() -> EngineError:
    return EngineError(-2011, "Unknown order sent.")


def amend_rejected(msg: str) -> EngineError:
    """The matching engine refuses to amend an order."""
    return EngineError(-2038, msg)


def replacement_failed(parts: dict[str, Any], *, is_partial: bool) -> EngineError:
    """Not everything of a cancel-replace worked; `parts` says what became of each (WebSocket API, Cancel and replace
    order)."""
    if is_partial:
        return EngineError(-2021, "Order cancel-replace partially failed.", 409, parts)
    return EngineError(-2022, "Order cancel-replace failed.", 400, parts)


def no_such_order() -> EngineError:
    return EngineError(-2013, "Order does not exist.")


NEW_ORDER_REJECTED = -2010

# Texts of the matching engine that the user data stream has a word for (User Data Streams, Order Reject Reason).
REJECT_REASONS = {
    "Account has insufficient balance for requested action.": "INSUFFICIENT_BALANCES",
    "Order would immediately match and take.": "WOULD_MATCH_IMMEDIATELY",
}

# How a symbol refuses an order type that it does not take.
TYPE_REFUSALS = {
    "LIMIT": "Limit orders are not supported for this symbol.",
    "LIMIT_MAKER": "Limit maker orders are not supported for this symbol.",
    "MARKET": "Market orders are not supported for this symbol.",
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}

_UNSUPPORTED_METHODS: dict[str, Callable[[], EngineError]] = {
    "orderList.place": lambda: rejected("OCO orders are not supported for this symbol"),
    "orderList.place.oco": lambda: rejected("OCO orders are not supported for this symbol"),
    "orderList.place.oto": lambda: rejected("OTO orders are not supported for this symbol"),
    "orderList.place.otoco": lambda: rejected("OTO orders are not supported for this symbol"),
    "orderList.place.opo": lambda: rejected("OPO orders are not supported for this symbol."),
    "orderList.place.opoco": lambda: rejected("OPO orders are not supported for this symbol."),
    "sor.order.place": lambda: rejected("This symbol is not permitted for this account."),
}


def unsupported_method(method: str) -> EngineError | None:
    """The refusal for a trading method whose feature no symbol here has switched on; None for any other method."""
    make = _UNSUPPORTED_METHODS.get(method)
    return make() if make else None
