"""Every state and every event: either the tables know the pair, or it is an error that changes nothing."""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

import pytest

from dogwatch.actors.spot import order_diagram
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.order import CLOSED, Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendRefused,
    AmendSent,
    AmendUnknown,
    AmendUnsent,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    CancelUnsent,
    NeverPlaced,
    NotAmended,
    NotAttempted,
    NotCanceled,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Reported,
    Sent,
    UnexpectedEvent,
    Unsent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.order_tables import (
    AMEND,
    CERTAINTY,
    CLAIMED_RANK,
    CONTRADICTIONS,
    COUPLED,
    LIFE,
    MOVES,
    RANK,
    REQUEST,
    STATUS_SIGNALS,
    Signal,
    State,
    next_state,
)
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from tests.actors.spot.orders_made import (
    NAME,
    T0,
    a_query,
    a_report,
    an_ack,
    an_amend_answer,
    an_amend_report,
    an_answer,
    an_order,
)

LOWER = Decimal("0.5")

FIRST = State(Life.DRAFT, Request.NONE, Amend.NONE, Certainty.KNOWN)

WORDS_OF_THE_EXCHANGE = {
    Signal.OPEN,
    Signal.FILLED,
    Signal.CANCELED,
    Signal.EXPIRED,
    Signal.REJECTED,
    Signal.NOT_ATTEMPTED,
    Signal.MISSING,
}

# What may end a doubt: the exchange's positive word, our own knowledge that nothing left, and the three conclusions.
EVIDENCE = (WORDS_OF_THE_EXCHANGE - {Signal.MISSING}) | {
    Signal.UNSENT,
    Signal.AMENDED,
    Signal.AMEND_REFUSED,
    Signal.NEVER_PLACED,
    Signal.NOT_CANCELED,
    Signal.NOT_AMENDED,
}


def moves() -> Iterator[tuple[State, Signal, State]]:
    """Every move that can be made, from the first state on."""
    seen = {FIRST}
    waiting = [FIRST]
    while waiting:
        state = waiting.pop()
        for signal in Signal:
            following = next_state(state, signal)
            if following is None:
                continue
            yield state, signal, following
            if following not in seen:
                seen.add(following)
                waiting.append(following)


REACHED = list(moves())
STATES = sorted({state for state, _, _ in REACHED})

EVENTS: list[tuple[OrderEvent, Signal]] = [
    (Sent(), Signal.SENT),
    (Unsent("the link was down"), Signal.UNSENT),
    (Unknown(reason="no answer"), Signal.UNANSWERED),
    (Refused(code=-2010, wording="no"), Signal.REJECTED),
    (NotExecuted(code=-1003, wording="too many"), Signal.REJECTED),
    (NotAttempted("the cancel was refused"), Signal.NOT_ATTEMPTED),
    (CancelSent(), Signal.CANCEL_SENT),
    (CancelUnsent("the link was down"), Signal.CANCEL_UNSENT),
    (CancelRefused(-1003, "Too many requests queued."), Signal.CANCEL_REFUSED),
    (CancelRefused(-2011, "Unknown order sent."), Signal.CANCEL_FOUND_NOTHING),
    (CancelUnknown("no answer"), Signal.CANCEL_UNANSWERED),
    (CancelAcknowledged(an_answer(OrderStatus.CANCELED, original=NAME)), Signal.CANCELED),
    (AmendSent(LOWER), Signal.AMEND_SENT),
    (AmendUnsent("the link was down"), Signal.AMEND_UNSENT),
    (AmendRefused(-1003, "Too many requests queued."), Signal.AMEND_REFUSED),
    (AmendRefused(-2038, "Unknown order sent."), Signal.AMEND_FOUND_NOTHING),
    (AmendUnknown("no answer"), Signal.AMEND_UNANSWERED),
    (Acknowledged(an_ack()), Signal.OPEN),
    (QueryMissing(), Signal.MISSING),
    (NeverPlaced("concluded"), Signal.NEVER_PLACED),
    (NotCanceled("concluded"), Signal.NOT_CANCELED),
    (NotAmended("concluded"), Signal.NOT_AMENDED),
    *((Acknowledged(an_answer(status)), signal) for status, signal in STATUS_SIGNALS.items()),
    *((QueryFound(a_query(status)), signal) for status, signal in STATUS_SIGNALS.items()),
    *((QueryFound(a_query(status), is_listed=True), signal) for status, signal in STATUS_SIGNALS.items()),
    *((Reported(a_report(status=status)), signal) for status, signal in STATUS_SIGNALS.items()),
    *((Reported(a_report(execution_type=kind)), Signal.OPEN) for kind in ExecutionType),
    *((AmendAcknowledged(an_amend_answer("1", status=status)), signal) for status, signal in STATUS_SIGNALS.items()),
]

