"""What two sockets bring that tell of the same events: each is passed on once, in order. Pure.

While a link moves from an old socket to a new one, both are subscribed. First the new one's events are held, for the
old one may still have to say what was before them. Once it has said it (`join`), whichever brings an event first is
believed, and the other's copy is dropped. Events are told apart by a key; two that are alike stay two.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import msgspec

from dogwatch.actors.spot.user_events import AnyUserEvent, ExecutionReport, UnknownEvent

__all__ = ["Overlap", "identity"]

E = TypeVar("E")

EVENTS_MAX = 8_192
"""More are neither held nor remembered: at hundreds of events a second, half a minute."""


class Overlap(Generic[E]):
    """Two streams of the same events, of which the new one begins somewhere in the old one's.

    `from_old` and `from_new` are told what has arrived, in the order of arrival on each, and say whether it is to be
    passed on now. What has been passed on is what either of them brought, without a loss or a copy, as long as the old
    one lives until `join`; after that either of them may end at any point. Times are in seconds of any even clock.
    """

    def __init__(self, key: Callable[[E], Hashable]) -> None:
        self._key = key
        self._held: deque[tuple[Hashable, E]] = deque()
        self._before: Counter[Hashable] = Counter()  # the old one's, from before the join: the new one may bring them
        self._awaited: dict[Hashable, deque[float]] = {}  # the old one's, since when the new one has to bring them
        self._ahead: Counter[Hashable] = Counter()  # the new one's that the old one may bring yet
        self._count = 0
        self._is_old_heard = self._is_new_heard = True
        self.is_joined = False
        self.seen_on_both = 0
        """How many events both have brought: proof that the new subscription is alive."""

    @property
    def is_owed(self) -> bool:
        """Whether the new socket has yet to bring an event that the old one brought after the join."""
        return bool(self._awaited)

    @property
    def is_full(self) -> bool:
        """Too much has come from one of them and not from the other."""
        return self._count >= EVENTS_MAX

    def from_old(self, event: E, now_s: float) -> bool:
        """The old socket has brought this: whether it is to be passed on."""
        key = self._key(event)
        if self._ahead[key] > 0:
            self._tick(self._ahead, key)
            if not self.is_joined:
                self._drop_held(key)
                return True
            return False
        if not self._is_new_heard:
            return True
        self._count += 1
        if self.is_joined:
            self._awaited.setdefault(key, deque()).append(now_s)
        else:
            self._before[key] += 1
        return True

    def from_new(self, event: E) -> bool:
        """The new socket has brought this: whether it is to be passed on. Before the join it is held instead."""
        key = self._key(event)
        since_s = self._awaited.get(key)
        if since_s:
            since_s.popleft()
            if not since_s:
                del self._awaited[key]
            self._matched()
            return False
        if self._before[key] > 0:
            self._tick(self._before, key)
            return False
        if not self._is_old_heard:
            return True
        self._count += 1
        self._ahead[key] += 1
        if not self.is_joined:
            self._held.append((key, event))
        return self.is_joined

    def join(self) -> list[E]:
        """Everything from before the new socket's first event has come from the old one: what is held, in order, is to
        be passed on now."""
        self.is_joined = True
        held, self._held = self._held, deque()
        return [event for _, event in held]

    def end_old(self) -> None:
        """Nothing more is expected of the old socket, after the join. What it has brought is remembered."""
        self._is_old_heard = False
        self._count -= self._ahead.total()
        self._ahead.clear()

    def end_new(self) -> None:
        """Nothing more is expected of the new socket, after the join. What it has brought is remembered."""
        self._is_new_heard = False
        self._count = self._ahead.total()
        self._before.clear()
        self._awaited.clear()

    def awaited_s(self, now_s: float) -> float:
        """For how long the new socket has owed an event; 0 also when it owes none.

        One that owes for longer than the ways of both explain has a subscription that is deaf.
        """
        return max((now_s - since_s[0] for since_s in self._awaited.values()), default=0.0)

    def _tick(self, counter: Counter[Hashable], key: Hashable) -> None:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
        self._matched()

    def _matched(self) -> None:
        self._count -= 1
        self.seen_on_both += 1

    def _drop_held(self, key: Hashable) -> None:
        for position, (held_key, _) in enumerate(self._held):
            if held_key == key:
                del self._held[position]
                return


def identity(event: AnyUserEvent) -> Hashable:
    """What makes this event the one it is, whichever connection brings it and whenever it was sent there.

    An execution has its number, which is unique per symbol; other events are known by all they say but their `E`.
    """
    if isinstance(event, ExecutionReport):
        return event.symbol, event.execution_id, event.order_id, event.execution_type
    if isinstance(event, UnknownEvent):
        said = msgspec.json.decode(event.raw)
        said.pop("E", None)
        return event.event_type, msgspec.json.encode(said, order="sorted")
    return msgspec.structs.replace(event, event_time_ms=0)
