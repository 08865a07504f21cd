"""Whatever happens in whatever order: nothing is sent before it is durable or twice, and everybody is answered once."""

import itertools
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AmendOrder, CancelOrder, ReplaceOrder
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.session import Call
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life
from dogwatch.runtime.errors import ActorCrashed, JournalError
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import Asked, Bench, acknowledgement, bench, intent

pytestmark = pytest.mark.usefixtures("virtual_clock")

STEPS = 150
PLACING = {Method.ORDER_PLACE, Method.ORDER_CANCEL_REPLACE}


class Storm:
    """Does things at random, and looks at what is sent when it is sent."""

    def __init__(self, random: Random, b: Bench, journal: FakeJournal, nursery: trio.Nursery) -> None:
        self.random = random
        self.b = b
        self.journal = journal
        self.nursery = nursery
        self.asked: list[Asked] = []
        self.sent: list[str] = []
        self.never_left: list[str] = []
        self.order_ids = itertools.count(1)
        self.crashes_left = 4
        self.is_up = True
        b.session.automatic = self.hear

    def hear(self, call: Call) -> None:
        """What the session is given."""
        if call.method in PLACING:
            name = str(call.params["newClientOrderId"])
            assert name not in self.sent, "it was sent before"
            recorded = self.journal.newest(name)
            assert recorded is not None, "it is not durable"
            assert recorded.life is Life.SENT
            assert self.b.known(name).life is Life.SENT
            self.sent.append(name)

    def ask(self, query: Any) -> None:
        self.asked.append(Asked(self.nursery, self.b.orders, query))

    def place(self) -> None:
        self.ask(intent(deadline_s=trio.current_time() + self.random.choice([0.3, 3, 30])))

    def touch(self) -> None:
        """Cancel, amend or replace any order."""
        names = [order.client_order_id for order in self.b.table.all_live()]
        if not names:
            return
        name = self.random.choice(names)
        deadline_s = trio.current_time() + 3
        what = self.random.random()
        if what < 0.5:
            self.ask(CancelOrder(client_order_id=name, deadline_s=deadline_s))
        elif what < 0.7:
            self.ask(AmendOrder(client_order_id=name, quantity=Decimal("0.0005"), deadline_s=deadline_s))
        else:
            self.ask(ReplaceOrder(client_order_id=name, placing=intent(deadline_s=deadline_s)))

    def answer(self) -> None:
        calls = self.b.session.calls
        if not calls:
            return
        index = self.random.randrange(len(calls))
        call, reply = calls[index]
        answers: list[Any] = [OutcomeUnknown("who knows"), NotSent("no socket"), refusal(-2010, "no")]
        if call.method is Method.ORDER_PLACE:
            answers += 3 * [result(acknowledgement(call, orderId=next(self.order_ids)))]
        answer = self.random.choice(answers)
        if call.method in PLACING and isinstance(answer, NotSent) and not reply.done:
            self.never_left.append(str(call.params["newClientOrderId"]))
        self.b.session.answer(answer, index)

    def disk(self) -> None:
        what = self.random.random()
        if what < 0.1:
            self.journal.broken = JournalError("the disk is full")
        elif what < 0.7:
            self.journal.broken = None
        self.journal.work()
        self.journal.is_slow = self.random.random() < 0.6

    def line(self) -> None:
        if self.is_up:
            self.b.session.lost()
        else:
            self.b.session.ready()
        self.is_up = not self.is_up

    def crash(self) -> None:
        if self.crashes_left:
            self.crashes_left -= 1
            self.b.crash_the_tracker()

    async def blow(self) -> None:
        for _ in range(STEPS):
            step = self.random.choices(
                [self.place, self.touch, self.answer, self.disk, self.line, self.crash],
                [30, 20, 30, 30, 5, 1],
            )[0]
            step()
            if not self.is_up and self.random.random() < 0.3:
                self.line()
            if self.random.random() < 0.6:
                await wait_all_tasks_blocked()
            if self.random.random() < 0.3:
                await trio.sleep(self.random.choice([0.01, 0.1, 1]))


@pytest.mark.parametrize("storm_seed", range(30))
async def test_in_a_storm(storm_seed: int) -> None:
    journal = FakeJournal(is_slow=True)
    table = OrderTable(run="run", journal=journal)
    async with trio.open_nursery() as nursery:
        async with bench(table=table) as b:
            storm = Storm(Random(storm_seed), b, journal, nursery)
            await storm.blow()
            journal.broken, journal.is_slow = None, False
            journal.work()
            for _ in range(len(b.session.calls)):
                b.session.answer(OutcomeUnknown("the end of the test"))
            await trio.sleep(70)
            assert storm.sent
            assert all(asked.is_answered for asked in storm.asked), "somebody was forgotten"
            for order in table.all_live():
                assert order.client_order_id in storm.sent, "nothing that was not sent is taken for live"
            for order in journal.orders():
                if order.client_order_id not in storm.sent or order.client_order_id in storm.never_left:
                    assert table.latest(order).life is Life.NEVER_PLACED
                else:
                    assert table.latest(order).life is not Life.NEVER_PLACED
        journal.commit()  # as closing it does
        newest = {order.client_order_id: order for order in journal.orders()}
        assert all(table.latest(order) == order for order in newest.values()), "the journal ends as the table does"
        for asked in storm.asked:
            if isinstance(asked.error, ActorCrashed):
                assert "time_ms" in str(asked.error), "it crashed by itself"
