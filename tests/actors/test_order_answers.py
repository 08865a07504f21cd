"""What an answer means for its order: proof that nothing left, a report, a refusal, or a doubt. Never anything else."""

from typing import Any

import msgspec
import pytest

from dogwatch.actors.order_answers import (
    error_of,
    error_of_replacing,
    event_of_amending,
    event_of_amending_response,
    event_of_canceling,
    event_of_late_response,
    event_of_placing,
    event_of_query,
    events_of_replacing,
    events_of_replacing_response,
)
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendRefused,
    AmendUnknown,
    AmendUnsent,
    CancelAcknowledged,
    CancelRefused,
    CancelUnknown,
    CancelUnsent,
    NotAttempted,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Unsent,
)
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from dogwatch.runtime.errors import AskTimeout, MailboxFull
from dogwatch.runtime.messages import Answer
from tests.actors.fake_session import refusal, result

REPORT: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": 12, "clientOrderId": "a", "transactTime": 5}
CANCELED: dict[str, Any] = {**REPORT, "clientOrderId": "c", "origClientOrderId": "a", "status": "CANCELED"}
AMENDED: dict[str, Any] = {
    "transactTime": 8,
    "executionId": 16,
    "amendedOrder": {
        **REPORT,
        "origClientOrderId": "a",
        "price": "100",
        "qty": "1.5",
        "executedQty": "0.5",
        "cumulativeQuoteQty": "50",
        "status": "PARTIALLY_FILLED",
        "type": "LIMIT",
        "side": "BUY",
    },
}
LIST_CANCELED: dict[str, Any] = {
    "orderListId": 3,
    "contingencyType": "OCO",
    "listStatusType": "ALL_DONE",
    "listOrderStatus": "ALL_DONE",
    "listClientOrderId": "l",
    "transactionTime": 6,
    "symbol": "BTCUSDT",
    "orderReports": [CANCELED],
}
NO_SUCH = {"code": -2011, "msg": "Unknown order sent."}
WOULD_MATCH = {"code": -2010, "msg": "Order would immediately match and take."}

NOTHING_LEFT = [NotSent("the link is down"), MailboxFull("full")]
NOBODY_KNOWS = {
    OutcomeUnknown("the link was lost", hint="ask for its status"): "the link was lost (ask for its status)",
    AskTimeout("dogwatch/link/session did not answer in time"): "no answer came in time",
    RuntimeError("something else"): "something else",
}


def answer(said: Response | Exception) -> Answer:
    if isinstance(said, Response):
        return Answer(tag=None, value=said)
    return Answer(tag=None, error=said)


def in_parts(cancel_result: str, cancel: object, new_order_result: str, new_order: object) -> dict[str, object]:
    return {
        "cancelResult": cancel_result,
        "newOrderResult": new_order_result,
        "cancelResponse": cancel,
        "newOrderResponse": new_order,
    }


def failed_in_parts(*parts: Any, code: int = -2021) -> Response:
    data = msgspec.Raw(msgspec.json.encode(in_parts(*parts)))
    error = ExchangeError(code=code, message="Order cancel-replace failed.", status=409, data=data)
    return Response(id=1, status=409, error=error)


@pytest.mark.parametrize("error", NOTHING_LEFT, ids=repr)
def test_what_never_left_is_not_sent_whatever_it_asked_for(error: Exception) -> None:
    assert event_of_placing(answer(error)) == Unsent(str(error))
    assert event_of_canceling(answer(error)) == CancelUnsent(str(error))
    assert event_of_amending(answer(error)) == AmendUnsent(str(error))
    assert events_of_replacing(answer(error)) == (CancelUnsent(str(error)), Unsent(str(error)))


@pytest.mark.parametrize(("error", "reason"), NOBODY_KNOWS.items(), ids=repr)
def test_any_other_failure_leaves_the_outcome_open(error: Exception, reason: str) -> None:
    assert event_of_placing(answer(error)) == Unknown(reason=reason)
    assert event_of_canceling(answer(error)) == CancelUnknown(reason)
    assert event_of_amending(answer(error)) == AmendUnknown(reason)
    assert events_of_replacing(answer(error)) == (CancelUnknown(reason), Unknown(reason=reason))


def test_reports_become_acknowledgements() -> None:
    assert isinstance(event_of_placing(answer(result(REPORT))), Acknowledged)
    assert isinstance(event_of_canceling(answer(result(CANCELED))), CancelAcknowledged)
    assert isinstance(event_of_query(answer(result(REPORT))), QueryFound)
    amended = event_of_amending(answer(result(AMENDED)))
    assert isinstance(amended, AmendAcknowledged)
    assert (amended.result.execution_id, str(amended.result.amended_order.quantity)) == (16, "1.5")


