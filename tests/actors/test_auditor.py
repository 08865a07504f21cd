"""The auditor reads the ledger twice: when the balances are there, and when the strategies have ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.account import Account, BalanceTable
from dogwatch.actors.auditor import Audit, Auditor
from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_session import FakeSession, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Stage:
    """The auditor between an account and nothing, and what the exchange says next."""

    def __init__(self) -> None:
        self.audit = Audit()
        self.session: FakeSession
        self.says: Response | Exception = ledger(BTC="1", USDT="100")

    def answer(self, _call: Call) -> Response | Exception:
        return self.says


def ledger(locked: str = "0", **free: str) -> Response:
    balances = [{"asset": asset, "free": amount, "locked": locked} for asset, amount in free.items()]
    return result({"balances": balances, "canTrade": True, "updateTime": 1})


@asynccontextmanager
async def audited(stage: Stage) -> AsyncIterator[System]:
    topics = SessionTopics("fake")
    table = BalanceTable()

    def start_session() -> FakeSession:
        stage.session = FakeSession(topics)
        stage.session.automatic = stage.answer
        return stage.session

    session = ChildSpec("session", start_session, actor=FakeSession)
    session_ref: ActorRef[Any] = session.ref
    account = ChildSpec(
        "account", lambda: Account(session=session_ref, session_topics=topics, table=table), actor=Account
    )
    auditor = ChildSpec(
        "auditor",
        lambda: Auditor(session=session_ref, account=account.ref, balances=table, audit=stage.audit),
        actor=Auditor,
    )
    async with run_system(SupervisorSpec("root", [session, account, auditor])) as system:
        yield system


async def test_what_was_gained_is_the_difference_of_the_ledger_locked_amounts_included() -> None:
    stage = Stage()
    async with audited(stage):
        stage.session.ready()
        await wait_all_tasks_blocked()
        assert stage.audit.at_start == {"BTC": Decimal(1), "USDT": Decimal(100)}
        assert stage.audit.gained("BTC") is None
        stage.says = ledger(locked="0.5", BTC="1.25", BNB="3")
    assert stage.audit.is_whole
    gained = {asset: stage.audit.gained(asset) for asset in ("BTC", "USDT", "BNB", "ETH")}
    assert gained == {"BTC": Decimal("0.75"), "USDT": Decimal(-100), "BNB": Decimal("3.5"), "ETH": Decimal(0)}


async def test_a_ledger_that_was_never_reached_is_not_taken_for_an_empty_one() -> None:
    stage = Stage()
    async with audited(stage):
        await wait_all_tasks_blocked()
    assert stage.audit.at_start is None
    assert not stage.audit.is_whole
    assert stage.audit.gained("BTC") is None


@pytest.mark.parametrize(
    "says",
    [
        refusal(-1003, "Too many requests"),
        NotSent("there is no connection to the exchange now"),
        result({"balances": 7}),
    ],
)
async def test_a_ledger_that_cannot_be_read_at_the_end_is_not_known(says: Response | Exception) -> None:
    stage = Stage()
    async with audited(stage):
        stage.session.ready()
        await wait_all_tasks_blocked()
        stage.says = says
    assert stage.audit.at_start is not None
    assert not stage.audit.is_whole
    assert stage.audit.gained("BTC") is None


async def test_the_first_balances_are_kept_when_the_session_comes_again() -> None:
    stage = Stage()
    async with audited(stage):
        stage.session.ready()
        await wait_all_tasks_blocked()
        stage.says = ledger(BTC="9", USDT="9")
        stage.session.lost()
        stage.session.ready()
        await wait_all_tasks_blocked()
        assert stage.audit.at_start == {"BTC": Decimal(1), "USDT": Decimal(100)}
