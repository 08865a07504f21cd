"""The exchange's own clock: it jumps, drifts and is corrected, and the exchange lives by it."""

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.exchange_clock import ExchangeClock
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock
from tests.actors.paper.guest import open_guest
from tests.actors.paper.visitor import open_hall


async def test_a_clock_is_right_until_it_is_meddled_with(virtual_clock: MockClock) -> None:
    right = Clock.virtual()
    clock = ExchangeClock(right)
    await trio.sleep(1.5)
    assert clock.unix_us() == right.unix_us() == VIRTUAL_START_UNIX_MS * 1000 + 1_500_000
    assert clock.ahead_s == 0


async def test_a_clock_jumps_and_drifts_and_keeps_what_it_has_gained(virtual_clock: MockClock) -> None:
    clock = ExchangeClock(Clock.virtual())
    clock.jump(5)
    assert clock.ahead_s == 5
    clock.drift(200)
    await trio.sleep(10_000)
    assert clock.ahead_s == pytest.approx(7)
    clock.drift(-100)
    await trio.sleep(10_000)
    assert clock.ahead_s == pytest.approx(6)
    clock.jump(-10)
    clock.drift(0)
    await trio.sleep(10_000)
    assert clock.ahead_s == pytest.approx(-4)
    assert clock.unix_ms() == VIRTUAL_START_UNIX_MS + 30_000_000 - 4_000
    clock.correct()
    assert clock.ahead_s == 0
    await trio.sleep(1)
    assert clock.unix_ms() == VIRTUAL_START_UNIX_MS + 30_001_000


async def test_requests_are_held_against_the_exchanges_clock(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.hall.exchange.clock.jump(6)
        answer = await guest.ask("order.status", symbol="BTCUSDT", origClientOrderId="a")
        assert answer["error"]["code"] == -1021
        assert "outside of the recvWindow" in answer["error"]["msg"]
        guest.hall.exchange.clock.jump(-8)
        answer = await guest.ask("order.status", symbol="BTCUSDT", origClientOrderId="a")
        assert answer["error"]["code"] == -1021
        assert "ahead of the server's time" in answer["error"]["msg"]
        guest.hall.exchange.clock.correct()
        assert await guest.status("a") == -2013


async def test_the_exchange_tells_the_time_of_its_clock(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        hall.exchange.clock.jump(-2.5)
        assert (await visitor.ask("time"))["result"]["serverTime"] == hall.clock.unix_ms() - 2500


@pytest.mark.parametrize("by_s", [90.0, -90.0])
async def test_candles_go_on_when_the_clock_has_jumped(by_s: float, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        market = await guest.hall.visit("/ws/btcusdt@kline_1s")
        await trio.sleep(3)
        guest.hall.exchange.clock.jump(by_s)
        guest.hall.exchange.settle()
        with trio.fail_after(200):
            while (await market.hear())["E"] < guest.hall.clock.unix_ms() + by_s * 1000:
                pass
