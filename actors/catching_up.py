"""The end of a recovery: what was missed is told, so what came meanwhile is entered, and then events count at once."""

import trio

from dogwatch.actors.bookkeeper import Bookkeeper
from dogwatch.actors.order_messages import RecoveryEnded

ENTERED_AT_ONCE = 100
"""After so many events everybody else has a turn, above all those who are told of them."""


async def catch_up(books: Bookkeeper, ended: RecoveryEnded) -> None:
    """Take what a pass has found for complete, unless it was for an older gap or a newer one has overtaken it."""
    if not books.is_waiting_for(ended):
        return
    books.raise_marks(ended.marks)
    if not books.is_caught_up:
        for number, report in enumerate(books.take_held(), 1):
            books.enter(report)
            if number % ENTERED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        books.close_gap()
    books.tell_caught_up(ended)
