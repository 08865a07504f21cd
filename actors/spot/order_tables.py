"""The life of an order as four literal tables, one for each question: how far is it, what of its cancel, what of its
amend, is it known.

LIFE decides what may happen at all: a pair that is not in it is a mistake of ours. What the exchange says is never a
mistake of ours, so every state takes every word of the exchange; two words that contradict each other meet in the
stronger one, whichever came first, and CONTRADICTIONS raises the alarm. REQUEST, AMEND and CERTAINTY list only what
changes them. On top of them stand three rules: nothing about a closed order is in doubt, one amend at a time, and
COUPLED.

Drawing the tables lives in `order_diagram.py`.
"""

import itertools
from enum import StrEnum
from typing import NamedTuple

from dogwatch.actors.spot.enums import OrderStatus
from dogwatch.actors.spot.order import CLOSED, Amend, Certainty, Life, Request


class Signal(StrEnum):
    """What an event means for the state of an order, whichever message brought it."""

    SENT = "SENT"
    UNSENT = "UNSENT"
    UNANSWERED = "UNANSWERED"
    CANCEL_SENT = "CANCEL_SENT"
    CANCEL_UNSENT = "CANCEL_UNSENT"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    CANCEL_FOUND_NOTHING = "CANCEL_FOUND_NOTHING"
    CANCEL_UNANSWERED = "CANCEL_UNANSWERED"
    AMEND_SENT = "AMEND_SENT"
    AMEND_UNSENT = "AMEND_UNSENT"
    AMEND_REFUSED = "AMEND_REFUSED"
    AMEND_FOUND_NOTHING = "AMEND_FOUND_NOTHING"
    AMEND_UNANSWERED = "AMEND_UNANSWERED"
    AMENDED = "AMENDED"
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    NOT_ATTEMPTED = "NOT_ATTEMPTED"
    MISSING = "MISSING"
    NEVER_PLACED = "NEVER_PLACED"
    NOT_CANCELED = "NOT_CANCELED"
    NOT_AMENDED = "NOT_AMENDED"


class State(NamedTuple):
    """The four answers together."""

    life: Life
    request: Request
    amend: Amend
    certainty: Certainty


STATUS_SIGNALS: dict[OrderStatus, Signal] = {
    OrderStatus.NEW: Signal.OPEN,
    OrderStatus.PENDING_NEW: Signal.OPEN,
    OrderStatus.PARTIALLY_FILLED: Signal.OPEN,
    OrderStatus.PENDING_CANCEL: Signal.OPEN,
    OrderStatus.FILLED: Signal.FILLED,
    OrderStatus.CANCELED: Signal.CANCELED,
    OrderStatus.EXPIRED: Signal.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: Signal.EXPIRED,
    OrderStatus.REJECTED: Signal.REJECTED,
}

