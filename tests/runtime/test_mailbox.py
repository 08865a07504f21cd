"""Mailboxes: lanes, order, and what each overflow policy promises."""

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from dogwatch.runtime import ActorStopped, Gap, Lane, MailboxFull, Overflow, Overflowed
from dogwatch.runtime.mailbox import Mailbox


def fixed_time_mailbox(*lanes: Lane) -> Mailbox:
    """A mailbox outside Trio: time stands still."""
    mailbox = Mailbox("box", lanes)
    mailbox.now = lambda: 0.0
    return mailbox


def drained(mailbox: Mailbox) -> list[Any]:
    messages = []
    while (entry := mailbox.take()) is not None:
        messages.append(entry[0])
    return messages


def test_messages_of_a_lane_come_out_in_the_order_in_which_they_were_put() -> None:
    mailbox = fixed_time_mailbox(Lane("messages"))
    for number in range(5):
        mailbox.put(number)
    assert drained(mailbox) == [0, 1, 2, 3, 4]


def test_an_earlier_lane_is_served_before_a_later_one() -> None:
    mailbox = fixed_time_mailbox(Lane("cancels", accepts=(str,)), Lane("intents"))
    mailbox.put(1)
    mailbox.put("cancel")
    mailbox.put(2)
    assert drained(mailbox) == ["cancel", 1, 2]


def test_a_message_goes_to_the_first_lane_that_accepts_its_type() -> None:
    mailbox = fixed_time_mailbox(Lane("numbers", accepts=(int, float)), Lane("truths", accepts=(bool,)))
    mailbox.put(True)  # a bool is an int
    assert mailbox.statistics().depth_by_lane == {"numbers": 1, "truths": 0}


def test_it_is_empty_when_nothing_waits_in_any_lane() -> None:
    mailbox = fixed_time_mailbox(Lane("words", accepts=(str,)), Lane("numbers", conflate_by=type))
    seen = [mailbox.is_empty]
    mailbox.put(1)
    seen.append(mailbox.is_empty)
    assert drained(mailbox) == [1]
    assert [*seen, mailbox.is_empty] == [True, False, True]


def test_a_message_that_no_lane_accepts_is_the_senders_mistake() -> None:
    mailbox = fixed_time_mailbox(Lane("numbers", accepts=(int,)))
    with pytest.raises(TypeError, match=r"box accepts no str.*numbers"):
        mailbox.put("word")


def test_refuse_tells_the_sender_at_once_and_keeps_what_waits() -> None:
    mailbox = fixed_time_mailbox(Lane("intents", capacity=2))
    mailbox.put(1)
    mailbox.put(2)
    with pytest.raises(MailboxFull, match=r"box: lane 'intents' is full, 2 messages wait"):
        mailbox.put(3)
    assert mailbox.statistics().refused == 1
    assert drained(mailbox) == [1, 2]


def test_drop_oldest_leaves_one_gap_in_place_of_all_that_was_dropped() -> None:
    mailbox = fixed_time_mailbox(Lane("trades", capacity=2, overflow=Overflow.DROP_OLDEST))
    for number in range(5):
        mailbox.put(number)
    assert drained(mailbox) == [Gap(lane="trades", dropped=3), 3, 4]
    assert mailbox.statistics().dropped == 3


def test_clear_throws_everything_away_and_says_so_before_the_next_message() -> None:
    mailbox = fixed_time_mailbox(Lane("depth", capacity=3, overflow=Overflow.CLEAR))
    for number in range(4):
        mailbox.put(number)
    assert drained(mailbox) == [Overflowed(lane="depth", dropped=3), 3]


def test_stop_fails_the_consumer_and_never_the_sender() -> None:
    mailbox = fixed_time_mailbox(Lane("fills", capacity=1, overflow=Overflow.STOP))
    failures: list[Exception] = []
    mailbox.on_overflow = failures.append
    mailbox.put(1)
    mailbox.put(2)
    assert [type(failure) for failure in failures] == [MailboxFull]
    assert drained(mailbox) == []


def test_stop_between_two_lives_clears_the_lane_for_a_consumer_that_begins_anew() -> None:
    mailbox = fixed_time_mailbox(Lane("fills", capacity=1, overflow=Overflow.STOP))
    mailbox.put(1)
    mailbox.put(2)
    mailbox.put(3)
    assert drained(mailbox) == [3]
    assert mailbox.statistics().dropped == 2


def test_conflation_keeps_the_newest_of_each_key_in_the_place_of_the_oldest() -> None:
    mailbox = fixed_time_mailbox(Lane("quotes", conflate_by=lambda quote: quote[0]))
    for quote in (("BTC", 1), ("ETH", 1), ("BTC", 2), ("ETH", 2), ("BTC", 3)):
        mailbox.put(quote)
    assert drained(mailbox) == [("BTC", 3), ("ETH", 2)]
    assert mailbox.statistics().conflated == 3


def test_a_conflated_key_comes_again_once_it_was_seen() -> None:
    mailbox = fixed_time_mailbox(Lane("quotes", conflate_by=lambda quote: quote[0]))
    mailbox.put(("BTC", 1))
    assert drained(mailbox) == [("BTC", 1)]
    mailbox.put(("BTC", 2))
    assert drained(mailbox) == [("BTC", 2)]


