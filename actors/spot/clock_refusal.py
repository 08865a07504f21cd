"""Whether the exchange turned a request away for its timestamp alone, so that it may be sent again. Pure.

The time is checked at the door, again before the engine, and once more behind the broker (Timing security; changelog,
"timestamp"): whoever fails any of these was not executed. What was executed in part must never be sent again.
"""

from dogwatch.actors.spot.cancel_replace import NotAttempted, judge
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.outcome import NotExecuted, Refused

__all__ = ["is_about_the_clock", "is_ahead", "is_turned_away_by_the_clock"]

TIMESTAMP_REFUSED, PARAMETER_REFUSED = -1021, -1102


def is_about_the_clock(code: int, wording: str) -> bool:
    """Whether a timestamp was refused. One of a far future is no valid parameter to the exchange (Timing security)."""
    return code == TIMESTAMP_REFUSED or (code == PARAMETER_REFUSED and "'timestamp'" in wording)


def is_ahead(code: int, wording: str) -> bool | None:
    """Whether the refused timestamp was ahead of the exchange's clock; None if the answer does not say."""
    if code != TIMESTAMP_REFUSED:
        return None
    if "ahead of the server's time" in wording:
        return True
    return False if "outside of the recvWindow" in wording else None


def is_turned_away_by_the_clock(method: Method, response: Response) -> bool:
    """Whether this answer proves that nothing of the request was executed, and names its timestamp as the reason.

    An order.cancelReplace is two requests: both must have been turned away by the clock, or the second not tried. Any
    other is executed as a whole or not at all, a list of orders too.
    """
    error = response.error
    if error is None or not 400 <= response.status < 500:
        return False
    if method is Method.ORDER_CANCEL_REPLACE:
        outcome = judge(response)
        placing = outcome.placing
        return _is_the_clocks(outcome.cancel) and (isinstance(placing, NotAttempted) or _is_the_clocks(placing))
    return is_about_the_clock(error.code, error.message)


def _is_the_clocks(part: object) -> bool:
    return isinstance(part, NotExecuted | Refused) and is_about_the_clock(part.code, part.wording)
