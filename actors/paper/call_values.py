"""Parameters of a call that are read by themselves: symbol, numbers, words. Errors in the exchange's words."""

from dogwatch.actors.paper.calls import Call
from dogwatch.actors.paper.refusals import Refused, missing, refused

SYMBOL_STATUSES = ("TRADING", "HALT", "BREAK")


def symbol_in(call: Call) -> str:
    """The mandatory symbol, known or not."""
    symbol = call.params["symbol"]
    if not isinstance(symbol, str):
        raise missing("symbol")
    return symbol


def optional_integer(call: Call, name: str) -> int | None:
    """A whole number as JSON or as text."""
    value = call.params.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value


def row_limit(call: Call, *, default: int, largest: int) -> int:
    """How many rows are wanted: what is too large or too small is taken for the nearest that there is."""
    value = optional_integer(call, "limit")
    return default if value is None else max(1, min(value, largest))


def wanted_status(call: Call) -> str | None:
    """The status of symbols that was asked for, if any was."""
    wanted = call.params.get("symbolStatus")
    if wanted not in (None, *SYMBOL_STATUSES):
        raise refused(-1122)
    return wanted


def symbols_in(call: Call) -> list[str] | None:
    """The one symbol, or the list of symbols; None when there is neither. Raises Refused for both, or a double."""
    if "symbol" in call.params and "symbols" in call.params:
        raise Refused(-1128, "Combination of optional parameters invalid.")
    if "symbol" in call.params:
        return [symbol_in(call)]
    symbols = call.params.get("symbols")
    if symbols is None:
        return None
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise missing("symbols")
    if len(set(symbols)) < len(symbols):
        raise Refused(-1151, "Symbol is present multiple times in the list.")
    return symbols