# Reports of the quantity that an amend asks for: besides what they say of the order, they settle the amend.
AMENDED: list[tuple[OrderEvent, Signal]] = [
    *((AmendAcknowledged(an_amend_answer("0.5", status=status)), signal) for status, signal in STATUS_SIGNALS.items()),
    *((Reported(an_amend_report("0.5", status=status)), signal) for status, signal in STATUS_SIGNALS.items()),
    *((Acknowledged(an_answer(status, quantity="0.5")), signal) for status, signal in STATUS_SIGNALS.items()),
    *((QueryFound(a_query(status, quantity="0.5")), signal) for status, signal in STATUS_SIGNALS.items()),
]


def an_order_in(state: State) -> Order:
    return an_order(life=state.life, request=state.request, amend=state.amend, certainty=state.certainty)


def state_of(order: Order) -> State:
    return State(order.life, order.request, order.amend, order.certainty)


def test_the_tables_know_every_state_and_every_status() -> None:
    assert set(LIFE) == set(RANK) == set(Life)
    assert set(REQUEST) == set(Request)
    assert set(AMEND) == set(Amend)
    assert set(CERTAINTY) == set(Certainty)
    assert set(STATUS_SIGNALS) == set(OrderStatus)
    assert {state.life for state in STATES} == set(Life), "every life can be reached"
    assert {state.amend for state in STATES} == set(Amend), "every state of an amend, too"
    assert {signal for _, signal in EVENTS} == set(Signal) - {Signal.AMENDED}, "every signal has an event"
    assert {type(event) for event, _ in EVENTS} == set(get_args(OrderEvent)), "and every event is tried"


def test_the_moves_are_what_the_tables_say() -> None:
    for state in STATES:
        assert MOVES[state] == {signal: following for at, signal, following in REACHED if at == state}


@pytest.mark.parametrize("state", STATES, ids=lambda state: "-".join(state))
@pytest.mark.parametrize(
    ("event", "signal"), EVENTS, ids=lambda value: None if isinstance(value, Signal) else repr(value)
)
def test_every_state_meets_every_event_by_the_tables_or_with_an_error_that_changes_nothing(
    state: State, event: OrderEvent, signal: Signal
) -> None:
    order = an_order_in(state)
    before = an_order_in(state)
    expected = next_state(state, signal)
    assert (expected is None) == (
        signal not in LIFE[state.life] or (signal is Signal.AMEND_SENT and state.amend is not Amend.NONE)
    )
    if expected is None:
        with pytest.raises(UnexpectedEvent) as caught:
            apply(order, event, T0)
        assert signal in str(caught.value)
        assert caught.value.hint
    else:
        after, _ = apply(order, event, T0)
        assert state_of(after) == expected
        assert after.life is LIFE[state.life][signal]
        assert after.is_unknown == (after.unknown_since_ms is not None) or state.certainty is Certainty.UNKNOWN
        assert (after.amend_quantity is None) == (after.amend is Amend.NONE)
        assert bool(after.evidence) == (after is not order), "every change says what it rests on, and nothing else does"
    assert order == before


