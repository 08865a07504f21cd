"""What the exchange does later: by time, and in the order in which it was entered."""

from functools import partial

import trio
from trio.testing import MockClock

from dogwatch.actors.paper.timetable import Timetable


async def test_calls_come_by_time_and_then_as_they_were_entered(virtual_clock: MockClock) -> None:
    timetable = Timetable()
    done: list[tuple[float, str]] = []

    def note(name: str) -> None:
        done.append((trio.current_time(), name))

    timetable.later(3, partial(note, "third"))
    timetable.later(1, partial(note, "first"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timetable.run)
        await trio.sleep(0.5)
        timetable.later(0.5, partial(note, "second"))
        timetable.later(0, partial(note, "at once"))
        await trio.sleep(10)
        timetable.later(2, lambda: timetable.later(2, partial(note, "last")))
        await trio.sleep(10)
        timetable.later(1, partial(note, "never"))
        nursery.cancel_scope.cancel()
    await trio.sleep(10)
    assert done == [(0.5, "at once"), (1.0, "first"), (1.0, "second"), (3.0, "third"), (14.5, "last")]