def test_the_capacity_of_a_conflating_lane_counts_keys() -> None:
    mailbox = fixed_time_mailbox(Lane("quotes", capacity=1, conflate_by=lambda quote: quote[0]))
    mailbox.put(("BTC", 1))
    mailbox.put(("BTC", 2))
    with pytest.raises(MailboxFull):
        mailbox.put(("ETH", 1))


async def test_the_age_of_a_conflated_slot_counts_from_its_first_unseen_message(autojump_clock: MockClock) -> None:
    mailbox = Mailbox("box", (Lane("quotes", conflate_by=lambda quote: quote[0]),))
    mailbox.put(("BTC", 1))
    await trio.sleep(5)
    mailbox.put(("BTC", 2))
    assert mailbox.statistics().oldest_message_age_s == pytest.approx(5)


async def test_the_oldest_age_is_that_of_the_oldest_message_in_any_lane(autojump_clock: MockClock) -> None:
    mailbox = Mailbox("box", (Lane("words", accepts=(str,)), Lane("others")))
    assert mailbox.statistics().oldest_message_age_s == 0
    mailbox.put(1)
    await trio.sleep(2)
    mailbox.put("word")
    await trio.sleep(1)
    assert mailbox.statistics().oldest_message_age_s == pytest.approx(3)


async def test_a_closed_mailbox_takes_nothing_more_until_it_is_opened_again() -> None:
    mailbox = fixed_time_mailbox(Lane("messages"))
    mailbox.put(1)
    mailbox.close()
    with pytest.raises(ActorStopped, match="box has stopped"):
        mailbox.put(2)
    assert drained(mailbox) == []
    mailbox.open()
    mailbox.put(3)
    assert drained(mailbox) == [3]


def test_offer_leaves_the_publisher_in_peace_and_counts() -> None:
    mailbox = fixed_time_mailbox(Lane("messages", capacity=1))
    mailbox.offer(1)
    mailbox.offer(2)
    assert mailbox.statistics().refused == 1
    mailbox.close()
    mailbox.offer(3)
    assert mailbox.statistics().put == 1


def test_asking_for_the_timers_before_there_is_a_system_says_so() -> None:
    with pytest.raises(RuntimeError, match="box is not part of a system yet"):
        _ = fixed_time_mailbox(Lane("messages")).timers


async def test_two_consumers_of_one_mailbox_are_a_mistake(autojump_clock: MockClock) -> None:
    mailbox = Mailbox("box", (Lane("messages"),))

    async def consume() -> None:
        await mailbox.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await mailbox.wait()
        nursery.cancel_scope.cancel()


# A step is a message (sender, key) that is put, or None for a take.
steps = st.lists(st.none() | st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=60)
capacities = st.integers(1, 5)


def played(mailbox: Mailbox, script: list[tuple[int, int] | None], capacity: int) -> list[Any]:
    """Play a script; gives what was taken, the rest included. Checks the bound after every step."""
    taken = []
    for number, step in enumerate(script):
        if step is None:
            entry = mailbox.take()
            if entry is not None:
                taken.append(entry[0])
        else:
            mailbox.offer((number, *step))
        assert mailbox.statistics().depth <= capacity
    return taken + drained(mailbox)


@given(script=steps, capacity=capacities, overflow=st.sampled_from(Overflow), conflating=st.booleans())
def test_no_policy_ever_holds_more_than_the_capacity_and_every_message_is_accounted_for(
    script: list[tuple[int, int] | None], capacity: int, overflow: Overflow, conflating: bool
) -> None:
    key = (lambda message: message[2]) if conflating else None
    mailbox = fixed_time_mailbox(Lane("lane", capacity=capacity, overflow=overflow, conflate_by=key))
    taken = [message for message in played(mailbox, script, capacity) if isinstance(message, tuple)]
    figures = mailbox.statistics()
    sent = sum(step is not None for step in script)
    assert len(taken) + figures.dropped + figures.refused + figures.conflated == sent


@given(script=steps, capacity=capacities, overflow=st.sampled_from(Overflow))
def test_what_arrives_of_one_sender_arrives_in_the_order_of_sending(
    script: list[tuple[int, int] | None], capacity: int, overflow: Overflow
) -> None:
    mailbox = fixed_time_mailbox(Lane("lane", capacity=capacity, overflow=overflow))
    numbers = [message[0] for message in played(mailbox, script, capacity) if isinstance(message, tuple)]
    assert numbers == sorted(numbers)


@given(script=steps)
def test_conflation_always_delivers_the_newest_message_of_each_key(script: list[tuple[int, int] | None]) -> None:
    mailbox = fixed_time_mailbox(Lane("lane", conflate_by=lambda message: message[2]))
    taken = played(mailbox, script, 10)
    newest = {step[1]: number for number, step in enumerate(script) if step is not None}
    last_seen = {message[2]: message[0] for message in taken}
    assert last_seen == newest


@given(script=steps, capacity=capacities)
def test_a_gap_stands_exactly_where_messages_are_missing(script: list[tuple[int, int] | None], capacity: int) -> None:
    mailbox = fixed_time_mailbox(Lane("lane", capacity=capacity, overflow=Overflow.DROP_OLDEST))
    sent = [number for number, step in enumerate(script) if step is not None]
    arrived: list[int] = []
    for message in played(mailbox, script, capacity):
        if isinstance(message, Gap):
            arrived.extend(sent[len(arrived) : len(arrived) + message.dropped])
        else:
            arrived.append(message[0])
    assert arrived == sent
