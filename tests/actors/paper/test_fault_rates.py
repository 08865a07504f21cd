"""Faults by chance: the seed decides them, the rates how often, and the configuration may ask for them."""

from collections import Counter
from contextlib import suppress
from functools import partial
from random import Random

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from dogwatch.actors.paper.armed_faults import Faults, Struck
from dogwatch.actors.paper.config import PaperConfig, check_config
from dogwatch.actors.paper.fault_rates import ALTERNATIVES, RATES, REFUSING, STRUCK_METHODS, FaultRates, SeededPlan
from dogwatch.actors.paper.faults import (
    AnswerFault,
    AnswerUnknown,
    ConnectionFault,
    Cut,
    DelayAnswer,
    DelayEvent,
    DuplicateEvent,
    EventFault,
    EventsFirst,
    Fault,
    GarbleAnswer,
    HalfClose,
    HalfOpen,
    HandshakeFault,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    NoData,
    RefuseHandshake,
    RefuseLogon,
    ReorderEvents,
    ServerError,
    ShutDown,
    SilentSubscription,
    Stall,
)
from dogwatch.runtime.testing.virtual_time import run_virtual
from tests.actors.paper.counter import sign_with_hmac
from tests.actors.paper.guest import Guest, open_guest
from tests.actors.paper.visitor import HANDSHAKE

KINDS = {
    "lose_request": LoseRequest,
    "lose_answer": LoseAnswer,
    "delay_answer": DelayAnswer,
    "garble_answer": GarbleAnswer,
    "answer_unknown": AnswerUnknown,
    "server_error": ServerError,
    "events_first": EventsFirst,
    "hide_order": HideOrder,
    "lose_event": LoseEvent,
    "duplicate_event": DuplicateEvent,
    "delay_event": DelayEvent,
    "reorder_events": ReorderEvents,
    "cut": Cut,
    "half_close": HalfClose,
    "stall": Stall,
    "shut_down": ShutDown,
    "half_open": HalfOpen,
    "no_data": NoData,
    "refuse_handshake": RefuseHandshake,
    "refuse_logon": RefuseLogon,
    "silent_subscription": SilentSubscription,
}
COMING_UP = ("refuse_handshake", "refuse_logon", "silent_subscription")
EVERYTHING = FaultRates(**dict.fromkeys(RATES, 0.05))


def drawn(plan: SeededPlan, count: int) -> list[Fault]:
    """The faults that `count` orders with an event each meet, and as many connections that come up."""
    faults: list[Fault] = []
    for _ in range(count):
        kinds = (AnswerFault, EventsFirst, HideOrder, ConnectionFault)
        met: list[Fault | None] = [plan.draw(kind, "order.place") for kind in kinds]
        met.append(plan.draw(EventFault, "executionReport"))
        met.append(plan.draw(HandshakeFault, "api"))
        met.append(plan.draw(AnswerFault, "session.logon"))
        met.append(plan.draw(SilentSubscription, "userDataStream.subscribe"))
        faults.extend(fault for fault in met if fault is not None)
    return faults


def test_every_rate_has_a_fault_of_its_name() -> None:
    assert set(RATES) == KINDS.keys()


@pytest.mark.parametrize("name", RATES)
def test_a_rate_of_one_strikes_always_and_strikes_nothing_else(name: str) -> None:
    faults = drawn(SeededPlan(FaultRates(**{name: 1.0}), Random(1)), 50)
    assert [type(fault) for fault in faults] == [KINDS[name]] * 50


def test_rates_are_kept_in_the_long_run() -> None:
    counts = Counter(type(fault) for fault in drawn(SeededPlan(EVERYTHING, Random(7)), 20_000))
    assert counts.keys() == set(KINDS.values())
    for kind, count in counts.items():
        assert 850 < count < 1150, kind


@given(seed=st.integers())
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    assert drawn(SeededPlan(EVERYTHING, Random(seed)), 50) == drawn(SeededPlan(EVERYTHING, Random(seed)), 50)


@given(seed=st.integers(), longest_s=st.floats(0, 100))
def test_no_fault_lasts_longer_than_it_may(seed: int, longest_s: float) -> None:
    rates = FaultRates(delay_answer=1, delay_event=1, hide_order=1, stall=1, delay_s_max=longest_s)
    for fault in drawn(SeededPlan(rates, Random(seed)), 10):
        match fault:
            case DelayAnswer(delay_s=seconds) | DelayEvent(delay_s=seconds):
                assert 0 <= seconds <= longest_s + 0.0005
            case HideOrder(for_s=seconds):
                assert 0 <= seconds <= 30
            case Stall(for_s=seconds):
                assert 0 <= seconds <= 5


@pytest.mark.parametrize("method", ["session.logon", "userDataStream.subscribe", "time", "exchangeInfo"])
def test_what_a_connection_needs_to_come_up_is_left_alone(method: str) -> None:
    plan = SeededPlan(FaultRates(lose_request=1, cut=1), Random(1))
    assert method not in STRUCK_METHODS
    assert plan.draw(AnswerFault, method) is None
    assert plan.draw(ConnectionFault, method) is None


def test_only_reports_of_orders_are_struck() -> None:
    assert SeededPlan(FaultRates(lose_event=1), Random(1)).draw(EventFault, "outboundAccountPosition") is None


async def a_day_of_faults(rates: FaultRates, seed: int) -> tuple[list[Struck], list[tuple[float, str]]]:
    async with open_guest() as guest:
        guest.faults.seeded(rates, Random(seed))
        for number in range(200):
            await guest.buy(f"n{number}", price="101", quantity="0.1")
            await trio.sleep(0.5)
        await trio.sleep(60)
        return guest.faults.struck, guest.told()


