"""Balances: a snapshot when a session stands, events after it, and the newest word counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.account import Account, AwaitBalances
from dogwatch.actors.balance import Balance
from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.session import SessionTopics
from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.instant import Instant
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.user_events import AccountPosition, BalanceUpdate, ExternalLockUpdate, PositionBalance
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_session import FakeSession, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")


@asynccontextmanager
async def account() -> AsyncIterator[tuple[BalanceTable, list[FakeSession], ActorRef[Account]]]:
    topics = SessionTopics("fake")
    table = BalanceTable()
    sessions: list[FakeSession] = []

    def start_session() -> FakeSession:
        sessions.append(FakeSession(topics))
        return sessions[-1]

    session = ChildSpec("session", start_session, actor=FakeSession)
    session_ref: ActorRef[Any] = session.ref
    spec = ChildSpec("account", lambda: Account(session=session_ref, session_topics=topics, table=table), actor=Account)
    async with run_system(SupervisorSpec("root", [session, spec])):
        yield table, sessions, spec.ref


def status(updated_ms: int, **free: str) -> Any:
    balances = [{"asset": asset, "free": amount, "locked": "0"} for asset, amount in free.items()]
    return result({"balances": balances, "canTrade": True, "updateTime": updated_ms})


def position(updated_ms: int, asset: str, free: str, locked: str = "0") -> AccountPosition:
    entry = PositionBalance(asset=asset, free=Decimal(free), locked=Decimal(locked))
    return AccountPosition(event_time_ms=updated_ms, last_update_ms=updated_ms, balances=(entry,))


async def test_a_session_that_stands_is_asked_for_all_balances_once() -> None:
    async with account() as (table, sessions, ref):
        assert not table.is_loaded
        sessions[0].ready()
        await wait_all_tasks_blocked()
        assert sessions[0].methods() == [Method.ACCOUNT_STATUS]
        sessions[0].answer(status(5, BTC="1.5", USDT="200"))
        await ref.ask(AwaitBalances(), within_s=1)
        assert table.get("BTC").total == Decimal("1.5")
        assert table.get("ETH") == Balance(asset="ETH")


async def test_an_event_that_is_newer_than_the_snapshot_wins_and_an_older_one_does_not() -> None:
    async with account() as (table, sessions, _ref):
        session = sessions[0]
        session.ready()
        await wait_all_tasks_blocked()
        session.event(position(9, "BTC", "3", "1"))
        session.answer(status(5, BTC="1.5", USDT="200"))
        await wait_all_tasks_blocked()
        assert table.get("BTC").total == 4
        session.event(position(3, "USDT", "999"))
        assert table.get("USDT").free == 200


async def test_an_asset_that_a_later_snapshot_leaves_out_is_zero() -> None:
    async with account() as (table, sessions, _ref):
        session = sessions[0]
        for at_ms, balances in ((5, {"BTC": "1", "USDT": "2"}), (6, {"BTC": "1"})):
            session.ready()
            await wait_all_tasks_blocked()
            session.answer(status(at_ms, **balances))
            await wait_all_tasks_blocked()
        assert table.get("USDT").total == 0
        assert table.get("BTC").total == 1


async def test_the_time_of_a_change_keeps_its_microseconds() -> None:
    table, at = BalanceTable(), Instant(1_770_123_456_789_012)
    table.put_all([PositionBalance(asset="BTC", free=Decimal(1), locked=Decimal(0))], at)
    table.keep_only({"BTC"}, at)
    assert table.get("BTC").updated_ms is at
    table.keep_only(set(), at)
    assert table.get("BTC").updated_ms is at


async def test_only_changes_are_told() -> None:
    async with account() as (table, sessions, _ref):
        told: list[Balance] = []
        table.changes.tap(told.append, on_error=_raise)
        for updated_ms in (1, 2, 3):
            sessions[0].event(position(updated_ms, "BTC", "2" if updated_ms == 3 else "1"))
        assert [balance.free for balance in told] == [1, 2]


async def test_while_there_is_no_session_nothing_is_asked_and_afterwards_once() -> None:
    """Else an outage of an hour would fill the log with 1,800 warnings."""
    async with account() as (_table, sessions, _ref):
        session = sessions[0]
        session.ready()
        await wait_all_tasks_blocked()
        session.lost()
        session.answer(NotSent("no link"))
        await trio.sleep(3600)
        assert session.calls == []
        session.ready()
        await trio.sleep(5)
        assert session.methods() == [Method.ACCOUNT_STATUS]


async def test_failures_over_many_sessions_do_not_add_up_to_a_flood() -> None:
    async with account() as (_table, sessions, _ref):
        session = sessions[0]
        for _ in range(20):
            session.ready()
            await trio.sleep(0.1)
        while session.calls:
            session.answer(result([]))
        await trio.sleep(2.1)
        assert session.methods() == [Method.ACCOUNT_STATUS]


@pytest.mark.parametrize("answer", [NotSent("no link"), refusal(-1003, "too much", 429), result([])])
async def test_a_snapshot_that_cannot_be_had_is_asked_for_again(answer: Any) -> None:
    async with account() as (table, sessions, ref), trio.open_nursery() as nursery:
        session = sessions[0]
        session.ready()
        await wait_all_tasks_blocked()
        session.answer(answer)
        await trio.sleep(2.1)
        assert session.methods() == [Method.ACCOUNT_STATUS]
        assert not table.is_loaded
        waited = trio.Event()

        async def wait() -> None:
            await ref.ask(AwaitBalances(), within_s=10)
            waited.set()

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        session.answer(status(5, BTC="1"))
        await waited.wait()


SENT_IN = BalanceUpdate(event_time_ms=7, asset="BTC", delta=Decimal(1), clear_time_ms=7)
LOCKED = ExternalLockUpdate(event_time_ms=7, asset="BTC", delta=Decimal(1), transaction_time_ms=7)


@pytest.mark.parametrize("event", [SENT_IN, LOCKED, None], ids=["a deposit", "a lock", "nobody can read it"])
async def test_what_tells_no_amounts_has_them_asked_for_once(event: Any) -> None:
    async with account() as (table, sessions, _ref):
        session = sessions[0]
        session.ready()
        await wait_all_tasks_blocked()
        session.answer(status(5, BTC="1"))
        await wait_all_tasks_blocked()
        for _ in range(100):
            if event is None:
                session.topics.unmatched.publish(MalformedFrame(problem="?", excerpt=b"", length=1))
            else:
                session.event(event)
        await trio.sleep(5)
        assert session.methods() == [Method.ACCOUNT_STATUS]
        session.answer(status(7, BTC="2"))
        await wait_all_tasks_blocked()
        assert table.get("BTC").free == 2


def _raise(error: Exception) -> None:
    raise error
