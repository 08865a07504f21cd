"""What the answer to a request says about its execution.

Four outcomes, never mixed up: accepted, refused, turned away before it could be executed, unknown. Only the exchange's
own words decide; silence and 5XX decide nothing. What follows for an order lives in `order_state.py`, when an unknown
outcome may become known by silence in `verdict.py`.
"""

import msgspec

from dogwatch.actors.spot.error_codes import hint_for
from dogwatch.actors.spot.errors import ExchangeError


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The exchange has carried it out. The result says what came of it."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The exchange has looked at it and said no. It was not executed, and would be refused again as it is."""

    code: int
    wording: str
    hint: str = ""


class NotExecuted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It was turned away for a reason that is not in the request itself: a limit, the clock, the key, a busy server.

    It was not executed. `retry_after_ms` is the server time before which nothing may be sent, if the exchange said so.
    """

    code: int
    wording: str
    hint: str = ""
    retry_after_ms: int | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It left this machine and nobody knows whether it was executed. Never repeat it; ask.

    `code` and `wording` are the exchange's, if it answered at all.
    """

    reason: str
    code: int | None = None
    wording: str = ""


Failure = Refused | NotExecuted | Unknown
Outcome = Accepted | Failure

# -1000 and -1001 do not say that nothing was done, and -1161 only that the answer could not be written down. -2021 says
# that one of two things was done: `cancel_replace.judge` reads which.
UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1161, -2021})

# Refused at the door, whatever the order was. -1015 is the order count, -1021 the clock, -1193 and -2015 the key.
TURNED_AWAY_CODES = frozenset({-1002, -1003, -1008, -1015, -1016, -1021, -1022, -1034, -1193, -2014, -2015})
TURNED_AWAY_STATUSES = frozenset({401, 403, 418, 429})

_NO_SUCH_OPEN_ORDER = "Unknown order sent"
_DUPLICATE = "Duplicate order sent"


def classify(status: int, error: ExchangeError | None) -> Outcome:
    """Say what a response means for the execution of its request. `status` and `error` are the response's."""
    if error is not None:
        return classify_error(status, error)
    if status == 200:
        return Accepted()
    if status in TURNED_AWAY_STATUSES:
        return NotExecuted(code=0, wording=f"status {status} without a reason")
    return Unknown(reason=f"the exchange answered with status {status} and nothing else")


def classify_error(status: int, error: ExchangeError) -> Failure:
    """Say what an error means for the execution of its request.

    Only 4XX says that it was refused: "the issue is on the sender's side". For 5XX "the execution status is UNKNOWN and
    could have been a success", whatever the code, and an error with any other status contradicts itself (WebSocket API,
    Response format, Status codes).
    """
    code, wording = error.code, error.message
    if not 400 <= status < 500:
        return Unknown(reason=f"the exchange answered with status {status}", code=code, wording=wording)
    if code in UNKNOWN_CODES:
        return Unknown(reason="the exchange does not know the outcome", code=code, wording=wording)
    if _DUPLICATE in wording:
        # No client order id is given out twice here: the open order that has it already may be this very one.
        return Unknown(reason="an open order has this id already", code=code, wording=wording)
    hint = hint_for(code, wording)
    if status in TURNED_AWAY_STATUSES or code in TURNED_AWAY_CODES:
        return NotExecuted(code=code, wording=wording, hint=hint, retry_after_ms=error.retry_after_ms)
    return Refused(code=code, wording=wording, hint=hint)


def found_nothing_to_cancel(code: int, wording: str) -> bool:
    """Whether the refusal of a cancel says that there is no such open order: it may have filled, ended, or never been.

    Other refusals of a cancel (limits, restrictions, the clock) say nothing about the order. The texts belong to -1010
    as well (errors.md, Messages for -1010, -2010, -2011 and -2038).
    """
    return code in (-1010, -2011) and _NO_SUCH_OPEN_ORDER in wording


def found_nothing_to_amend(code: int, wording: str) -> bool:
    """Whether the refusal of an amend says that there is no such open order: see `found_nothing_to_cancel`.

    -2038 and -2011 share their texts (errors.md, Messages for -1010, -2010, -2011 and -2038).
    """
    return code == -2013 or _NO_SUCH_OPEN_ORDER in wording
