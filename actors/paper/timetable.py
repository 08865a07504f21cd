"""What the exchange will do later: calls by the moment at which they are due. Nothing but waiting happens here."""

import heapq
from collections.abc import Callable
from math import inf

import trio


class Timetable:
    """Calls that are due at a moment of Trio's clock, carried out by `run`: by time, then as they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._scope: trio.CancelScope | None = None

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call `act` in `delay_s` seconds, while `run` runs. It must not wait and must not fail."""
        due_s = trio.current_time() + delay_s
        self._number += 1
        heapq.heappush(self._entries, (due_s, self._number, act))
        if self._scope is not None:
            self._scope.deadline = min(self._scope.deadline, due_s)

    async def run(self) -> None:
        """Carry out what is due until cancelled; what is due then is never done."""
        try:
            while True:
                with trio.CancelScope(deadline=self._entries[0][0] if self._entries else inf) as self._scope:
                    await trio.sleep_forever()
                while self._entries and self._entries[0][0] <= trio.current_time():
                    heapq.heappop(self._entries)[2]()
        finally:
            self._scope = None
