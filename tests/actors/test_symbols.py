"""The rules of the traded symbols: loaded with the session, refreshed, and a wrong symbol is a configuration error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.session import SessionTopics
from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.filters import Rounding
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.symbols import Symbols, SymbolTable
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_session import FakeSession, exchange_info, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")


@asynccontextmanager
async def symbols(
    *wanted: str, also: tuple[str, ...] = (), asks_account: bool = False
) -> AsyncIterator[tuple[SymbolTable, FakeSession, System]]:
    topics = SessionTopics("fake")
    table = SymbolTable(wanted, also=also)
    sessions: list[FakeSession] = []

    def start_session() -> FakeSession:
        sessions.append(FakeSession(topics))
        return sessions[-1]

    session = ChildSpec("session", start_session, actor=FakeSession)
    ref: ActorRef[Any] = session.ref
    spec = ChildSpec(
        "symbols",
        lambda: Symbols(session=ref, session_topics=topics, table=table, asks_account=asks_account),
        actor=Symbols,
    )
    async with run_system(SupervisorSpec("root", [session, spec])) as system:
        sessions[0].ready()
        await wait_all_tasks_blocked()
        yield table, sessions[0], system


async def test_the_wanted_symbols_are_loaded_and_loaded_again_every_hour() -> None:
    async with symbols("BTCUSDT", "BTCUSDT") as (table, session, _system):
        assert table.names() == ()
        call = session.answer(result(exchange_info("BTCUSDT", base="BTC", quote="USDT")))
        assert call.params == {"symbols": ["BTCUSDT"]}
        await wait_all_tasks_blocked()
        assert table.is_loaded
        assert table.names() == ("BTCUSDT",)
        assert table.rules("BTCUSDT").round_price(Decimal("1.239"), Rounding.DOWN) == Decimal("1.23")
        await trio.sleep(3601)
        assert session.methods() == [Method.EXCHANGE_INFO]


async def test_a_symbol_that_is_not_loaded_says_which_are() -> None:
    async with symbols("BTCUSDT") as (table, session, _system):
        session.answer(result(exchange_info("BTCUSDT", base="BTC", quote="USDT")))
        await wait_all_tasks_blocked()
        assert table.get("ETHUSDT") is None
        with pytest.raises(KeyError, match="only those of BTCUSDT"):
            table.rules("ETHUSDT")


async def test_a_failure_that_may_pass_is_tried_again() -> None:
    async with symbols("BTCUSDT") as (table, session, _system):
        for failure in (NotSent("no link"), refusal(-1003, "too much", 429), result({"symbols": 1})):
            session.answer(failure)
            await trio.sleep(2.1)
        session.answer(result(exchange_info("BTCUSDT", base="BTC", quote="USDT")))
        await wait_all_tasks_blocked()
        assert table.is_loaded


async def test_while_there_is_no_session_nothing_is_asked_and_afterwards_once() -> None:
    async with symbols("BTCUSDT") as (_table, session, _system):
        session.lost()
        session.answer(NotSent("no link"))
        await trio.sleep(3700)
        assert session.calls == []
        session.ready()
        await trio.sleep(5)
        assert session.methods() == [Method.EXCHANGE_INFO]


async def test_failures_over_many_sessions_do_not_add_up_to_a_flood() -> None:
    async with symbols("BTCUSDT") as (_table, session, _system):
        asked = 0
        for _ in range(20):
            session.ready()
            await trio.sleep(0.1)
            session.answer(result([]))
        for _ in range(100):
            await trio.sleep(0.1)
            while session.calls:
                session.answer(result([]))
                asked += 1
        assert 4 <= asked <= 5


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_symbol_that_the_exchange_does_not_know_is_a_configuration_error(is_refused: bool) -> None:
    other = result(exchange_info("BTCUSDT", base="BTC", quote="USDT"))
    with pytest.raises(ConfigError, match="the exchange does not know NOSUCH"):
        await answered("NOSUCH", refusal(-1121, "Invalid symbol.") if is_refused else other)


async def answered(symbol: str, answer: Response) -> None:
    async with symbols(symbol) as (_table, session, system):
        session.answer(answer)
        await system.wait_ended()


async def test_without_symbols_nothing_is_asked_and_everything_is_loaded() -> None:
    async with symbols() as (table, session, _system):
        assert table.is_loaded
        assert session.calls == []


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_symbol_that_is_delisted_later_keeps_its_rules_and_ends_nobodys_work(is_refused: bool) -> None:
    both = exchange_info("BTCUSDT", base="BTC", quote="USDT")
    both["symbols"] += exchange_info("OLDUSDT", base="OLD", quote="USDT")["symbols"]
    async with symbols("BTCUSDT", "OLDUSDT") as (table, session, _system):
        session.answer(result(both))
        await trio.sleep(3601)
        one = result(exchange_info("BTCUSDT", base="BTC", quote="USDT"))
        session.answer(refusal(-1121, "Invalid symbol.") if is_refused else one)
        await trio.sleep(10)
        assert table.is_loaded
        assert table.names() == ("BTCUSDT", "OLDUSDT")
        assert session.calls == []
        await trio.sleep(3600)
        assert session.methods() == [Method.EXCHANGE_INFO]


async def test_symbols_of_orders_that_were_left_are_loaded_too() -> None:
    async with symbols("BTCUSDT", also=("ETHBTC", "BTCUSDT", "ETHBTC")) as (table, session, _system):
        both = exchange_info("BTCUSDT", base="BTC", quote="USDT")
        both["symbols"] += exchange_info("ETHBTC", base="ETH", quote="BTC")["symbols"]
        assert session.answer(result(both)).params == {"symbols": ["BTCUSDT", "ETHBTC"]}
        await wait_all_tasks_blocked()
        assert table.is_loaded
        assert table.names() == ("BTCUSDT", "ETHBTC")


async def test_a_left_order_s_symbol_that_was_delisted_keeps_nobody_from_trading() -> None:
    async with symbols("BTCUSDT", also=("LUNABTC",)) as (table, session, _system):
        session.answer(refusal(-1121, "Invalid symbol."))
        await wait_all_tasks_blocked()
        assert session.answer(result(exchange_info("BTCUSDT", base="BTC", quote="USDT"))).params == {
            "symbols": ["BTCUSDT"]
        }
        await wait_all_tasks_blocked()
        assert table.is_loaded
        assert table.names() == ("BTCUSDT",)


async def test_a_filter_that_is_newer_than_this_version_is_named_once_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    info = exchange_info("BTCUSDT", base="BTC", quote="USDT")
    info["exchangeFilters"] = [
        {"filterType": "EXCHANGE_TIDE"},
        {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 9},
    ]
    info["symbols"][0]["filters"].append({"filterType": "MOON_PHASE", "phase": 1})
    async with symbols("BTCUSDT") as (table, session, _system):
        for _ in range(2):
            session.answer(result(info))
            await trio.sleep(3601)
        assert table.rules("BTCUSDT").open_max_of_account.orders == 9
        told = [record.getMessage() for record in caplog.records if "not known" in record.getMessage()]
        assert len(told) == 1
        assert "EXCHANGE_TIDE" in told[0]
        assert "MOON_PHASE" in told[0]


def both_symbols() -> dict[str, Any]:
    both = exchange_info("BTCUSDT", base="BTC", quote="USDT")
    both["symbols"] += exchange_info("ETHUSDT", base="ETH", quote="USDT")["symbols"]
    return both


def my_filters(asset: str, limit: str) -> Response:
    limits = [{"filterType": "MAX_ASSET", "asset": asset, "limit": limit}]
    return result({"exchangeFilters": [], "symbolFilters": [], "assetFilters": limits})


RANGE = {"symbolRules": [{"symbol": "BTCUSDT", "rules": [{"ruleType": "PRICE_RANGE", "bidLimitMultUp": "1.02"}]}]}


async def test_what_binds_the_account_alone_is_asked_for_symbol_by_symbol_and_nobody_waits_for_it() -> None:
    async with symbols("BTCUSDT", "ETHUSDT", asks_account=True) as (table, session, _system):
        session.answer(result(both_symbols()))
        await wait_all_tasks_blocked()
        assert table.is_loaded
        assert session.answer(result(RANGE)).params == {"symbols": ["BTCUSDT", "ETHUSDT"]}
        await wait_all_tasks_blocked()
        assert session.answer(my_filters("USDT", "500")).params == {"symbol": "BTCUSDT"}
        await wait_all_tasks_blocked()
        assert session.answer(my_filters("ETH", "3")).params == {"symbol": "ETHUSDT"}
        await wait_all_tasks_blocked()
        bitcoin, ether = table.rules("BTCUSDT"), table.rules("ETHUSDT")
        assert (bitcoin.quote_max, ether.base_max, ether.quote_max) == (Decimal(500), Decimal(3), None)
        assert bitcoin.taker_prices(Side.BUY, Decimal(100)) == (None, Decimal("102.00"))
        assert ether.price_range is None
        assert session.calls == []


async def test_what_binds_the_account_waits_behind_all_else_and_goes_on_when_the_limits_have_room() -> None:
    async with symbols("BTCUSDT", "ETHUSDT", asks_account=True) as (table, session, _system):
        lanes = []
        for answer in (result(both_symbols()), result(RANGE), my_filters("USDT", "500")):
            lanes.append(session.answer(answer).lane)
            await wait_all_tasks_blocked()
        assert lanes == [None, Priority.BULK, Priority.BULK]
        session.answer(NotSent("the limits have no room", retry_after_s=40))
        await trio.sleep(39)
        assert session.calls == []
        await trio.sleep(2)
        assert session.answer(my_filters("ETH", "3")).params == {"symbol": "ETHUSDT"}
        await wait_all_tasks_blocked()
        assert (table.rules("BTCUSDT").quote_max, table.rules("ETHUSDT").base_max) == (Decimal(500), Decimal(3))
        await trio.sleep(3565)
        assert session.methods() == [Method.EXCHANGE_INFO]


async def test_without_what_binds_the_account_alone_orders_go_on_and_the_next_refresh_asks_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with symbols("BTCUSDT", asks_account=True) as (table, session, _system):
        for answers in ([NotSent("no link")], [result(RANGE), refusal(-1003, "too much", 429)]):
            session.answer(result(exchange_info("BTCUSDT", base="BTC", quote="USDT")))
            for answer in answers:
                await wait_all_tasks_blocked()
                session.answer(answer)
            await trio.sleep(3601)
            assert session.methods() == [Method.EXCHANGE_INFO]
        assert table.rules("BTCUSDT").quote_max is None
        assert table.rules("BTCUSDT").price_range is None, "what was not asked to the end is not entered"
        told = [record.getMessage() for record in caplog.records if "not loaded" in record.getMessage()]
        assert len(told) == 2
        assert "too much" in told[1]