LIFE: dict[Life, dict[Signal, Life]] = {
    Life.DRAFT: {
        Signal.SENT: Life.SENT,
        Signal.UNSENT: Life.NEVER_PLACED,
        # A draft that was read back after a crash may have been sent all the same.
        Signal.OPEN: Life.OPEN,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.REJECTED,
        Signal.NOT_ATTEMPTED: Life.NEVER_PLACED,
        Signal.MISSING: Life.DRAFT,
    },
    Life.SENT: {
        Signal.UNSENT: Life.NEVER_PLACED,
        Signal.UNANSWERED: Life.SENT,
        Signal.CANCEL_SENT: Life.SENT,
        Signal.CANCEL_UNSENT: Life.SENT,
        Signal.CANCEL_REFUSED: Life.SENT,
        Signal.CANCEL_FOUND_NOTHING: Life.SENT,
        Signal.CANCEL_UNANSWERED: Life.SENT,
        Signal.OPEN: Life.OPEN,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.REJECTED,
        Signal.NOT_ATTEMPTED: Life.NEVER_PLACED,
        Signal.MISSING: Life.SENT,
        Signal.NEVER_PLACED: Life.NEVER_PLACED,
        Signal.NOT_CANCELED: Life.SENT,
    },
    Life.OPEN: {
        Signal.UNANSWERED: Life.OPEN,
        Signal.CANCEL_SENT: Life.OPEN,
        Signal.CANCEL_UNSENT: Life.OPEN,
        Signal.CANCEL_REFUSED: Life.OPEN,
        Signal.CANCEL_FOUND_NOTHING: Life.OPEN,
        Signal.CANCEL_UNANSWERED: Life.OPEN,
        Signal.AMEND_SENT: Life.OPEN,
        Signal.AMEND_UNSENT: Life.OPEN,
        Signal.AMEND_REFUSED: Life.OPEN,
        Signal.AMEND_FOUND_NOTHING: Life.OPEN,
        Signal.AMEND_UNANSWERED: Life.OPEN,
        Signal.AMENDED: Life.OPEN,
        Signal.OPEN: Life.OPEN,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.OPEN,
        Signal.NOT_ATTEMPTED: Life.OPEN,
        Signal.MISSING: Life.OPEN,
        Signal.NOT_CANCELED: Life.OPEN,
        Signal.NOT_AMENDED: Life.OPEN,
    },
    Life.FILLED: {
        Signal.UNANSWERED: Life.FILLED,
        Signal.CANCEL_UNSENT: Life.FILLED,
        Signal.CANCEL_REFUSED: Life.FILLED,
        Signal.CANCEL_FOUND_NOTHING: Life.FILLED,
        Signal.CANCEL_UNANSWERED: Life.FILLED,
        Signal.AMEND_UNSENT: Life.FILLED,
        Signal.AMEND_REFUSED: Life.FILLED,
        Signal.AMEND_FOUND_NOTHING: Life.FILLED,
        Signal.AMEND_UNANSWERED: Life.FILLED,
        Signal.OPEN: Life.FILLED,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.FILLED,
        Signal.EXPIRED: Life.FILLED,
        Signal.REJECTED: Life.FILLED,
        Signal.NOT_ATTEMPTED: Life.FILLED,
        Signal.MISSING: Life.FILLED,
        Signal.NOT_CANCELED: Life.FILLED,
        Signal.NOT_AMENDED: Life.FILLED,
    },
    Life.CANCELED: {
        Signal.UNANSWERED: Life.CANCELED,
        Signal.CANCEL_UNSENT: Life.CANCELED,
        Signal.CANCEL_REFUSED: Life.CANCELED,
        Signal.CANCEL_FOUND_NOTHING: Life.CANCELED,
        Signal.CANCEL_UNANSWERED: Life.CANCELED,
        Signal.AMEND_UNSENT: Life.CANCELED,
        Signal.AMEND_REFUSED: Life.CANCELED,
        Signal.AMEND_FOUND_NOTHING: Life.CANCELED,
        Signal.AMEND_UNANSWERED: Life.CANCELED,
        Signal.OPEN: Life.CANCELED,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.CANCELED,
        Signal.REJECTED: Life.CANCELED,
        Signal.NOT_ATTEMPTED: Life.CANCELED,
        Signal.MISSING: Life.CANCELED,
        Signal.NOT_CANCELED: Life.CANCELED,
        Signal.NOT_AMENDED: Life.CANCELED,
    },
    Life.EXPIRED: {
        Signal.UNANSWERED: Life.EXPIRED,
        Signal.CANCEL_UNSENT: Life.EXPIRED,
        Signal.CANCEL_REFUSED: Life.EXPIRED,
        Signal.CANCEL_FOUND_NOTHING: Life.EXPIRED,
        Signal.CANCEL_UNANSWERED: Life.EXPIRED,
        Signal.AMEND_UNSENT: Life.EXPIRED,
        Signal.AMEND_REFUSED: Life.EXPIRED,
        Signal.AMEND_FOUND_NOTHING: Life.EXPIRED,
        Signal.AMEND_UNANSWERED: Life.EXPIRED,
        Signal.OPEN: Life.EXPIRED,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.EXPIRED,
        Signal.NOT_ATTEMPTED: Life.EXPIRED,
        Signal.MISSING: Life.EXPIRED,
        Signal.NOT_CANCELED: Life.EXPIRED,
        Signal.NOT_AMENDED: Life.EXPIRED,
    },
    Life.REJECTED: {
        Signal.UNANSWERED: Life.REJECTED,
        Signal.CANCEL_UNSENT: Life.REJECTED,
        Signal.CANCEL_REFUSED: Life.REJECTED,
        Signal.CANCEL_FOUND_NOTHING: Life.REJECTED,
        Signal.CANCEL_UNANSWERED: Life.REJECTED,
        Signal.OPEN: Life.OPEN,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.REJECTED,
        Signal.NOT_ATTEMPTED: Life.REJECTED,
        Signal.MISSING: Life.REJECTED,
        Signal.NOT_CANCELED: Life.REJECTED,
    },
    Life.NEVER_PLACED: {
        Signal.UNSENT: Life.NEVER_PLACED,
        Signal.UNANSWERED: Life.NEVER_PLACED,
        Signal.CANCEL_UNSENT: Life.NEVER_PLACED,
        Signal.CANCEL_REFUSED: Life.NEVER_PLACED,
        Signal.CANCEL_FOUND_NOTHING: Life.NEVER_PLACED,
        Signal.CANCEL_UNANSWERED: Life.NEVER_PLACED,
        Signal.OPEN: Life.OPEN,
        Signal.FILLED: Life.FILLED,
        Signal.CANCELED: Life.CANCELED,
        Signal.EXPIRED: Life.EXPIRED,
        Signal.REJECTED: Life.REJECTED,
        Signal.NOT_ATTEMPTED: Life.NEVER_PLACED,
        Signal.MISSING: Life.NEVER_PLACED,
        Signal.NEVER_PLACED: Life.NEVER_PLACED,
        Signal.NOT_CANCELED: Life.NEVER_PLACED,
    },
}