def test_an_answer_that_cannot_be_read_leaves_a_doubt() -> None:
    spoiled = answer(result({"orderId": "x"}))
    assert isinstance(event_of_placing(spoiled), Unknown)
    assert isinstance(event_of_canceling(spoiled), CancelUnknown)
    assert isinstance(event_of_amending(spoiled), AmendUnknown)
    assert event_of_query(spoiled) is None
    canceling, placing = events_of_replacing(spoiled)
    assert isinstance(canceling, CancelUnknown)
    assert isinstance(placing, Unknown)


def test_a_cancel_that_ended_a_whole_list_is_asked_about() -> None:
    assert event_of_canceling(answer(result(LIST_CANCELED))) == CancelUnknown("it was canceled with its order list")
    replaced = events_of_replacing(answer(result(in_parts("SUCCESS", LIST_CANCELED, "SUCCESS", REPORT))))
    assert replaced[0] == CancelUnknown("it was canceled with its order list")


def test_a_refusal_keeps_the_exchanges_words() -> None:
    unchanged = "The requested action would change no state; rejecting"
    assert event_of_amending_response(refusal(-2038, unchanged)) == AmendRefused(-2038, unchanged)
    assert event_of_canceling(answer(refusal(-2011, "Unknown order sent."))) == CancelRefused(
        -2011, "Unknown order sent."
    )
    refused = event_of_placing(answer(refusal(-1013, "Filter failure: LOT_SIZE")))
    assert isinstance(refused, Refused)
    assert isinstance(event_of_placing(answer(refusal(-1015, "Too many new orders.", 429))), NotExecuted)
    assert isinstance(event_of_query(answer(refusal(-2013, "Order does not exist."))), QueryMissing)
    assert event_of_query(answer(refusal(-1003, "Too many requests queued.", 429))) is None


def test_a_doubt_keeps_the_exchanges_words_too() -> None:
    timeout = refusal(-1007, "Timeout waiting for response.", 504)
    for event in (event_of_canceling(answer(timeout)), event_of_amending_response(timeout)):
        assert isinstance(event, CancelUnknown | AmendUnknown)
        assert event.reason == "the exchange answered with status 504: Timeout waiting for response. [-1007]"


REPLACED: list[tuple[str, Response, type, type]] = [
    ("both", result(in_parts("SUCCESS", CANCELED, "SUCCESS", REPORT)), CancelAcknowledged, Acknowledged),
    ("stopped", failed_in_parts("FAILURE", NO_SUCH, "NOT_ATTEMPTED", None, code=-2022), CancelRefused, NotAttempted),
    ("only canceled", failed_in_parts("SUCCESS", CANCELED, "FAILURE", WOULD_MATCH), CancelAcknowledged, Refused),
    ("only placed", failed_in_parts("FAILURE", NO_SUCH, "SUCCESS", REPORT), CancelRefused, Acknowledged),
    ("neither", failed_in_parts("FAILURE", NO_SUCH, "FAILURE", WOULD_MATCH, code=-2022), CancelRefused, Refused),
    ("half unreadable", failed_in_parts("SUCCESS", None, "FAILURE", WOULD_MATCH), CancelUnknown, Refused),
    ("the cancel not tried", failed_in_parts("NOT_ATTEMPTED", None, "SUCCESS", REPORT), CancelRefused, Acknowledged),
    ("a limit", refusal(-1015, "Too many new orders.", 429), CancelRefused, NotExecuted),
    ("a filter", refusal(-1013, "Filter failure: LOT_SIZE"), CancelRefused, Refused),
    ("a timeout", refusal(-1007, "Timeout.", 504), CancelUnknown, Unknown),
]


@pytest.mark.parametrize(("name", "response", "canceling", "placing"), REPLACED, ids=[case[0] for case in REPLACED])
def test_a_cancel_replace_tells_two_orders_what_became_of_them(
    name: str, response: Response, canceling: type, placing: type
) -> None:
    events = events_of_replacing(answer(response))
    assert tuple(map(type, events)) == (canceling, placing)
    assert events_of_replacing_response(response) == events


