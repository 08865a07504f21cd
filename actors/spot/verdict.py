"""When not finding the effect of a request proves that it had none. Pure; times are milliseconds of one clock.

Positive evidence counts whenever it comes and needs nothing of this. Silence proves something only after the moment at
which the request could last have been executed and its effect could last have been hidden (`verdict_due_ms`).
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

ENGINE_TIMEOUT_MS = 10_000
"""The exchange gives up on its engine after this time and answers -1007 (WebSocket API, General API information)."""


class VerdictMargins(msgspec.Struct, frozen=True, kw_only=True):
    """How much has to be waited for and asked before silence is believed. A longer wait costs only patience: what is
    unknown counts as live meanwhile. A shorter one may call an order never placed that is still to show up.

    `recv_window_ms` is what the request was sent with: once it has passed the API must refuse the request (Timing
    security).
    `margin_ms` is added to that and to the engine's timeout. Queries are answered from copies of the engine's state,
    and an order may be there and not be found for a while: 60 s are guarded against, 5 s are for the offset between
    this clock and the server's and for the way of the request.
    `answers_min` queries must have found nothing, as one copy may be behind where the next one is not.
    `spacing_ms` is the least time between two of them that count: two at once may be answered by one copy.
    """

    recv_window_ms: int = 5_000
    margin_ms: int = 65_000
    answers_min: int = 2
    spacing_ms: int = 1_000


def verdict_due_ms(sent_ms: int, margins: VerdictMargins) -> int:
    """When a request sent at `sent_ms` can no longer be executed, nor its effect be hidden from a query.

    `sent_ms` is its timestamp; the answer is by the same clock.
    """
    return sent_ms + margins.recv_window_ms + ENGINE_TIMEOUT_MS + margins.margin_ms


def is_proven_absent(*, due_ms: int, missing_ms: Sequence[int], record_is_whole: bool, margins: VerdictMargins) -> bool:
    """Whether an order of unknown outcome may be called never placed.

    All must hold: `answers_min` queries that were sent at or after `due_ms`, each `spacing_ms` after the one before,
    found no such order (-2013) under any name that it may have; and nothing that the exchange told about it can have
    been missed. `missing_ms` are the times at which those queries were sent, rising. `record_is_whole`: the user data
    stream was whole since the order was sent, or a recovery pass that began at or after `due_ms` has finished.
    """
    if not record_is_whole:
        return False
    counted = 0
    next_ms = due_ms
    for asked_ms in missing_ms:
        if asked_ms >= next_ms:
            counted += 1
            next_ms = asked_ms + margins.spacing_ms
    return counted >= margins.answers_min


def is_proven_not_canceled(*, due_ms: int, found_open_asked_ms: int | None) -> bool:
    """Whether a cancel of unknown outcome may be said to have done nothing: a query sent at or after the cancel's
    `due_ms` found the order open. None: no query has found it open yet."""
    return found_open_asked_ms is not None and found_open_asked_ms >= due_ms


def is_proven_not_amended(
    *, due_ms: int, found_open_asked_ms: int | None, found_quantity: Decimal | None, amend_quantity: Decimal
) -> bool:
    """Whether an amend of unknown outcome may be said to have done nothing: a query sent at or after the amend's
    `due_ms` found the order open, with another quantity than the wanted one. None: no such answer, or it did not say.
    """
    if found_open_asked_ms is None or found_quantity is None:
        return False
    return found_open_asked_ms >= due_ms and found_quantity != amend_quantity