async def test_the_same_seed_gives_the_same_day(virtual_clock: MockClock) -> None:
    # While the line holds, nobody connects, logs on or subscribes.
    names = [name for name in RATES if name not in (*ALTERNATIVES[2], *COMING_UP)]
    quiet_line = FaultRates(**dict.fromkeys(names, 0.05))
    struck, told = await a_day_of_faults(quiet_line, 3)
    assert {type(entry.fault) for entry in struck} == {KINDS[name] for name in names}
    again_struck, again_told = await a_day_of_faults(quiet_line, 3)
    assert [entry.fault for entry in again_struck] == [entry.fault for entry in struck]
    assert [word for _, word in again_told] == [word for _, word in told]
    other_struck, _ = await a_day_of_faults(quiet_line, 4)
    assert [entry.fault for entry in other_struck] != [entry.fault for entry in struck]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_no_plan_can_break_the_exchange(seed: int) -> None:
    run_virtual(partial(a_day_on_a_bad_line, seed), seed=seed)


async def a_day_on_a_bad_line(seed: int) -> None:
    """Every kind of fault strikes; a guest whose line breaks comes back, and every order is sent once."""
    async with open_guest() as guest:
        exchange = guest.hall.exchange
        # The library of the guest lets a refused handshake end everything.
        guest.faults.seeded(msgspec.structs.replace(EVERYTHING, refuse_handshake=0), Random(seed))
        for number in range(60):
            with trio.move_on_after(5), suppress(ConnectionClosed):
                await guest.buy(f"n{number}", price="101" if number % 2 else "90", quantity="0.1")
                await guest.send("order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": f"n{number - 2}"})
                await trio.sleep(1)
            if guest.closed_s is not None or number % 10 == 9:
                guest = await Guest.arrive(guest.hall)
        await trio.sleep(120)
        guest.faults.clear()
        guest = await Guest.arrive(guest.hall)
        assert max(exchange.intents.values()) == 1
        assert exchange.intents.keys() >= {order["clientOrderId"] for order in exchange.orders()} & SENT
        listed = (await guest.ask("allOrders", symbol="BTCUSDT"))["result"]
        assert [row["orderId"] for row in listed] == [row["orderId"] for row in exchange.orders()]
        assert len((await guest.ask("myTrades", symbol="BTCUSDT"))["result"]) == len(exchange.fills())


SENT = {f"n{number}" for number in range(60)}


async def test_an_armed_fault_goes_before_the_plan(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.seeded(FaultRates(lose_answer=1), Random(1))
        guest.faults.add(LoseRequest())
        for name in "ab":
            await guest.buy(name)
        await trio.sleep(1)
        assert [type(entry.fault) for entry in guest.faults.struck] == [LoseRequest, LoseAnswer]


async def test_a_plan_without_rates_is_none(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.seeded(FaultRates(lose_answer=1), Random(1))
        guest.faults.seeded(FaultRates(delay_s_max=9), Random(1))
        assert not guest.faults.is_armed


async def test_a_connection_that_comes_up_meets_the_plan(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.seeded(FaultRates(refuse_logon=1, silent_subscription=1), Random(1))
        visitor = await guest.hall.visit()
        assert (await visitor.log_on())["error"]["code"] == -1008
        signed = sign_with_hmac(visitor.stamped(), visitor._material)
        assert (await visitor.ask("userDataStream.subscribe.signature", signed))["status"] == 200
        guest.faults.seeded(FaultRates(refuse_handshake=1), Random(1))
        stream = await guest.hall.connect()
        await stream.send_all(HANDSHAKE)
        assert int((await stream.receive_some()).split()[1]) in REFUSING
        assert [type(entry.fault) for entry in guest.faults.struck] == [
            RefuseLogon,
            SilentSubscription,
            RefuseHandshake,
        ]


# Configuration.


async def test_the_configuration_may_ask_for_faults(virtual_clock: MockClock) -> None:
    async with open_guest(PaperConfig(faults=FaultRates(lose_request=1))) as guest:
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.heard == []
        assert [type(entry.fault) for entry in guest.faults.struck] == [LoseRequest]


def test_without_rates_nothing_is_armed() -> None:
    assert not PaperConfig().faults.are_any
    assert list(PaperConfig().faults.mistakes()) == []
    assert not Faults(now_ms=lambda: 0, break_all=lambda *_meant: 0).is_armed


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        (FaultRates(cut=1.5), ["paper.faults.cut: 1.5 is no probability", "paper.faults.cut: the rates of its kind"]),
        (FaultRates(cut=-0.1), ["paper.faults.cut: -0.1 is no probability"]),
        (FaultRates(hide_order=float("nan")), ["paper.faults.hide_order: nan is no probability"]),
        (
            FaultRates(lose_event=0.6, delay_event=0.6),
            ["paper.faults.lose_event: the rates of its kind add up to 1.2, more than 1"],
        ),
        (FaultRates(lose_answer=1, lose_event=1, cut=1, hide_order=1, events_first=1), []),
        (FaultRates(delay_s_max=-1), ["paper.faults.delay_s_max: -1 is no time to wait"]),
        (FaultRates(stall_s_max=float("inf")), ["paper.faults.stall_s_max: inf is no time to wait"]),
    ],
)
def test_senseless_rates_are_mistakes(rates: FaultRates, told: list[str]) -> None:
    mistakes = [str(mistake) for mistake in check_config(PaperConfig(faults=rates))]
    assert len(mistakes) == len(told)
    for mistake, beginning in zip(mistakes, told, strict=True):
        assert mistake.startswith(beginning)