@pytest.mark.parametrize("state", STATES, ids=lambda state: "-".join(state))
@pytest.mark.parametrize(
    ("event", "signal"), AMENDED, ids=lambda value: None if isinstance(value, Signal) else repr(value)
)
def test_a_report_of_the_quantity_that_was_asked_for_settles_the_amend_whatever_else_it_says(
    state: State, event: OrderEvent, signal: Signal
) -> None:
    expected = next_state(state, signal)
    assert expected is not None, "the exchange is heard in every state"
    expected = next_state(expected, Signal.AMENDED) or expected  # the tables know it of an open order only
    after, _ = apply(an_order_in(state), event, T0)
    assert state_of(after) == expected
    assert after.amend is Amend.NONE
    assert after.amend_quantity is None
    assert after.quantity == LOWER


def test_the_exchange_is_heard_in_every_state() -> None:
    for life in Life:
        assert set(LIFE[life]) >= WORDS_OF_THE_EXCHANGE


def test_no_order_is_ever_sent_twice() -> None:
    assert [life for life in Life if Signal.SENT in LIFE[life]] == [Life.DRAFT]


def test_no_order_is_called_never_placed_once_the_exchange_has_had_it() -> None:
    for signal in (Signal.NEVER_PLACED, Signal.UNSENT):
        knowing = {life for life in Life if signal in LIFE[life]}
        assert knowing <= {Life.DRAFT, Life.SENT, Life.NEVER_PLACED}


def test_no_move_leads_to_a_weaker_life() -> None:
    for state, signal, following in REACHED:
        assert RANK[following.life] >= RANK[state.life], (state, signal)


def test_reports_claim_the_rank_of_the_life_they_lead_to() -> None:
    for signal, rank in CLAIMED_RANK.items():
        assert RANK[LIFE[Life.SENT][signal]] == rank


def test_two_words_of_the_exchange_meet_in_the_same_life_whichever_came_first() -> None:
    for life, first, second in itertools.product(Life, WORDS_OF_THE_EXCHANGE, WORDS_OF_THE_EXCHANGE):
        assert LIFE[LIFE[life][first]][second] is LIFE[LIFE[life][second]][first], (life, first, second)


def test_a_word_said_twice_says_nothing_new() -> None:
    for life, word in itertools.product(Life, WORDS_OF_THE_EXCHANGE):
        once = LIFE[life][word]
        assert LIFE[once][word] is once


def test_only_evidence_ends_a_doubt() -> None:
    for state, signal, following in REACHED:
        if state.certainty is Certainty.UNKNOWN and following.certainty is Certainty.KNOWN:
            assert signal in EVIDENCE, (state, signal)


def test_a_doubt_about_a_cancel_is_not_ended_by_an_order_that_is_merely_open() -> None:
    for state, signal, following in REACHED:
        if state.request is Request.IN_DOUBT and following.request is not Request.IN_DOUBT:
            assert following.life in CLOSED or signal is Signal.NOT_CANCELED, (state, signal)


def test_nothing_about_a_closed_order_is_in_doubt() -> None:
    for _, _, following in REACHED:
        if following.life in CLOSED:
            assert following == State(following.life, Request.NONE, Amend.NONE, Certainty.KNOWN)


def test_an_amend_is_of_an_open_order_and_there_is_one_at_a_time() -> None:
    assert {state.life for state in STATES if state.amend is not Amend.NONE} == {Life.OPEN}
    for state, signal, _ in REACHED:
        if signal is Signal.AMEND_SENT:
            assert (state.life, state.amend) == (Life.OPEN, Amend.NONE)


def test_a_doubt_about_an_amend_is_ended_by_the_new_quantity_a_refusal_a_proof_or_the_end_of_the_order() -> None:
    for state, signal, following in REACHED:
        if state.amend is Amend.IN_DOUBT and following.amend is not Amend.IN_DOUBT:
            proven = signal in {Signal.AMENDED, Signal.AMEND_REFUSED, Signal.NOT_AMENDED}
            assert proven or following.life in CLOSED, (state, signal)


