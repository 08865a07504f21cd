"""Faults of account events: lost, twice, late and out of order."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.faults import DelayEvent, DuplicateEvent, LoseEvent, ReorderEvents
from tests.actors.paper.guest import Guest, open_guest

TAKER: dict[str, Any] = {"price": "101", "quantity": "1"}


async def test_a_lost_event_is_told_to_nobody(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        other = await Guest.arrive(guest.hall)
        armed = guest.faults.add(LoseEvent())
        await guest.buy("a", **TAKER)
        await trio.sleep(30)
        assert guest.told() == [(0.0, "200"), (0.0, "TRADE"), (0.0, "outboundAccountPosition")]
        assert other.told() == [(0.0, "TRADE"), (0.0, "outboundAccountPosition")]
        assert armed.hits == 1


@pytest.mark.parametrize(
    ("fault", "reports", "positions"),
    [
        (LoseEvent(execution_type="TRADE"), ["NEW"], 1),
        (LoseEvent(kind="outboundAccountPosition"), ["NEW", "TRADE"], 0),
        (LoseEvent(kind=None), [], 0),
        (LoseEvent(execution_type="CANCELED"), ["NEW", "TRADE"], 1),
    ],
)
async def test_only_events_of_the_kind_that_was_meant_are_struck(
    fault: LoseEvent, reports: list[str], positions: int, virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        guest.faults.add(fault, times=None)
        await guest.buy("a", **TAKER)
        await trio.sleep(1)
        assert guest.reports() == reports
        assert [word for _, word in guest.told()].count("outboundAccountPosition") == positions


async def test_events_of_one_order_are_chosen_by_a_predicate(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(LoseEvent(), times=None, where=lambda event: event["c"] == "b")
        for name in "abc":
            await guest.buy(name, **TAKER)
        await trio.sleep(1)
        assert guest.reports() == ["NEW", "TRADE", "NEW", "TRADE"]
        assert {entry.client_order_id for entry in guest.faults.struck} == {"b"}


async def test_a_duplicated_event_comes_once_more_for_each_copy(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(DuplicateEvent(copies=2, execution_type="TRADE"))
        await guest.buy("a", **TAKER)
        await trio.sleep(1)
        assert guest.reports() == ["NEW", "TRADE", "TRADE", "TRADE"]
        trades = [frame for _, frame in guest.heard if "event" in frame and frame["event"].get("x") == "TRADE"]
        assert trades[0] == trades[1] == trades[2]


async def test_a_delayed_event_is_overtaken(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(DelayEvent(delay_s=4), times=2)
        await guest.buy("a", **TAKER)
        await trio.sleep(1)
        await guest.buy("b", **TAKER)
        await trio.sleep(30)
        assert guest.told() == [
            (0.0, "200"),
            (0.0, "outboundAccountPosition"),
            (1.0, "200"),
            (1.0, "NEW"),
            (1.0, "TRADE"),
            (1.0, "outboundAccountPosition"),
            (4.0, "NEW"),
            (4.0, "TRADE"),
        ]


async def test_a_delayed_event_reaches_a_connection_that_came_meanwhile(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(DelayEvent(delay_s=4))
        await guest.buy("a")
        await trio.sleep(1)
        await guest.visitor.websocket.aclose()
        later = await Guest.arrive(guest.hall)
        await trio.sleep(30)
        assert guest.reports() == []
        assert later.reports() == ["NEW"]


async def test_events_are_told_in_reverse_when_enough_have_come(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(ReorderEvents(count=3, within_s=60))
        await guest.buy("a", **TAKER)
        await trio.sleep(2)
        assert guest.reports() == []
        await guest.buy("b", **TAKER)
        await trio.sleep(1)
        assert guest.reports() == ["NEW", "TRADE", "NEW", "TRADE"]
        orders = [frame["event"]["c"] for _, frame in guest.heard if frame.get("event", {}).get("x")]
        assert orders == ["b", "a", "a", "b"]
        assert armed.hits == 1
        assert not guest.faults.is_armed


async def test_events_that_wait_for_others_in_vain_are_told_after_a_while(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(ReorderEvents(count=5, within_s=7))
        await guest.buy("a", **TAKER)
        await trio.sleep(1)
        armed.disarm()
        await guest.buy("b", **TAKER)
        await trio.sleep(30)
        told = [(at_s, word) for at_s, word in guest.told() if word in ("NEW", "TRADE")]
        assert told == [(1.0, "NEW"), (1.0, "TRADE"), (7.0, "TRADE"), (7.0, "NEW")]


async def test_the_fault_that_was_armed_first_strikes_an_event(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(LoseEvent())
        guest.faults.add(DuplicateEvent())
        await guest.buy("a", **TAKER)
        await trio.sleep(1)
        assert guest.reports() == ["TRADE", "TRADE"]


@pytest.mark.parametrize("make", [lambda: DuplicateEvent(copies=0), lambda: ReorderEvents(count=1)])
def test_numbers_that_change_nothing_are_a_mistake(make: Any) -> None:
    with pytest.raises(ValueError, match=r"(copies is 1|count is 2) or more"):
        make()
