"""Timestamps in microseconds for connections that asked for them (`timeUnit=MICROSECOND` in the URL). Pure.

The exchange counts in milliseconds; a connection in microseconds gets every timestamp of a payload times a thousand.
"""

from typing import Any
from urllib.parse import parse_qs

from dogwatch.actors.paper.refusals import Refused

_RESULT_TIMES = frozenset(
    {
        "T",
        "authorizedSince",
        "closeTime",
        "connectedSince",
        "openTime",
        "retryAfter",
        "serverTime",
        "time",
        "timestamp",
        "trailingTime",
        "transactTime",
        "transactionTime",
        "updateTime",
        "workingTime",
    }
)
_EVENT_TIMES = {
    "1dTicker": frozenset({"E", "O", "C"}),
    "1hTicker": frozenset({"E", "O", "C"}),
    "24hrMiniTicker": frozenset({"E"}),
    "24hrTicker": frozenset({"E", "O", "C"}),
    "4hTicker": frozenset({"E", "O", "C"}),
    "aggTrade": frozenset({"E", "T"}),
    "avgPrice": frozenset({"E", "T"}),
    "balanceUpdate": frozenset({"E", "T"}),
    "depthUpdate": frozenset({"E"}),
    "eventStreamTerminated": frozenset({"E"}),
    "executionReport": frozenset({"D", "E", "O", "T", "W"}),
    "externalLockUpdate": frozenset({"E", "T"}),
    "kline": frozenset({"E"}),
    "listStatus": frozenset({"E", "T"}),
    "outboundAccountPosition": frozenset({"E", "u"}),
    "referencePrice": frozenset({"t"}),
    "serverShutdown": frozenset({"E"}),
    "trade": frozenset({"E", "T"}),
}
_KLINE_TIMES = frozenset({"t", "T"})


def is_in_microseconds(query: str) -> bool:
    """What `timeUnit` in a URL's query string asks for. Raises Refused (-1194) for an unknown unit."""
    return is_microseconds(parse_qs(query).get("timeUnit", ["MILLISECOND"])[-1])


def is_microseconds(unit: str) -> bool:
    """What a time unit asks for. Raises Refused (-1194) for an unknown one."""
    if unit in {"MICROSECOND", "microsecond"}:
        return True
    if unit in {"MILLISECOND", "millisecond"}:
        return False
    raise Refused(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def result_in_microseconds(result: Any) -> Any:
    """A reply's result with its timestamps in microseconds; marks such as -1 stay."""
    if isinstance(result, dict):
        return {
            name: _scaled(value) if name in _RESULT_TIMES else result_in_microseconds(value)
            for name, value in result.items()
        }
    if isinstance(result, list):
        return [result_in_microseconds(item) for item in result]
    return result


def klines_in_microseconds(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows of a klines reply: their times stand at positions 0 and 6."""
    return [[_scaled(value) if place in {0, 6} else value for place, value in enumerate(row)] for row in rows]


def event_in_microseconds(event: dict[str, Any]) -> dict[str, Any]:
    """An event of the user data stream or of a market stream with its timestamps in microseconds."""
    times = _EVENT_TIMES.get(event.get("e", ""), frozenset())
    scaled = {name: _scaled(value) if name in times else value for name, value in event.items()}
    if "k" in scaled:
        scaled["k"] = {name: _scaled(value) if name in _KLINE_TIMES else value for name, value in scaled["k"].items()}
    return scaled


def _scaled(value: Any) -> Any:
    return value * 1000 if isinstance(value, int) and value > 0 else value
