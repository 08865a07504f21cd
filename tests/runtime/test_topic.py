"""Topics and subscriptions: publishers never wait and never suffer; consumers get the newest, or everything."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from dogwatch.runtime import Gap, MailboxFull, Overflow, Overflowed, SubscriptionClosed, Topic


def never(error: Exception) -> None:
    """What listeners that do not raise are given."""
    raise error


def test_every_listener_hears_every_event_in_the_order_of_listening() -> None:
    topic: Topic[int] = Topic("numbers")
    heard: list[tuple[str, int]] = []
    topic.tap(lambda event: heard.append(("first", event)), on_error=never)
    topic.tap(lambda event: heard.append(("second", event)), on_error=never)
    topic.publish(1)
    topic.publish(2)
    assert heard == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]
    assert repr(topic) == "<Topic numbers: 2 listeners, 2 published>"


def test_a_listener_that_raises_troubles_neither_the_publisher_nor_the_others() -> None:
    topic: Topic[int] = Topic("numbers")
    errors: list[Exception] = []
    heard: list[int] = []

    def fail(_event: int) -> None:
        raise ValueError("not mine")

    topic.tap(fail, on_error=errors.append)
    topic.tap(heard.append, on_error=never)
    topic.publish(1)
    assert [str(error) for error in errors] == ["not mine"]
    assert heard == [1]


def test_a_closed_tap_hears_nothing_more_even_if_closed_by_an_earlier_listener_of_the_same_event() -> None:
    topic: Topic[int] = Topic("numbers")
    heard: list[int] = []
    topic.tap(lambda _: tap.close(), on_error=never)
    tap = topic.tap(heard.append, on_error=never)
    topic.publish(1)
    tap.close()
    topic.publish(2)
    assert heard == []


def test_a_listener_that_comes_during_an_event_hears_the_next() -> None:
    topic: Topic[int] = Topic("numbers")
    heard: list[int] = []
    first = topic.tap(lambda _: topic.tap(heard.append, on_error=never), on_error=never)
    topic.publish(1)
    first.close()
    topic.publish(2)
    assert heard == [2]


def test_a_topic_knows_whether_all_who_listen_want_the_newest_only() -> None:
    topic: Topic[int] = Topic("numbers")
    said = [topic.is_latest]
    newest = topic.latest()
    said.append(topic.is_latest)
    by_key = topic.latest(conflate_by=lambda number: number % 2)
    said.append(topic.is_latest)
    by_key.close()
    said.append(topic.is_latest)
    tap = topic.tap(print, on_error=never)
    said.append(topic.is_latest)
    newest.close()
    tap.close()
    said.append(topic.is_latest)
    assert said == [True, True, False, True, False, True]


def test_a_topic_remembers_its_newest_event_for_those_who_come_late() -> None:
    topic: Topic[str] = Topic("states")
    assert topic.last is None
    topic.publish("connected")
    assert topic.last == "connected"


# Latest.


async def test_the_latest_is_the_newest_unseen_event_and_never_a_backlog(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("quotes")
    with topic.latest() as latest:
        for number in range(5):
            topic.publish(number)
        assert await latest.get() == 4
        with trio.move_on_after(1) as scope:
            await latest.get()
        assert scope.cancelled_caught
        figures = latest.statistics()
        assert (figures.received, figures.taken, figures.conflated, figures.depth) == (5, 1, 4, 0)


async def test_an_event_that_comes_while_the_consumer_is_busy_is_not_lost(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("quotes")
    latest = topic.latest()
    seen = []

    async def consume() -> None:
        async for event in latest:
            seen.append((event, latest.version))
            await trio.sleep(10)  # busy, while more events come

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        for number in range(4):
            await trio.sleep(4)
            topic.publish(number)
        await trio.sleep(100)
        latest.close()
    assert seen == [(0, 1), (2, 3), (3, 4)]
    assert latest.newest == 3


async def test_the_latest_by_key_gives_each_key_once_in_the_order_of_becoming_unseen(
    autojump_clock: MockClock,
) -> None:
    topic: Topic[tuple[str, int]] = Topic("quotes")
    latest = topic.latest(conflate_by=lambda quote: quote[0])
    for quote in (("BTC", 1), ("ETH", 1), ("BTC", 2)):
        topic.publish(quote)
    assert [await latest.get(), await latest.get()] == [("BTC", 2), ("ETH", 1)]


# Stream.


async def test_a_stream_gives_every_event_in_order(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("fills")
    stream = topic.stream(overflow=Overflow.STOP)
    for number in range(300):
        topic.publish(number)
    assert [await stream.get() for _ in range(300)] == list(range(300))


async def test_a_stream_that_drops_leaves_a_gap_in_place(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("trades")
    stream = topic.stream(capacity=2, overflow=Overflow.DROP_OLDEST)
    for number in range(5):
        topic.publish(number)
    assert [await stream.get() for _ in range(3)] == [Gap(lane="trades", dropped=3), 3, 4]
    assert stream.statistics().dropped == 3


async def test_a_stream_that_clears_says_that_everything_is_gone(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("depth")
    stream = topic.stream(capacity=2, overflow=Overflow.CLEAR)
    for number in range(3):
        topic.publish(number)
    assert [await stream.get(), await stream.get()] == [Overflowed(lane="depth", dropped=2), 2]


async def test_a_stream_that_may_miss_nothing_fails_its_consumer_and_not_its_publisher(
    autojump_clock: MockClock,
) -> None:
    topic: Topic[int] = Topic("fills")
    stream = topic.stream(capacity=2, overflow=Overflow.STOP)
    for number in range(5):
        topic.publish(number)
    for _ in range(2):
        with pytest.raises(MailboxFull, match="the subscriber to 'fills' cannot keep up"):
            await stream.get()
    assert stream.statistics().received == 3


def test_a_stream_cannot_refuse() -> None:
    topic: Topic[int] = Topic("fills")
    with pytest.raises(ValueError, match="a stream cannot refuse, for publishers never wait"):
        topic.stream(overflow=Overflow.REFUSE)  # type: ignore[call-overload]  # pyright: ignore  # the mistake


def test_a_stream_without_room_is_refused() -> None:
    topic: Topic[int] = Topic("fills")
    with pytest.raises(ValueError, match="capacity must be at least 1, not 0"):
        topic.stream(capacity=0, overflow=Overflow.STOP)


@given(
    script=st.lists(st.booleans(), max_size=80),
    capacity=st.integers(1, 5),
)
def test_a_stream_is_bounded_and_gaps_account_for_all_that_is_missing(script: list[bool], capacity: int) -> None:
    topic: Topic[int] = Topic("trades")
    arrived: list[int] = []

    async def play() -> int:
        stream = topic.stream(capacity=capacity, overflow=Overflow.DROP_OLDEST)
        published = 0

        async def take() -> None:
            event = await stream.get()
            arrived.extend([-1] * event.dropped if isinstance(event, Gap) else [event])

        for is_publish in script:
            if is_publish:
                topic.publish(published)
                published += 1
            elif stream.statistics().depth:
                await take()
            assert stream.statistics().depth <= capacity
        while stream.statistics().depth:
            await take()
        return published

    published = trio.run(play)
    assert [event if event >= 0 else number for number, event in enumerate(arrived)] == list(range(published))


# Ending.


async def test_closing_ends_an_iteration_that_waits(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("numbers")
    stream = topic.stream(overflow=Overflow.STOP)
    seen: list[int] = []

    async def consume() -> None:
        seen.extend([event async for event in stream])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        topic.publish(1)
        await trio.testing.wait_all_tasks_blocked()
        stream.close()
        stream.close()
        topic.publish(2)
    assert seen == [1]
    with pytest.raises(SubscriptionClosed, match="the subscription to 'numbers' is closed"):
        await stream.get()


async def test_a_busy_consumer_of_a_stream_that_is_never_empty_lets_others_run(autojump_clock: MockClock) -> None:
    topic: Topic[int] = Topic("numbers")
    stream = topic.stream(capacity=2, overflow=Overflow.STOP)
    topic.publish(0)
    with trio.move_on_after(0):
        async for event in stream:
            assert event < 1000, "nobody else ever ran"
            topic.publish(event + 1)


def test_an_event_published_by_a_listener_reaches_those_after_it_before_the_event_it_was_about() -> None:
    topic: Topic[int] = Topic("numbers")
    heard: list[int] = []
    topic.tap(lambda event: topic.publish(2) if event == 1 else None, on_error=never)
    topic.tap(heard.append, on_error=never)
    topic.publish(1)
    assert heard == [2, 1]
    assert topic.last == 2
