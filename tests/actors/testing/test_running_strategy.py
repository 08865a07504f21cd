"""The fixtures `exchange` and `start`: what authors of strategies write their tests with."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio

from dogwatch import ConfigError, Context, Quote, Quotes, Strategy
from dogwatch.actors.testing import StagedExchange, StrategyStarter
from dogwatch.runtime.errors import JournalError

SYMBOL = "BTCUSDT"


class Watcher(Strategy):
    """Sees quotes, and falls over when the bid is at `limit`."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        limit: Decimal = Decimal(0)

    quotes: int = 0

    async def run(self) -> None:
        async for quote in self.follow(Quotes(self.config.symbol)):
            self.quotes += 1
            if quote.bid == self.config.limit:
                raise RuntimeError("fell over")


async def test_a_strategy_is_started_with_its_configuration_as_in_its_file(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running = await start(Watcher, symbol=SYMBOL, limit="41000.5")
    assert isinstance(running.strategy, Watcher)
    assert running.strategy.config.limit == Decimal("41000.5")
    assert running.strategy.name == "strategy"
    assert exchange.orders() == []


async def test_a_wrong_configuration_is_refused_at_once(exchange: StagedExchange, start: StrategyStarter) -> None:
    with pytest.raises(msgspec.ValidationError, match="missing required field `symbol`"):
        await start(Watcher)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        await start(Watcher, symbol=SYMBOL, limits="1")


class Stillborn(Strategy):
    """Its `__init__` has a mistake."""

    class Config(Strategy.Config, frozen=True):
        symbol: str

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        raise RuntimeError("a mistake in __init__")

    async def run(self) -> None:
        """Never reached."""


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_a_strategy_that_cannot_be_made_fails_the_test_at_once(
    exchange: StagedExchange, start: StrategyStarter, restart: str
) -> None:
    with trio.fail_after(30), pytest.raises(RuntimeError, match="a mistake in __init__"):
        await start(Stillborn, restart=restart, symbol=SYMBOL)


async def test_an_unknown_symbol_fails_the_test_at_once(exchange: StagedExchange, start: StrategyStarter) -> None:
    with trio.fail_after(30), pytest.raises(ConfigError, match="does not know NOPE"):
        await start(Watcher, symbol="NOPE")


async def test_each_life_is_a_new_object(exchange: StagedExchange, start: StrategyStarter) -> None:
    running = await start(Watcher, symbol=SYMBOL, limit="41000")
    await trio.sleep(1)
    exchange.quote(SYMBOL, "41000", "41001")
    await trio.sleep(5)
    exchange.quote(SYMBOL, "40000", "40001")
    await trio.sleep(1)
    first, second = running.lives
    assert first is not second
    assert (first.life, second.life) == (1, 2)
    assert isinstance(second, Watcher)
    assert second.quotes == 1


async def test_time_is_virtual_and_the_line_can_be_cut(exchange: StagedExchange, start: StrategyStarter) -> None:
    running = await start(Watcher, symbol=SYMBOL)
    began_ms = running.strategy.now_ms()
    await running.strategy.sleep(3600)
    assert running.strategy.now_ms() - began_ms == 3_600_000
    exchange.cut()
    await trio.sleep(60)
    exchange.quote(SYMBOL, "40000", "40001")
    await trio.sleep(1)
    assert isinstance(running.strategy, Watcher)
    assert running.strategy.quotes == 1
    assert len(running.lives) == 1


async def test_a_strategy_with_handlers_is_started_just_the_same(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    class Handling(Strategy):
        class Config(Strategy.Config, frozen=True):
            symbol: str

        seen: Quote | None = None

        def feeds(self) -> list[Quotes]:
            return [Quotes(self.config.symbol)]

        def on_quote(self, quote: Quote) -> None:
            self.seen = quote

    running = await start(Handling, symbol=SYMBOL)
    await trio.sleep(1)
    exchange.quote(SYMBOL, "40000", "40001")
    await trio.sleep(1)
    assert isinstance(running.strategy, Handling)
    assert running.strategy.seen is not None
    await running.stop()
    assert running.orders == ()


class Rester(Strategy):
    """Rests one order, and waits."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        price: Decimal = Decimal(39000)

    async def run(self) -> None:
        if not self.orders:
            await self.buy(self.config.symbol, quantity=Decimal("0.001"), price=self.config.price)
        await trio.sleep_forever()


@pytest.mark.parametrize("orders_on_crash", ["keep", "cancel"])
async def test_a_killed_process_goes_on_from_its_journal(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path, orders_on_crash: str
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    journal = tmp_path / "orders.journal"
    first = await start(Rester, journal=journal, orders_on_crash=orders_on_crash, symbol=SYMBOL)
    await trio.sleep(1)
    (left,) = first.orders
    await first.kill()
    assert [order["status"] for order in exchange.orders()] == ["NEW"]
    second = await start(Rester, journal=journal, orders_on_crash=orders_on_crash, symbol=SYMBOL)
    await trio.sleep(1)
    (now,) = second.orders
    statuses = [order["status"] for order in exchange.orders()]
    if orders_on_crash == "keep":
        assert now.client_order_id == left.client_order_id
        assert statuses == ["NEW"]
    else:
        assert now.client_order_id != left.client_order_id
        assert statuses == ["CANCELED", "NEW"]


async def test_what_filled_while_no_process_ran_is_in_the_position_of_the_next(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    journal = tmp_path / "orders.journal"
    first = await start(Rester, journal=journal, orders_on_crash="keep", symbol=SYMBOL)
    await trio.sleep(1)
    await first.kill()
    exchange.trade(SYMBOL, "38999")
    second = await start(Rester, journal=journal, symbol=SYMBOL, price="38000")
    assert second.position(SYMBOL) == exchange.position("BTC") == Decimal("0.000999")
    await second.stop()
    third = await start(Rester, journal=journal, symbol=SYMBOL, price="38000")
    assert third.position(SYMBOL) == Decimal("0.000999")
    assert not {order["status"] for order in exchange.orders()} & {"PARTIALLY_FILLED", "EXPIRED"}


async def test_orders_of_a_strategy_that_is_no_longer_configured_are_told_of_and_left_alone(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    journal = tmp_path / "orders.journal"
    old = await start(Rester, name="old", journal=journal, symbol=SYMBOL)
    await trio.sleep(1)
    (left,) = old.orders
    await old.kill()
    new = await start(Watcher, name="new", journal=journal, symbol=SYMBOL)
    await trio.sleep(1000)  # audits do not repeat it
    told = [record.getMessage() for record in caplog.records if "not configured" in record.getMessage()]
    assert len(told) == 1
    assert left.client_order_id in told[0]
    assert new.orders == ()
    assert [order["status"] for order in exchange.orders()] == ["NEW"]


async def test_a_journal_that_is_in_use_or_none_is_refused(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path
) -> None:
    await start(Watcher, journal=tmp_path / "a", symbol=SYMBOL)
    with pytest.raises(JournalError, match="is using this journal"):
        await start(Watcher, name="second", journal=tmp_path / "a", symbol=SYMBOL)
    (tmp_path / "b").write_text("no journal", encoding="utf-8")
    with pytest.raises(JournalError, match="not a journal, or damaged"):
        await start(Watcher, name="third", journal=tmp_path / "b", symbol=SYMBOL)
