"""How the exchange says no before the matching engine is asked: code, message and status of the envelope's checks.

Refusals of the engine itself (filters, balances, unknown orders) stand in engine_errors.py.
"""

from typing import Any

from dogwatch.actors.paper.engine_errors import EngineError


class Refused(EngineError):
    """A request that never reaches the engine."""

    def __init__(self, code: int, msg: str, *, status: int = 400, data: dict[str, Any] | None = None) -> None:
        super().__init__(code, msg, status, data)


_MESSAGES = {
    -1020: (400, "This operation is not supported."),
    -1022: (400, "Signature for this request is not valid."),
    -1120: (400, "Invalid interval."),
    -1121: (400, "Invalid symbol."),
    -1122: (400, "Invalid symbolStatus."),
    -1139: (400, "Invalid ticker type."),
    -1193: (400, "WebSocket session not authenticated. Recommendation: use `session.logon`"),
    -1220: (400, "The symbol's status does not match the requested symbolStatus."),
    -2014: (401, "API-key format invalid."),
    -2015: (401, "Invalid API-key, IP, or permissions for action."),
    -2028: (400, "HMAC-SHA-256 API key is not supported."),
    -2035: (400, "User Data Stream subscription already active."),
    -2036: (400, "User Data Stream subscription not active."),
    -2042: (400, "Maximum subscription ID reached for this connection."),
    -2043: (400, "This symbol doesn't have a reference price."),
}


def refused(code: int) -> Refused:
    """The refusal with the one message that this code has."""
    status, message = _MESSAGES[code]
    return Refused(code, message, status=status)


def missing(name: str) -> Refused:
    """A mandatory parameter is absent or cannot be read (-1102)."""
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def out_of_range(name: str, largest: int) -> Refused:
    """A number is larger than the API allows (-1102)."""
    return Refused(-1102, f"'{name}' contains unexpected value. Cannot be greater than {largest}.")
