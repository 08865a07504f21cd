"""What became of the two parts of an order.cancelReplace: of the cancel, and of the new order. Pure.

The two are no transaction (WebSocket API, Cancel and replace order): either may succeed without the other, and each is
judged by what the answer says of it, a result, an error or nothing. What the answer does not say is unknown.
"""

import msgspec

from dogwatch.actors.spot.enums import AttemptResult
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult
from dogwatch.actors.spot.outcome import Accepted, Failure, Unknown, classify, classify_error
from dogwatch.actors.spot.results import (
    CancelReplaceResult,
    OrderListReport,
    OrderReport,
    decode_cancel,
    decode_result,
)


class Canceled(msgspec.Struct, frozen=True, gc=False):
    """The old order is canceled; with its whole list if it was in one."""

    report: OrderReport | OrderListReport


class Placed(msgspec.Struct, frozen=True, gc=False):
    """The exchange has the new order."""

    report: OrderReport


class NotAttempted(msgspec.Struct, frozen=True, gc=False):
    """The exchange says that it did not try this part."""


CancelPart = Canceled | Failure | NotAttempted
PlacingPart = Placed | Failure | NotAttempted


class CancelReplaceOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of each part."""

    cancel: CancelPart
    placing: PlacingPart


_CANCEL_REJECTED, _ORDER_REJECTED = -2011, -2010
_FAILED_IN_PARTS = frozenset({-2021, -2022})
# The error of a part has no status of its own. Any 4XX lets its code decide.
_PART_STATUS = 400


def judge(response: Response) -> CancelReplaceOutcome:
    """Say what became of the cancel and of the new order. Raises nothing, whatever the answer is.

    A result (status 200) and the `data` of -2021 (409) and -2022 (400) tell of both parts, each in its own words. The
    data outweighs code and status, for the documentation contradicts itself there (409 or 429 over the order limit);
    5XX outweighs the data. A refusal without data came before anything was done, by a filter (-1013), a limit (-1015)
    or for the request itself, and holds for both parts. What cannot be read leaves both unknown.
    """
    error = response.error
    if error is not None:
        parts = _read_parts(error.data) if response.status < 500 else None
        return _judge_error(response.status, error) if parts is None else judge_parts(parts)
    outcome = classify(response.status, None)
    if not isinstance(outcome, Accepted):
        return CancelReplaceOutcome(cancel=outcome, placing=outcome)
    parts = _read_parts(response.result)
    if parts is None:
        unknown = Unknown(reason=f"the answer to a cancelReplace cannot be read: {_excerpt(response.result)}")
        return CancelReplaceOutcome(cancel=unknown, placing=unknown)
    return judge_parts(parts)


def _read_parts(data: msgspec.Raw) -> CancelReplaceResult | None:
    """None for data that is not about the two parts: a limit's, or nothing."""
    try:
        return decode_result(data, CancelReplaceResult)
    except MalformedResult:
        return None


def judge_parts(parts: CancelReplaceResult) -> CancelReplaceOutcome:
    """Say what became of the cancel and of the new order, by what each part says of itself. Raises nothing."""
    cancel: CancelPart
    placing: PlacingPart
    try:
        if parts.cancel_result is AttemptResult.SUCCESS:
            cancel = Canceled(decode_cancel(parts.cancel_response))
        else:
            cancel = _judge_failure(parts.cancel_result, parts.cancel_response)
    except MalformedResult as problem:
        cancel = Unknown(reason=str(problem))
    try:
        if parts.new_order_result is AttemptResult.SUCCESS:
            placing = Placed(decode_result(parts.new_order_response, OrderReport))
        else:
            placing = _judge_failure(parts.new_order_result, parts.new_order_response)
    except MalformedResult as problem:
        placing = Unknown(reason=str(problem))
    return CancelReplaceOutcome(cancel=cancel, placing=placing)


def _judge_failure(result: AttemptResult, said: msgspec.Raw) -> Failure | NotAttempted:
    """A part that is said to have failed needs an error beside it, one that was not tried must have nothing."""
    if result is AttemptResult.NOT_ATTEMPTED and bytes(said) in (b"", b"null"):
        return NotAttempted()
    if result is AttemptResult.FAILURE:
        try:
            return classify_error(_PART_STATUS, decode_result(said, ExchangeError))
        except MalformedResult:
            pass  # it says nothing that could be believed
    return Unknown(reason=f"the exchange calls a part of a cancelReplace {result!s} and says: {_excerpt(said)}")


def _judge_error(status: int, error: ExchangeError) -> CancelReplaceOutcome:
    """For an error that does not tell of the parts."""
    outcome = classify_error(status, error)
    unsaid = Unknown(reason="the exchange does not tell of this part", code=error.code, wording=error.message)
    if error.code in _FAILED_IN_PARTS:
        return CancelReplaceOutcome(cancel=unsaid, placing=unsaid)
    # The engine's own refusals are documented inside of the data only. Outside of it, each tells of its part alone.
    return CancelReplaceOutcome(
        cancel=unsaid if error.code == _ORDER_REJECTED else outcome,
        placing=unsaid if error.code == _CANCEL_REJECTED else outcome,
    )


def _excerpt(said: msgspec.Raw) -> str:
    return bytes(said)[:200].decode("utf-8", "replace") or "nothing"
