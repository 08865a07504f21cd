"""Rotation against the paper exchange: nobody notices that a link has another socket, whatever happens meanwhile."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import msgspec
import pytest
import trio
import trio.testing

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.paper.faults import (
    Cut,
    DelayAnswer,
    EndSubscriptions,
    RefuseHandshake,
    RefuseLogon,
    ShutDown,
    SilentSubscription,
)
from dogwatch.actors.rotation_messages import Rotated, RotateNow, RotationFailed
from dogwatch.actors.session import Call, KeyRefused, SessionLost, SessionReady
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order_requests import OrderCancel
from dogwatch.actors.spot.overlap import identity
from dogwatch.actors.spot.user_events import AnyUserEvent, ServerShutdown
from dogwatch.runtime.errors import AskTimeout
from dogwatch.runtime.specs import ChildSpec
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.paper_link import PaperLink, an_order, fail

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Market(PaperLink):
    """Its account trades, and it is seen what both sides say of the same events."""

    def __init__(self, network: MemoryNetwork, key: str, settings: ConnectionSettings | None) -> None:
        super().__init__(network, key, settings)
        self.rotated: list[Rotated] = []
        self.failed: list[RotationFailed] = []
        self.link.rotation.rotated.tap(self.rotated.append, on_error=fail)
        self.link.rotation.failed.tap(self.failed.append, on_error=fail)
        self.is_trading = True
        self.placed = 0
        self.refused: list[Exception] = []
        rotation = self.link.spec.children[-1]
        assert isinstance(rotation, ChildSpec)
        self.rotation = rotation.ref

    async def trade(self, every_s: float = 0.06) -> None:
        """Place and cancel orders, one after the other."""
        while self.is_trading:
            self.placed += 1
            name = f"order-{self.placed}"
            try:
                for call in (
                    Call(method=Method.ORDER_PLACE, params=an_order(name)),
                    Call.of(OrderCancel(symbol="BTCUSDT", orig_client_order_id=name)),
                ):
                    response = await self.link.session.ask(call, within_s=10)
                    assert response.is_ok, response.error
                    await trio.sleep(every_s)
            except (NotSent, OutcomeUnknown, AskTimeout) as error:
                self.refused.append(error)
                await trio.sleep(every_s)

    async def stop_trading(self) -> None:
        """Returns when the last order and its events are through."""
        self.is_trading = False
        await trio.sleep(15)

    def has_rotated(self, times: int) -> bool:
        return len(self.rotated) == times

    def rotate(self, reason: str = "the test wants it") -> None:
        self.link.rotation.wanted.publish(RotateNow(reason=reason))

    async def until(self, condition: Callable[[], object], within_s: float = 300.0) -> None:
        with trio.fail_after(within_s):
            while True:
                if condition():
                    return
                await trio.sleep(0.05)

    def check_events(self) -> None:
        """Every event that the exchange has told is here once and in its order."""
        assert [frame.event for frame in self.events if not isinstance(frame.event, ServerShutdown)] == self._told()

    def check_order_of_events(self) -> None:
        """What is here is what the exchange has told, in its order and without doubles."""
        told = iter([identity(event) for event in self._told()])
        here = [identity(frame.event) for frame in self.events if not isinstance(frame.event, ServerShutdown)]
        assert all(event in told for event in here)

    def _told(self) -> list[AnyUserEvent]:
        texts = (
            msgspec.json.encode({"subscriptionId": 0, "event": told.event}) for told in self.exchange.record.events
        )
        return [frame.event for frame in map(decode_frame, texts) if isinstance(frame, UserEvent)]

    def lines_standing(self) -> list[str]:
        return [line.name for line in self.link.lines if line.topics.epoch is not None]


@asynccontextmanager
async def open_market(
    network: MemoryNetwork, *, key: str = "ed25519", settings: ConnectionSettings | None = None
) -> AsyncIterator[Market]:
    market = Market(network, key, settings)
    async with market.running(with_prices=False):
        await market.until(lambda: market.states)
        yield market


@pytest.mark.parametrize("key", ["ed25519", "hmac"])
async def test_under_a_load_of_orders_nothing_is_lost_doubled_or_refused(network: MemoryNetwork, key: str) -> None:
    async with open_market(network, key=key) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        for number in range(1, 4):
            await trio.sleep(1)
            market.rotate()
            await market.until(partial(market.has_rotated, number))
        await trio.sleep(15)
        await market.stop_trading()
        assert market.states == [SessionReady(epoch=1)]
        assert [(done.old_epoch, done.new_epoch, done.is_seamless) for done in market.rotated] == [
            (1, 2, True),
            (2, 3, True),
            (3, 4, True),
        ]
        assert market.refused == []
        assert market.placed > 100
        market.check_events()
        assert market.lines_standing() == ["b"]


# Either socket dies.


PREPARING = [0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27]
"""With 10 ms on every way, a move takes 0.2 s of questions and answers."""
OVERLAPPING = [0.5, 1.9, 2.3, 3.0]


@pytest.mark.parametrize("moment_s", [*PREPARING, *OVERLAPPING])
@pytest.mark.parametrize("how", ["cut", "stall"])
@pytest.mark.parametrize("dies", ["old", "new"])
async def test_whenever_a_socket_dies_the_link_stands_and_events_are_lost_only_where_a_loss_is_told(
    network: MemoryNetwork, dies: str, how: str, moment_s: float
) -> None:
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade, 0.04)
        await trio.sleep(0.5)
        (old,) = network.connections
        market.rotate()
        await trio.sleep(moment_s)
        for connection in network.connections:
            if (connection is old) == (dies == "old"):
                connection.cut() if how == "cut" else connection.stall()
        await trio.sleep(4)
        await market.stop_trading()
        await trio.sleep(90)
        kinds = [type(state) for state in market.states]
        if kinds == [SessionReady]:
            market.check_events()
        else:
            assert dies == "old" or moment_s > 2.0, "the old socket was there to carry on"
            assert kinds == [SessionReady, SessionLost, SessionReady]
            market.check_order_of_events()
        response = await market.link.session.ask(
            Call(method=Method.ORDER_PLACE, params=an_order("afterwards")), within_s=5
        )
        assert response.is_ok
        assert len(market.lines_standing()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["time", "session.logon", "userDataStream.subscribe", "ping"])
async def test_a_new_socket_that_dies_at_any_step_leaves_the_old_one_as_it_was(
    network: MemoryNetwork, step: str, when: Literal["before", "after"]
) -> None:
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        cut = market.exchange.faults.add(Cut(on=step, when=when))
        market.rotate()
        await market.until(lambda: market.rotated)
        await market.stop_trading()
        assert cut.hits == 1
        assert [failure.attempts for failure in market.failed] == [1]
        assert market.states == [SessionReady(epoch=1)]
        assert market.refused == []
        market.check_events()


async def test_an_old_socket_that_dies_as_it_is_asked_for_the_seam_hands_over_with_a_loss_told(
    network: MemoryNetwork,
) -> None:
    async with open_market(network) as market:
        cut = market.exchange.faults.add(Cut(on="ping", when="before"), after=1)
        market.rotate()
        await market.until(lambda: market.rotated)
        assert cut.hits == 1
        assert [type(state) for state in market.states] == [SessionReady, SessionLost, SessionReady]
        assert market.states[-1] == SessionReady(epoch=2), "on the new socket, which stood already"
        assert not market.rotated[0].is_seamless
        call = Call(method=Method.ORDER_PLACE, params=an_order("afterwards"))
        assert (await market.link.session.ask(call, within_s=5)).is_ok


async def test_both_sockets_may_die_at_once(network: MemoryNetwork) -> None:
    network.delay_s = 0.01
    for moment_s in (0.05, 0.15, 0.25, 1.0):
        async with open_market(network) as market, trio.open_nursery() as nursery:
            nursery.start_soon(market.trade, 0.04)
            await trio.sleep(0.5)
            market.rotate()
            await trio.sleep(moment_s)
            network.cut_all()
            await trio.sleep(60)
            market.check_order_of_events()
            assert isinstance(market.states[-1], SessionReady)
            assert len(market.lines_standing()) == 1
            await market.stop_trading()


# The next socket cannot be had.


@pytest.mark.parametrize("key", ["ed25519", "hmac"])
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_logon_that_is_refused_leaves_the_old_socket_as_it_was(
    network: MemoryNetwork, key: str, times: int
) -> None:
    async with open_market(network, key=key) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        method = "session.logon" if key == "ed25519" else "userDataStream.subscribe.signature"
        market.exchange.faults.add(RefuseLogon(method=method), times=times)
        market.rotate()
        await market.until(lambda: market.rotated)
        await trio.sleep(5)
        await market.stop_trading()
        assert [failure.attempts for failure in market.failed] == list(range(1, times + 1))
        assert all("overloaded" in failure.reason for failure in market.failed)
        assert market.states == [SessionReady(epoch=1)]
        assert market.refused == []
        market.check_events()


async def test_nothing_to_dial_is_told_with_its_cause_and_a_human_is_woken_before_the_cut_off(
    network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_market(network) as market:
        refusing = market.exchange.faults.add(RefuseHandshake(status=503), times=None)
        await trio.sleep(23.4 * 3600)
        assert market.states == [SessionReady(epoch=1)]
        assert len(market.failed) > 5
        assert "503" in market.failed[-1].reason
        alarms = [record for record in caplog.records if record.levelname == "ERROR"]
        assert alarms == [], "there is time yet"
        await trio.sleep(0.5 * 3600)
        (alarm,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "no other can be made" in alarm.getMessage()
        assert market.failed[-1].cut_off_in_s < 1800
        refusing.disarm()
        await market.until(lambda: market.rotated)
        assert market.states == [SessionReady(epoch=1)]


async def test_a_subscription_that_is_deaf_is_left_again_and_costs_no_event(network: MemoryNetwork) -> None:
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        market.exchange.faults.add(SilentSubscription())
        market.rotate()
        await market.until(lambda: market.rotated)
        await trio.sleep(15)
        await market.stop_trading()
        (failure,) = market.failed
        assert "speaks over it" in failure.reason
        assert [(done.old_epoch, done.new_epoch) for done in market.rotated] == [(1, 3)]
        assert market.states == [SessionReady(epoch=1)]
        assert market.refused == []
        market.check_events()


# When it is time.


async def test_a_link_rotates_before_the_exchange_cuts_it(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        await trio.sleep(1.1 * 86_400)
        assert market.states == [SessionReady(epoch=1)]
        assert len(market.rotated) == 1
        assert market.exchange.record.away("main", 1.0, trio.current_time()) == []


async def test_it_rotates_at_the_users_time_of_day(network: MemoryNetwork) -> None:
    settings = ConnectionSettings(rotate_at_utc=("03:15", "15:15"))
    async with open_market(network, settings=settings) as market:
        times: list[float] = []
        market.link.rotation.rotated.tap(
            lambda done: times.append((market.clock.unix_ms() / 1000 - done.took_s) % 86_400 / 3600), on_error=fail
        )
        await trio.sleep(1.2 * 86_400)
        assert [round(hour) for hour in times] == [15, 3]
        assert all(min(abs(hour - 3.25), abs(hour - 15.25)) < 0.05 for hour in times)


@pytest.mark.parametrize("moment_s", [0.0, 0.05, 0.15, 0.25, 1.0, 3.0])
async def test_a_server_that_announces_its_end_is_left_at_once_and_a_second_notice_is_harmless(
    network: MemoryNetwork, moment_s: float
) -> None:
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        await trio.sleep(1)

        def is_first(connection: Mapping[str, Any]) -> bool:
            return bool(connection["number"] == 0)

        market.exchange.faults.now(ShutDown(notice_s=8.0), where=is_first)
        await trio.sleep(moment_s)
        market.exchange.faults.now(ShutDown(notice_s=8.0), where=is_first)
        await trio.sleep(60)
        await market.stop_trading()
        assert [(done.old_epoch, done.is_seamless) for done in market.rotated] == [(1, True)]
        assert market.states == [SessionReady(epoch=1)]
        assert market.refused == []
        market.check_events()


async def test_a_new_server_that_announces_its_end_too_is_left_next(network: MemoryNetwork) -> None:
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        market.rotate()
        await trio.sleep(1)
        market.exchange.faults.now(ShutDown(notice_s=20.0))
        await market.until(lambda: len(market.rotated) == 2)
        await trio.sleep(30)
        await market.stop_trading()
        assert market.states == [SessionReady(epoch=1)]
        assert market.refused == []
        market.check_events()


async def test_answers_that_are_awaited_on_the_old_socket_arrive_before_it_is_closed(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        market.exchange.faults.add(DelayAnswer(method="order.place", delay_s=8.0))
        answers: list[bool] = []

        async def ask() -> None:
            call = Call(method=Method.ORDER_PLACE, params=an_order("slow"))
            answers.append((await market.link.session.ask(call, within_s=30)).is_ok)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            nursery.start_soon(market.trade)
            market.rotate()
            await market.until(lambda: market.rotated)
            closed_s = trio.current_time()
            await market.stop_trading()
        assert answers == [True]
        assert 8 < closed_s < 12, "and soon after that it is closed"


async def test_a_rotation_that_crashes_in_the_middle_leaves_one_line_standing(network: MemoryNetwork) -> None:
    network.delay_s = 0.01
    for moment_s in (0.05, 0.2, 0.3, 1.0):
        async with open_market(network) as market, trio.open_nursery() as nursery:
            nursery.start_soon(market.trade, 0.5)
            market.rotate()
            await trio.sleep(moment_s)
            node = next(node for node in market.system.tree().walk() if node.path == "top/link/rotation")
            assert node.life == 1
            market.rotation.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
            await trio.sleep(70)
            assert len(market.lines_standing()) == 1
            assert market.states == [SessionReady(epoch=1)]
            await market.stop_trading()
            market.check_events()


async def test_a_key_that_is_revoked_during_a_rotation_stops_trading_and_nothing_storms(
    network: MemoryNetwork,
) -> None:
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade, 0.5)
        market.rotate()
        await trio.sleep(0.1)
        market.exchange.revoke_key()
        await trio.sleep(900)
        assert isinstance(market.states[-1], KeyRefused)
        assert len(market.exchange.record.connections) < 30
        market.exchange.restore_key()
        await trio.sleep(400)
        assert isinstance(market.states[-1], SessionReady)
        await market.stop_trading()


async def test_a_subscription_that_is_silent_after_a_reconnect_is_found_by_the_next_order(
    network: MemoryNetwork,
) -> None:
    """There is no other socket to compare with: answers without events are the proof."""
    async with open_market(network) as market, trio.open_nursery() as nursery:
        market.exchange.faults.add(SilentSubscription())
        network.cut_all()
        await market.until(lambda: len(market.states) == 3)
        nursery.start_soon(market.trade, 1.0)
        await market.until(lambda: len(market.states) == 5, within_s=15)
        events = len(market.events)
        await trio.sleep(10)
        assert isinstance(market.states[-1], SessionReady)
        assert len(market.events) > events
        await market.stop_trading()
        assert len(market.states) == 5


async def test_a_connection_that_has_crashed_just_before_it_is_to_be_closed_is_told_once(
    network: MemoryNetwork,
) -> None:
    for moment_s in (1.80, 1.85, 1.90, 1.95, 2.00, 2.05):
        async with open_market(network) as market:
            market.rotate()
            await market.until(lambda: len(market.lines_standing()) == 2)
            await trio.sleep(moment_s)
            market.link.lines[0].connection.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
            await market.until(lambda: market.rotated)
            await trio.sleep(10)
            assert market.lines_standing() == ["b"]
            node = next(node for node in market.system.tree().walk() if node.path == "top/link/rotation")
            assert node.life == 1


async def test_a_subscription_that_ends_without_a_word_is_found_by_the_next_order(network: MemoryNetwork) -> None:
    """It has brought events before: what counts is whether one comes after an order was sent."""
    async with open_market(network) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade, 1.0)
        await trio.sleep(5)
        market.exchange.faults.now(EndSubscriptions(is_told=False))
        events = len(market.events)
        await market.until(lambda: len(market.states) == 3, within_s=25)
        await trio.sleep(10)
        assert isinstance(market.states[-1], SessionReady)
        assert len(market.events) > events
        await market.stop_trading()
        assert len(market.states) == 3
