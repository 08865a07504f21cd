"""Pytest fixtures for authors of strategies: `exchange` and `start`. Loaded by itself wherever dogwatch is installed.

    async def test_it_buys(exchange, start):
        exchange.quote("BTCUSDT", bid="40000", ask="40001")
        running = await start(MyStrategy, symbol="BTCUSDT", size="0.001")
        await trio.sleep(60)  # virtual
        assert exchange.position("BTC") == running.position("BTCUSDT")

Both run under virtual time and need pytest-trio. Every pytest run in the environment imports this file, so what is
heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

try:
    trio_fixture: Any = import_module("pytest_trio").trio_fixture
except ImportError:
    trio_fixture = None

if TYPE_CHECKING:
    from trio.testing import MockClock

    from dogwatch.actors.testing.running_strategy import StrategyStarter
    from dogwatch.actors.testing.staged_exchange import StagedExchange
    from dogwatch.runtime.testing.network import MemoryNetwork


async def _exchange(virtual_clock: MockClock, network: MemoryNetwork, seed: int) -> AsyncIterator[StagedExchange]:
    """A paper exchange in memory, under virtual time, whose market the test moves."""
    from dogwatch.actors.testing.staged_exchange import staged_exchange

    async with staged_exchange(network=network, seed=seed) as exchange:
        yield exchange


async def _start(exchange: StagedExchange) -> AsyncIterator[StrategyStarter]:
    """Starts strategies against `exchange`: `running = await start(MyStrategy, symbol="BTCUSDT")`."""
    import trio

    from dogwatch.actors.testing.running_strategy import StrategyStarter

    async with trio.open_nursery() as nursery:
        starter = StrategyStarter(exchange, nursery)
        yield starter
        await starter.stop_all()


if trio_fixture is None:

    @pytest.fixture(name="exchange")
    def exchange_without_trio() -> None:
        """Says what is missing."""
        pytest.fail("the fixture 'exchange' needs pytest-trio: pip install pytest-trio")

    @pytest.fixture(name="start")
    def start_without_trio() -> None:
        """Says what is missing."""
        pytest.fail("the fixture 'start' needs pytest-trio: pip install pytest-trio")

else:
    exchange = trio_fixture(_exchange)
    start = trio_fixture(_start)