def test_a_cancel_settles_nothing_about_an_amend_nor_an_amend_about_a_cancel() -> None:
    for state, signal, following in REACHED:
        if following.life not in CLOSED:
            if signal.startswith("CANCEL_") or signal is Signal.NOT_CANCELED:
                assert following.amend is state.amend
            if signal.startswith("AMEND") or signal is Signal.NOT_AMENDED:
                assert following.request is state.request


def test_an_order_is_unknown_as_long_as_its_cancel_or_its_amend_is_in_doubt() -> None:
    for state in STATES:
        if state.request is Request.IN_DOUBT or state.amend is Amend.IN_DOUBT:
            assert state.certainty is Certainty.UNKNOWN
        elif state.life is Life.OPEN:
            assert state.certainty is Certainty.KNOWN
    for (life, request, amend), certainty in COUPLED.items():
        assert life not in CLOSED
        is_doubtful = request is Request.IN_DOUBT or amend is Amend.IN_DOUBT
        assert (certainty is Certainty.UNKNOWN) == is_doubtful
    opened = set(itertools.product([Life.OPEN], Request, Amend))
    assert opened <= set(COUPLED), "of an open order the two others say all there is to know"


def test_contradictions_are_words_that_lead_to_another_life_than_the_one_they_claim_or_from_an_end() -> None:
    for life, words in CONTRADICTIONS.items():
        for word in words:
            claimed = LIFE[Life.SENT][word]
            assert claimed is not life
            assert life in CLOSED or LIFE[life][word] is not claimed


def test_every_order_can_come_to_an_end() -> None:
    for state in STATES:
        if state.life not in CLOSED and state.life is not Life.DRAFT:
            following = next_state(state, Signal.FILLED)
            assert following is not None
            assert following.life in CLOSED


@pytest.mark.parametrize(
    ("diagram", "table"),
    [
        (order_diagram.life_diagram(), LIFE),
        (order_diagram.request_diagram(), REQUEST),
        (order_diagram.amend_diagram(), AMEND),
        (order_diagram.certainty_diagram(), CERTAINTY),
    ],
    ids=["life", "request", "amend", "certainty"],
)
def test_the_diagrams_show_every_state_and_every_move(diagram: str, table: dict[str, dict[Signal, str]]) -> None:
    lines = diagram.splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert lines[1].endswith(f"[*] --> {next(iter(table))}")
    drawn: set[tuple[str, str, str]] = set()
    for line in lines[2:]:
        ends, _, signals = line.strip().partition(": ")
        start, _, end = ends.partition(" --> ")
        drawn |= {(start, end, signal) for signal in signals.split(", ")}
    moved = {(a, b, signal) for a, row in table.items() for signal, b in row.items() if a != b}
    assert drawn == {(str(a), str(b), str(signal)) for a, b, signal in moved}
    assert all(state in diagram for state in table)


def test_a_state_that_nothing_leads_to_is_drawn_all_the_same() -> None:
    lonely: dict[Request, dict[Signal, Request]] = {Request.NONE: {}, Request.IN_DOUBT: {}}
    assert order_diagram.mermaid(lonely).splitlines()[-1].strip() == "IN_DOUBT"


def test_the_grid_shows_every_pair() -> None:
    header, *rows = order_diagram.life_grid().splitlines()
    lives = header.split()
    assert lives == list(Life)
    read = {row.split()[0]: dict(zip(lives, row.split()[1:], strict=True)) for row in rows}
    assert set(read) == set(Signal)
    for life, signal in itertools.product(Life, Signal):
        assert read[signal][life] == LIFE[life].get(signal, ".")


def test_the_coupling_is_told_line_by_line() -> None:
    header, *lines = order_diagram.coupling_text().splitlines()
    assert header.split() == ["life", "request", "amend", "certainty"]
    assert [line.split() for line in lines] == [[*answers, certainty] for answers, certainty in COUPLED.items()]


def test_an_order_starts_where_the_tables_start() -> None:
    order: Order = an_order()
    assert state_of(order) == FIRST
