"""When a pass of the recovery begins and when it ends: gaps, audits, wishes, and what has to be known before it."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import GapOpened, RecoverNow
from dogwatch.actors.spot.errors import OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.errors import ConfigError
from tests.actors.fake_history import FakeHistory, order_row, trade_row
from tests.actors.recovery_stage import RULES, once, stage

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_a_session_lost_in_the_middle_ends_a_pass_and_the_next_gap_begins_another() -> None:
    history = FakeHistory(orders=[order_row(101)])
    history.disturb = once(OutcomeUnknown("the line is gone"), Method.MY_TRADES)
    async with stage(history) as (s, _):
        s.gap(1)
        await wait_all_tasks_blocked()
        s.session.lost()
        await trio.sleep(60)
        assert s.ended == []
        s.gap(2)
        await trio.sleep(1)
        assert [ended.gap for ended in s.ended] == [2]
        assert s.orders_told() == [101, 101]


async def test_a_newer_gap_takes_the_place_of_an_older_one() -> None:
    history = FakeHistory()
    history.disturb = once(OutcomeUnknown("no answer"), Method.ALL_ORDERS)
    async with stage(history) as (s, _):
        s.gap(1)
        await wait_all_tasks_blocked()
        s.topics.gaps.publish(GapOpened(number=2, reason="the tracker was restarted"))
        await trio.sleep(60)
        assert [ended.gap for ended in s.ended] == [2]


async def test_a_gap_without_a_session_waits_for_the_next_one() -> None:
    async with stage(FakeHistory()) as (s, _):
        s.topics.gaps.publish(GapOpened(number=1, reason="the tracker was started"))
        await trio.sleep(60)
        assert s.history.asked == []
        s.gap(2)
        await trio.sleep(1)
        assert [ended.gap for ended in s.ended] == [2]


async def test_an_audit_is_made_now_and_then_while_there_is_a_session() -> None:
    async with stage(FakeHistory(), audit_every_s=100) as (s, _):
        s.gap()
        await trio.sleep(250)
        assert [ended.gap for ended in s.ended] == [1, None, None]
        s.session.lost()
        await trio.sleep(500)
        assert len(s.ended) == 3


async def test_without_a_period_there_are_no_audits() -> None:
    async with stage(FakeHistory(), audit_every_s=0) as (s, _):
        s.gap()
        await trio.sleep(5_000)
        assert [ended.gap for ended in s.ended] == [1]


async def test_who_wants_a_pass_gets_one_that_begins_afterwards() -> None:
    history = FakeHistory()
    history.disturb = once(OutcomeUnknown("no answer"), Method.ALL_ORDERS)
    async with stage(history) as (s, _):
        s.gap()
        await wait_all_tasks_blocked()
        await trio.sleep(0.1)
        wished_ms = s.clock.unix_ms()
        for _ in range(5):
            s.recovery.tell(RecoverNow(reason="silence is to become proof"))
        await trio.sleep(60)
        assert [ended.gap for ended in s.ended] == [1, None]
        assert s.ended[0].began_ms < wished_ms <= s.ended[1].began_ms


async def test_a_wish_without_a_session_is_served_by_the_next_gap() -> None:
    async with stage(FakeHistory()) as (s, _):
        s.recovery.tell(RecoverNow(reason="silence is to become proof"))
        await trio.sleep(60)
        assert s.history.asked == []
        s.gap()
        await trio.sleep(1)
        assert [ended.gap for ended in s.ended] == [1]


async def test_nothing_is_told_before_the_rules_of_the_symbols_are_known() -> None:
    async with stage(FakeHistory(orders=[order_row(101)]), is_loaded=False) as (s, _):
        s.gap()
        await trio.sleep(60)
        assert s.told == []
        s.symbols.replace([RULES])
        await trio.sleep(1)
        assert s.orders_told() == [101]
        assert len(s.ended) == 1


async def test_the_account_is_known_before_anything_is_told_and_asked_for_once() -> None:
    seen: list[int] = []
    async with stage(FakeHistory(orders=[order_row(101)]), identify=seen.append) as (s, _):
        s.gap(1)
        await trio.sleep(1)
        s.gap(2)
        await trio.sleep(1)
        assert seen == [17]
        assert s.history.asked[0][1].method is Method.ACCOUNT_STATUS
        assert len(s.ended) == 2


async def test_the_journal_of_another_account_ends_it_all() -> None:
    def identify(uid: int) -> None:
        raise ConfigError("journal.file", f"this is account {uid}")

    told: list[object] = []

    async def run() -> None:
        async with stage(FakeHistory(orders=[order_row(101)]), identify=identify) as (s, _):
            s.told = told  # type: ignore[assignment]  # to be looked at afterwards
            s.gap()
            await trio.sleep(60)

    with pytest.raises(ConfigError, match="this is account 17"):
        await run()
    assert told == []


async def test_when_the_tracker_crashes_its_next_life_gets_the_whole_pass() -> None:
    async with stage(FakeHistory(orders=[order_row(101)])) as (s, _):
        s.is_crashing = True
        s.gap()
        await wait_all_tasks_blocked()
        s.is_crashing = False
        await trio.sleep(60)
        assert s.orders_told() == [101]
        assert [ended.gap for ended in s.ended] == [1]


async def test_its_figures_tell_what_it_did() -> None:
    history = FakeHistory(orders=[order_row(101)], trades=[trade_row(1_001, 101)])
    async with stage(history) as (s, system):
        s.gap(1)
        await trio.sleep(1)
        s.session.lost()
        s.gap(2)
        s.session.lost()
        await wait_all_tasks_blocked()
        (node,) = [node for node in system.tree().walk() if node.name == "recovery"]
        figures = node.statistics
        assert (figures["passes"], figures["abandoned"], figures["is_under_way"]) == (1, 1, False)
        assert (figures["orders"], figures["trades"], figures["weight"]) == (1, 1, history.weight(until_s=0.5))