# An open order proves nothing about a cancel: it may have been reported before the cancel was executed. So a doubt ends
# when the order ends, or when it is proven that the cancel can no longer be executed.
REQUEST: dict[Request, dict[Signal, Request]] = {
    Request.NONE: {
        Signal.CANCEL_SENT: Request.CANCELING,
        Signal.CANCEL_FOUND_NOTHING: Request.IN_DOUBT,
        Signal.CANCEL_UNANSWERED: Request.IN_DOUBT,
    },
    Request.CANCELING: {
        Signal.CANCEL_UNSENT: Request.NONE,
        Signal.CANCEL_REFUSED: Request.NONE,
        Signal.CANCEL_FOUND_NOTHING: Request.IN_DOUBT,
        Signal.CANCEL_UNANSWERED: Request.IN_DOUBT,
    },
    Request.IN_DOUBT: {
        Signal.NOT_CANCELED: Request.NONE,
    },
}

# An amend that evidence has settled is not doubted again when its own answer stays away.
AMEND: dict[Amend, dict[Signal, Amend]] = {
    Amend.NONE: {
        Signal.AMEND_SENT: Amend.AMENDING,
    },
    Amend.AMENDING: {
        Signal.AMEND_UNSENT: Amend.NONE,
        Signal.AMEND_REFUSED: Amend.NONE,
        Signal.AMEND_FOUND_NOTHING: Amend.IN_DOUBT,
        Signal.AMEND_UNANSWERED: Amend.IN_DOUBT,
        Signal.AMENDED: Amend.NONE,
    },
    Amend.IN_DOUBT: {
        Signal.AMEND_REFUSED: Amend.NONE,
        Signal.AMENDED: Amend.NONE,
        Signal.NOT_AMENDED: Amend.NONE,
    },
}

CERTAINTY: dict[Certainty, dict[Signal, Certainty]] = {
    Certainty.KNOWN: {
        Signal.UNANSWERED: Certainty.UNKNOWN,
    },
    Certainty.UNKNOWN: {
        Signal.OPEN: Certainty.KNOWN,
    },
}

