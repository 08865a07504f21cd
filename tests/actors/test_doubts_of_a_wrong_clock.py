"""A new process whose clock is wrong: what it doubts before the exchange tells the time is settled all the same."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.server_time import ServerTime
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock
from dogwatch.runtime.system import run_system
from tests.actors.fake_session import refusal
from tests.actors.order_bench import RULES, SYMBOL, Bench

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOUR_MS = 3_600_000


def missing(call: Call) -> Response | None:
    return refusal(-2013, "Order does not exist.") if call.method is Method.ORDER_STATUS else None


@pytest.mark.parametrize("ahead_ms", [0, HOUR_MS, -HOUR_MS])
async def test_an_order_of_the_process_before_is_judged_by_the_exchanges_clock(ahead_ms: int) -> None:
    left = Order(
        client_order_id="dw-test-0-1-1",
        strategy="test",
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.MARKET,
        created_ms=VIRTUAL_START_UNIX_MS,
        sent_ms=VIRTUAL_START_UNIX_MS,
        life=Life.SENT,
    )
    server_clock = ServerClock(Clock.virtual(VIRTUAL_START_UNIX_MS + ahead_ms))
    b = Bench(clock=ServerTime(server_clock))
    b.table.put(left)
    async with run_system(b.spec()):
        b.symbols.replace([RULES])
        b.session.automatic = missing
        await trio.sleep(1)
        assert b.known(left.client_order_id).is_unknown
        now_s = trio.current_time()
        told_ms = VIRTUAL_START_UNIX_MS + round(now_s * 1000)
        server_clock.observe(Measurement(asked_s=now_s, answered_s=now_s, server_time_ms=told_ms))
        b.session.ready()
        await wait_all_tasks_blocked()
        await trio.sleep(75)
        assert b.known(left.client_order_id).is_unknown
        await trio.sleep(60)
        b.recovery.end(None)
        await trio.sleep(1)
        assert b.known(left.client_order_id).life is Life.NEVER_PLACED
