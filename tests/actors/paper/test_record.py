"""The exchange's own record: events with their place, connections with their times, requests with their cost."""

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from dogwatch.actors.paper.faults import Cut, DuplicateEvent, LoseEvent, SilentSubscription
from dogwatch.actors.paper.record import Attempt, Record, RequestLog
from tests.actors.paper.guest import Guest, open_guest
from tests.actors.paper.visitor import HANDSHAKE, open_hall


class Stopwatch:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


# Events.


async def test_every_event_is_recorded_as_it_happened_and_who_could_hear_it(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        record = guest.hall.exchange.record
        guest.faults.add(LoseEvent())
        guest.faults.add(DuplicateEvent(kind="outboundAccountPosition"))
        await guest.buy("a")
        await trio.sleep(1)
        guest.faults.add(SilentSubscription())
        await Guest.arrive(guest.hall)
        await Guest.arrive(guest.hall)
        await guest.buy("b")
        await trio.sleep(1)
        guest.faults.now(Cut())
        await trio.sleep(1)
        guest.hall.exchange.engine.cancel(
            "main", {"symbol": "BTCUSDT", "origClientOrderId": "a"}, guest.hall.clock.unix_ms()
        )
        guest.hall.exchange.settle()
        told = [(entry.position, entry.at_s, entry.event.get("x", ""), entry.heard_by) for entry in record.events]
        assert told == [
            (0, 0.0, "NEW", (0,)),
            (1, 0.0, "", (0,)),
            (2, 1.0, "NEW", (0, 2)),
            (3, 1.0, "", (0, 2)),
            (4, 3.0, "CANCELED", ()),
            (5, 3.0, "", ()),
        ]
        assert {entry.account for entry in record.events} == {"main"}
        assert record.told == 6


# Connections.


async def test_a_connection_is_recorded_with_the_times_in_which_it_was_on_station(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        await trio.sleep(1)
        visitor = await hall.visit()
        await trio.sleep(1)
        await visitor.log_on()
        await visitor.ask("userDataStream.subscribe")
        await trio.sleep(1)
        await visitor.log_on()  # again: another time begins
        await visitor.ask("userDataStream.unsubscribe")
        await trio.sleep(1)
        await visitor.ask("session.logout")
        await trio.sleep(1)
        await visitor.websocket.aclose()
        await trio.sleep(1)
        (log,) = hall.exchange.record.connections
        assert (log.number, log.to, log.target, log.address, log.port) == (0, "api", "/ws-api/v3", "memory", 9443)
        assert (log.opened_s, log.closed_s) == (1.0, 5.0)
        assert [(span.from_s, span.until_s, span.account) for span in log.logged_on] == [
            (2.0, 3.0, "main"),
            (3.0, 4.0, "main"),
        ]
        assert [(span.from_s, span.until_s) for span in log.subscribed] == [(2.0, 3.0)]
        assert hall.exchange.record.away("main", 0, 6) == [(0, 2.0), (4.0, 6)]
        assert hall.exchange.record.away("main", 0, 6, what="subscribed") == [(0, 2.0), (3.0, 6)]
        assert hall.exchange.record.away("other", 0, 6) == [(0, 6)]


async def test_the_time_without_a_logon_counts_all_connections_together(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        first = await hall.visit()
        await first.log_on()
        await trio.sleep(10)
        second = await hall.visit()
        await second.log_on()
        await trio.sleep(10)
        hall.exchange.faults.now(Cut(), where=lambda facts: facts["number"] == 0)
        await trio.sleep(10)
        assert hall.exchange.record.away("main", 0, 30) == []
        hall.exchange.faults.now(Cut())
        await trio.sleep(10)
        third = await hall.visit()
        await third.log_on()
        assert hall.exchange.record.away("main", 0, 50) == [(30.0, 40.0)]
        assert hall.exchange.record.away("main", 35, 38) == [(35, 38)]


@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=8),
    since_s=st.integers(0, 30),
    length_s=st.integers(1, 30),
)
def test_every_second_is_either_covered_or_in_a_gap(spans: list[tuple[int, int]], since_s: int, length_s: int) -> None:
    watch = Stopwatch()
    record = Record(now_s=watch)
    for from_s, lasts_s in spans:
        logbook = record.opened(record.accepted("memory", 1), "api")
        watch.now_s = from_s
        logbook.logged_on("main")
        watch.now_s = from_s + lasts_s
        logbook.closed()
    gaps = record.away("main", since_s, since_s + length_s)
    for second in range(since_s, since_s + length_s):
        covered = any(from_s <= second and second + 1 <= from_s + lasts_s for from_s, lasts_s in spans)
        in_gap = any(from_s <= second and second + 1 <= until_s for from_s, until_s in gaps)
        assert covered != in_gap
    assert all(from_s < until_s for from_s, until_s in gaps)
    assert gaps == sorted(gaps)


# Requests and attempts.


async def test_every_request_is_recorded_with_what_it_was_charged(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        await guest.ask("order.place", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", price="99")
        await guest.buy("a")
        await trio.sleep(1)
        await guest.status("a")
        await guest.visitor.websocket.send_message("{")
        await guest.visitor.send("nonsense")
        await trio.sleep(1)
        record = guest.hall.exchange.record
        rows = [(entry.method, entry.status, entry.code, entry.weight, entry.account) for entry in record.requests]
        assert rows == [
            ("session.logon", 200, 0, 2, "main"),
            ("userDataStream.subscribe", 200, 0, 2, "main"),
            ("order.place", 400, -1102, 1, "main"),
            ("order.place", 200, 0, 0, "main"),
            ("order.status", 200, 0, 4, "main"),
            ("", 400, -1135, 1, ""),
            ("nonsense", 400, -1020, 1, ""),
        ]
        limits = guest.hall.exchange.limits_of_address()
        assert limits.raw_requests.count == record.requested == len(rows)
        assert limits.weight.count == 2 + sum(entry.weight for entry in record.requests)
        assert {entry.connection for entry in record.requests} == {0}


async def test_what_somebody_else_spends_is_counted(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        exchange = guest.hall.exchange
        exchange.use_weight(5_990)
        exchange.use_orders(99)
        await guest.buy("a")
        await trio.sleep(0.5)
        await guest.buy("b")
        await trio.sleep(0.5)
        assert [answer["status"] for answer in guest.answers()] == [200, 429]
        answer = await guest.ask("account.status")
        assert (answer["status"], answer["error"]["code"]) == (429, -1003)
        assert exchange.record.requests[-1].code == -1003


async def test_a_ban_drops_the_address_and_refuses_it_until_it_lifts(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        exchange = guest.hall.exchange
        exchange.ban(90)
        await trio.sleep(1)
        assert guest.closed_s == 0.0
        exchange.ban(10)  # a shorter one changes nothing
        assert exchange.limits_of_address().banned_until_ms == guest.hall.clock.unix_ms() + 89_000
        await trio.sleep(88)
        stream = await guest.hall.connect()
        await stream.send_all(HANDSHAKE)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 418")
        await trio.sleep(1)
        await guest.hall.visit()
        assert [(entry.status, entry.connection) for entry in exchange.record.attempts] == [
            (101, 0),
            (418, None),
            (101, 1),
        ]


# Bounds.


def test_a_record_keeps_the_newest_and_counts_all() -> None:
    record = Record(now_s=lambda: 0.0, kept_max=2)
    for number in range(5):
        record.happened("main", {"e": str(number)}, ())
        record.accepted("memory", number)
    assert [entry.position for entry in record.events] == [3, 4]
    assert (record.told, record.attempted) == (5, 5)
    record.keep(3)
    for number in range(3):
        record.happened("main", {"e": str(number)}, ())
    assert [entry.position for entry in record.events] == [5, 6, 7]


@pytest.mark.parametrize("kind", ["requests", "connections"])
def test_requests_and_connections_are_bounded_too(kind: str) -> None:
    record = Record(now_s=lambda: 0.0, kept_max=2)
    for _ in range(5):
        book = record.opened(Attempt(at_s=0.0, address="memory", port=1), "api")
        book.answered("main", "ping", 200, 0, 1)
    kept: list[Any] = getattr(record, kind)
    assert len(kept) == 2
    assert record.requested == 5
    assert all(isinstance(entry, RequestLog) for entry in record.requests)
