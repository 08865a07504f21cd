"""A handover by itself: which socket is heard, when one is called deaf, and what is too much to remember."""

from typing import Any, cast

import pytest
import trio

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.handover import Handover
from dogwatch.actors.handover_times import OVERLAP_S_MAX, OVERLAP_S_MIN, OWED_S_MAX, REMEMBER_S
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.overlap import EVENTS_MAX
from dogwatch.actors.spot.user_events import EventStreamTerminated, ServerShutdown
from dogwatch.runtime.reply import Reply
from tests.actors.spot.orders_made import a_report

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Socket:
    """As much of a conversation as a handover looks at."""

    is_ready = True

    def standing(self, account: str) -> "Socket":
        return self


class Sockets:
    """A handover between two of them."""

    def __init__(self, *, has_events: bool = True) -> None:
        self.old, self.new = (cast(Conversation, Socket()) for _ in range(2))
        self.handover = Handover(self.old, self.new, cast(Reply[None], None), accounts=[""] if has_events else [])

    def old_brings(self, number: int) -> bool:
        return self.handover.passes_on(self.old, an_event(number))

    def new_brings(self, number: int) -> bool:
        return self.handover.passes_on(self.new, an_event(number))


def an_event(number: int) -> UserEvent:
    return UserEvent(subscription_id=0, event=a_report(at=number))


def test_an_event_made_for_a_test_is_its_own() -> None:
    assert an_event(1) == an_event(1)
    assert an_event(1) != an_event(2)


async def test_what_is_held_comes_with_the_move_and_copies_never_do() -> None:
    s = Sockets()
    assert [s.old_brings(1), s.new_brings(2), s.new_brings(3), s.old_brings(2)] == [True, False, False, True]
    assert s.handover.move() == [("", an_event(3))]
    assert [s.old_brings(3), s.new_brings(4), s.old_brings(4)] == [False, True, False]


@pytest.mark.parametrize("notice", [EventStreamTerminated(event_time_ms=1), ServerShutdown(event_time_ms=1)])
async def test_a_notice_counts_on_the_socket_that_carries(notice: Any) -> None:
    s, frame = Sockets(), UserEvent(event=notice)
    assert [s.handover.passes_on(socket, frame) for socket in (s.old, s.new)] == [True, False]
    s.handover.move()
    assert [s.handover.passes_on(socket, frame) for socket in (s.old, s.new)] == [False, True]
    s.handover.go_back()
    assert [s.handover.passes_on(socket, frame) for socket in (s.old, s.new)] == [True, False]


async def test_a_new_socket_that_owes_an_event_is_deaf_after_some_seconds_and_not_before() -> None:
    s = Sockets()
    s.handover.move()
    assert s.old_brings(1)
    await trio.sleep(OWED_S_MAX)
    assert not s.handover.is_deaf()
    assert not s.handover.is_proven()
    await trio.sleep(0.1)
    assert s.handover.is_deaf()
    s.handover.go_back()
    assert not s.handover.is_deaf()
    assert s.handover.is_proven(), "the old one is not waited for, it carries"
    assert [s.new_brings(1), s.old_brings(2)] == [False, True]


@pytest.mark.parametrize(
    ("has_events", "have_both_heard", "listens_s"),
    [(True, False, OVERLAP_S_MAX), (True, True, OVERLAP_S_MIN), (False, False, OVERLAP_S_MIN)],
)
async def test_the_old_socket_is_kept_until_the_new_one_is_known_to_hear(
    has_events: bool, have_both_heard: bool, listens_s: float
) -> None:
    s = Sockets(has_events=has_events)
    s.handover.move()
    if have_both_heard:
        s.old_brings(1)
        s.new_brings(1)
    await trio.sleep(listens_s - 0.1)
    assert not s.handover.is_proven()
    await trio.sleep(0.1)
    assert s.handover.is_proven()


async def test_copies_are_known_for_a_while_after_one_socket_is_gone() -> None:
    s = Sockets()
    s.handover.move()
    s.old_brings(1)
    s.handover.end_of(s.old)
    assert not s.handover.is_settled(), "the new one owes an event"
    assert not s.new_brings(1)
    assert s.handover.is_settled()
    await trio.sleep(REMEMBER_S - 0.1)
    assert not s.handover.is_over()
    await trio.sleep(0.1)
    assert s.handover.is_over()


@pytest.mark.parametrize("silent", ["old", "new"])
async def test_a_flood_on_one_socket_alone_decides_at_once(silent: str) -> None:
    s = Sockets()
    s.handover.move()
    await trio.sleep(1)
    bring = s.new_brings if silent == "old" else s.old_brings
    assert all(bring(number) for number in range(EVENTS_MAX))
    await trio.sleep(0.25)
    assert s.handover.is_deaf() is (silent == "new")
    if silent == "old":
        assert not s.handover.is_full, "it is not listened to any more, so nothing has to be remembered"
        assert not s.handover.can_go_back, "and what it says meanwhile is lost"
        assert [s.old_brings(EVENTS_MAX), s.new_brings(EVENTS_MAX)] == [False, True]
