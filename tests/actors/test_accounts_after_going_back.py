"""Several accounts over one connection when a session goes back to the socket before: whoever was lost on the newer
one meanwhile has missed what the former one brought, and begins there anew.
"""

import pytest
import trio

from dogwatch.actors.session import Call, SessionLost, SessionReady
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.test_several_accounts import ACCOUNTS, HEDGE, OWN, SHARED, Market, trading_market
from tests.stories.scene import until

pytestmark = pytest.mark.usefixtures("virtual_clock")


def epoch_of(market: Market) -> int | None:
    """Which socket carries."""
    (session,) = (node for node in market.system.tree().walk() if node.path.endswith("/session"))
    epoch: int | None = session.statistics["epoch"]
    return epoch


@pytest.mark.parametrize("moment_s", [0.0, 0.1, 0.3])
async def test_an_account_whose_stream_ended_on_the_newer_socket_stands_again_on_the_one_before(
    network: MemoryNetwork, moment_s: float
) -> None:
    async with trading_market(network) as market:
        market.rotate()
        await until(lambda: epoch_of(market) == 2, step_s=0.01)
        call = Call(method=Method.USER_DATA_STREAM_UNSUBSCRIBE, params={"subscriptionId": 1})
        assert (await market.link.session.ask(call, within_s=5)).is_ok
        await trio.sleep(moment_s)
        network.connections[-1].cut()
        await trio.sleep(5)
        assert epoch_of(market) == 1
        await market.settle()
        for account in (HEDGE, SHARED):
            states = market.states(account)
            assert states == [SessionReady] or states[-2:] == [SessionLost, SessionReady]
        assert sum(len(market.states(account)) > 1 for account in ACCOUNTS) == 1
        assert market.states(OWN) == [SessionReady]
        market.check_order_of_events()
        market.check_events(*(account for account in ACCOUNTS if len(market.states(account)) == 1))