def test_an_order_that_was_not_attempted_says_why() -> None:
    _, placing = events_of_replacing_response(failed_in_parts("FAILURE", NO_SUCH, "NOT_ATTEMPTED", None))
    assert placing == NotAttempted("the exchange did not attempt to place it: Unknown order sent. [-2011]")
    canceling, _ = events_of_replacing_response(failed_in_parts("NOT_ATTEMPTED", None, "FAILURE", WOULD_MATCH))
    assert canceling == CancelRefused(-2021, "the exchange did not attempt the cancel: Order cancel-replace failed.")


@pytest.mark.parametrize(
    ("method", "response", "kind"),
    [
        (Method.ORDER_PLACE, result(REPORT), Acknowledged),
        (Method.ORDER_CANCEL, result(CANCELED), CancelAcknowledged),
        (Method.ORDER_AMEND, result(AMENDED), AmendAcknowledged),
        (Method.ORDER_AMEND, refusal(-2038, "Order amend (quantity increase) is not supported."), AmendRefused),
        (Method.ORDER_STATUS, refusal(-2013, "Order does not exist."), QueryMissing),
        (Method.ORDER_CANCEL_REPLACE, result(in_parts("SUCCESS", CANCELED, "SUCCESS", REPORT)), type(None)),
        (Method.ACCOUNT_STATUS, result({}), type(None)),
    ],
)
def test_a_late_response_is_evidence_like_one_in_time(method: Method, response: Response, kind: type) -> None:
    assert type(event_of_late_response(method, response)) is kind


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Unsent("no link"), NotSent),
        (CancelUnsent("no link"), NotSent),
        (AmendUnsent("no link"), NotSent),
        (NotAttempted("the cancel was refused"), NotSent),
        (Refused(code=-2010, wording="no"), Rejected),
        (NotExecuted(code=-1015, wording="no"), Rejected),
        (CancelRefused(-2011, "no"), Rejected),
        (AmendRefused(-2038, "no"), Rejected),
        (Unknown(reason="no answer"), type(None)),
        (CancelUnknown("no answer"), type(None)),
        (AmendUnknown("no answer"), type(None)),
        (QueryMissing(), type(None)),
    ],
)
def test_the_caller_gets_an_error_only_when_nothing_was_done(event: OrderEvent, kind: type) -> None:
    assert type(error_of(event)) is kind


def test_a_refused_amend_comes_with_a_hint() -> None:
    error = error_of(AmendRefused(-2038, "Order amend (quantity increase) is not supported."))
    assert "can only lower the quantity" in str(error)


def raised(response: Response) -> str:
    return str(error_of_replacing(*events_of_replacing_response(response)))


def test_an_error_about_the_new_order_says_what_became_of_the_old_one() -> None:
    only_canceled = raised(failed_in_parts("SUCCESS", CANCELED, "FAILURE", WOULD_MATCH))
    assert "immediately match and take. [-2010] (the order to replace is canceled; a LIMIT_MAKER" in only_canceled
    neither = raised(failed_in_parts("FAILURE", NO_SUCH, "FAILURE", WOULD_MATCH))
    assert "the order to replace was not canceled: Unknown order sent. [-2011]" in neither
    half = raised(failed_in_parts("SUCCESS", None, "FAILURE", WOULD_MATCH))
    assert "whether the order to replace is canceled is not known yet" in half
    unsent = error_of_replacing(*events_of_replacing(answer(NotSent("the link is down"))))
    assert isinstance(unsent, NotSent)
    assert str(unsent) == "the link is down (the order to replace stays as it was)"


def test_a_new_order_that_was_not_attempted_fails_with_the_refusal_of_the_cancel() -> None:
    stopped = events_of_replacing_response(failed_in_parts("FAILURE", NO_SUCH, "NOT_ATTEMPTED", None, code=-2022))
    error = error_of_replacing(*stopped)
    assert isinstance(error, Rejected)
    assert (error.code, error.wording) == (-2011, "Unknown order sent.")
    assert "the new order was not placed; no such open order" in str(error)


def test_a_new_order_that_was_not_attempted_for_no_reason_is_not_sent() -> None:
    error = error_of_replacing(
        *events_of_replacing_response(failed_in_parts("SUCCESS", CANCELED, "NOT_ATTEMPTED", None))
    )
    assert isinstance(error, NotSent)
    assert "the order to replace is canceled" in str(error)


@pytest.mark.parametrize(
    "response", [REPLACED[0][1], REPLACED[3][1], REPLACED[9][1]], ids=["both", "placed", "unknown"]
)
def test_a_new_order_that_is_there_or_in_doubt_tells_for_itself(response: Response) -> None:
    assert error_of_replacing(*events_of_replacing_response(response)) is None