COUPLED: dict[tuple[Life, Request, Amend], Certainty] = {
    (Life.SENT, Request.IN_DOUBT, Amend.NONE): Certainty.UNKNOWN,
    (Life.OPEN, Request.NONE, Amend.NONE): Certainty.KNOWN,
    (Life.OPEN, Request.NONE, Amend.AMENDING): Certainty.KNOWN,
    (Life.OPEN, Request.NONE, Amend.IN_DOUBT): Certainty.UNKNOWN,
    (Life.OPEN, Request.CANCELING, Amend.NONE): Certainty.KNOWN,
    (Life.OPEN, Request.CANCELING, Amend.AMENDING): Certainty.KNOWN,
    (Life.OPEN, Request.CANCELING, Amend.IN_DOUBT): Certainty.UNKNOWN,
    (Life.OPEN, Request.IN_DOUBT, Amend.NONE): Certainty.UNKNOWN,
    (Life.OPEN, Request.IN_DOUBT, Amend.AMENDING): Certainty.UNKNOWN,
    (Life.OPEN, Request.IN_DOUBT, Amend.IN_DOUBT): Certainty.UNKNOWN,
}

RANK: dict[Life, int] = {
    Life.DRAFT: 0,
    Life.SENT: 1,
    Life.NEVER_PLACED: 2,
    Life.REJECTED: 3,
    Life.OPEN: 4,
    Life.EXPIRED: 5,
    Life.CANCELED: 6,
    Life.FILLED: 7,
}
"""Which of two lives is the stronger claim. No event ever leads to a weaker one."""

CONTRADICTIONS: dict[Life, frozenset[Signal]] = {
    Life.OPEN: frozenset({Signal.REJECTED, Signal.NOT_ATTEMPTED}),
    Life.FILLED: frozenset({Signal.REJECTED, Signal.NOT_ATTEMPTED}),
    Life.CANCELED: frozenset({Signal.REJECTED, Signal.NOT_ATTEMPTED, Signal.EXPIRED}),
    Life.EXPIRED: frozenset({Signal.REJECTED, Signal.NOT_ATTEMPTED, Signal.CANCELED}),
    Life.REJECTED: frozenset({Signal.OPEN, Signal.FILLED, Signal.CANCELED, Signal.EXPIRED}),
    Life.NEVER_PLACED: frozenset({Signal.OPEN, Signal.FILLED, Signal.CANCELED, Signal.EXPIRED}),
}
"""Words that cannot both be true of one order. CANCELED and then FILLED is not among them: it happens."""


CLAIMED_RANK: dict[Signal, int] = {
    Signal.REJECTED: RANK[Life.REJECTED],
    Signal.OPEN: RANK[Life.OPEN],
    Signal.EXPIRED: RANK[Life.EXPIRED],
    Signal.CANCELED: RANK[Life.CANCELED],
    Signal.FILLED: RANK[Life.FILLED],
}
"""The rank of the life that a report claims."""


def next_state(state: State, signal: Signal) -> State | None:
    """Where the tables lead. None if they do not know the pair."""
    life, request, amend, certainty = state
    next_life = LIFE[life].get(signal)
    if next_life is None or (signal is Signal.AMEND_SENT and amend is not Amend.NONE):
        return None
    if next_life in CLOSED:
        return State(next_life, Request.NONE, Amend.NONE, Certainty.KNOWN)
    next_request = REQUEST[request].get(signal, request)
    next_amend = AMEND[amend].get(signal, amend)
    next_certainty = CERTAINTY[certainty].get(signal, certainty)
    coupled = COUPLED.get((next_life, next_request, next_amend), next_certainty)
    return State(next_life, next_request, next_amend, coupled)


def _moves_from(state: State) -> dict[Signal, State]:
    return {signal: following for signal in Signal if (following := next_state(state, signal)) is not None}


MOVES: dict[tuple[Life, Request, Amend, Certainty], dict[Signal, State]] = {
    answers: _moves_from(State(*answers)) for answers in itertools.product(Life, Request, Amend, Certainty)
}
"""`next_state` of everything, worked out once: on the way of an order to the exchange every microsecond counts."""
