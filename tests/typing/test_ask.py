"""What the type checkers know of asks, replies, topics and refs.

The checks happen when `mypy --strict` and `pyright` read this file. Right uses stand as `assert_type`. Wrong uses
stand with an ignore comment: both checkers complain of an ignore that is not needed, so a wrong use that they
would let pass is an error too. One wrong use is given to mypy when the tests run.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import subprocess
import sys
from pathlib import Path
from typing import assert_type

from dogwatch.runtime import (
    Actor,
    ActorRef,
    ChildSpec,
    Gap,
    Latest,
    Overflow,
    Overflowed,
    Query,
    Reply,
    Stream,
    Topic,
)


class Order:
    """Stands for any answer."""


class FilledOrder(Order):
    """Stands for a narrower answer."""


class OrderStatus(Query[Order], frozen=True, kw_only=True):
    """Asks for an order."""

    client_order_id: str


class OpenOrders(Query[tuple[Order, ...]], frozen=True, kw_only=True):
    """Asks for some orders."""


class FilledStatus(Query[FilledOrder], frozen=True, kw_only=True):
    """Asks for a filled order."""


class NotAQuery:
    """Cannot be asked."""


class Orders(Actor):
    """Answers."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_start(self) -> None:
        own: ActorRef[Orders] = self.ref
        del own

    def on_order_status(self, message: OrderStatus) -> Order:
        return Order()

    def on_open_orders(self, message: OpenOrders, reply: Reply[tuple[Order, ...]]) -> None:
        reply.send((Order(),))
        reply.send(Order())  # type: ignore[arg-type]


async def an_ask_gives_what_its_query_promises(ref: ActorRef[Orders]) -> None:
    assert_type(await ref.ask(OrderStatus(client_order_id="a"), within_s=1), Order)
    assert_type(await ref.ask(OpenOrders(), within_s=1), tuple[Order, ...])
    wider: Order = await ref.ask(FilledStatus(), within_s=1)
    del wider


async def an_answer_is_not_taken_for_something_else(ref: ActorRef[Orders]) -> None:
    number: int = await ref.ask(OrderStatus(client_order_id="a"), within_s=1)  # type: ignore[arg-type]
    filled: FilledOrder = await ref.ask(OrderStatus(client_order_id="a"), within_s=1)  # type: ignore[arg-type]
    del number, filled


async def only_queries_are_asked_and_only_with_a_deadline(ref: ActorRef[Orders]) -> None:
    await ref.ask(NotAQuery(), within_s=1)  # type: ignore[arg-type]
    await ref.ask(OrderStatus(client_order_id="a"))  # type: ignore[call-arg]
    ref.request(NotAQuery(), reply_to=ref, tag=1)  # type: ignore[arg-type]


def a_query_is_built_by_keyword_and_never_changed() -> None:
    query = OrderStatus(client_order_id="a")
    query.client_order_id = "b"  # type: ignore[misc]
    OrderStatus("a")  # type: ignore[call-arg]


def a_spec_knows_its_actor() -> None:
    spec = ChildSpec("orders", lambda: Orders("a"), actor=Orders)
    assert_type(spec, ChildSpec[Orders])
    assert_type(spec.ref, ActorRef[Orders])
    wider: ActorRef[Actor] = spec.ref
    ChildSpec("orders", dict, actor=Orders)  # type: ignore[arg-type]
    del wider


def a_subscription_knows_what_its_policy_leaves(topic: Topic[Order]) -> None:
    assert_type(topic.latest(), Latest[Order])
    assert_type(topic.stream(overflow=Overflow.STOP), Stream[Order])
    assert_type(topic.stream(overflow=Overflow.DROP_OLDEST), Stream[Order | Gap])
    assert_type(topic.stream(overflow=Overflow.CLEAR), Stream[Order | Overflowed])
    topic.stream(overflow=Overflow.REFUSE)  # type: ignore[call-overload]
    topic.publish("no order")  # type: ignore[arg-type]


async def a_subscription_gives_events_of_its_topic(topic: Topic[Order]) -> None:
    assert_type(await topic.latest().get(), Order)
    async for event in topic.stream(overflow=Overflow.DROP_OLDEST):
        assert_type(event, Order | Gap)


def a_tap_takes_the_events_of_its_topic(actor: Actor, topic: Topic[Order]) -> None:
    def takes_orders(event: Order) -> None: ...
    def takes_numbers(event: int) -> None: ...

    actor.tap(topic, takes_orders)
    actor.tap(topic, takes_numbers)  # type: ignore[arg-type]


WRONG_USE = """
from dogwatch.runtime import Actor, ActorRef, Query

class Status(Query[int], frozen=True, kw_only=True): ...

async def right(ref: ActorRef[Actor]) -> int:
    return await ref.ask(Status(), within_s=1)

async def wrong(ref: ActorRef[Actor]) -> str:
    return await ref.ask(Status(), within_s=1)
"""


def test_an_answer_taken_for_something_else_is_refused_by_mypy(tmp_path: Path) -> None:
    source = tmp_path / "wrong_use.py"
    source.write_text(WRONG_USE, encoding="utf-8")
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    command = [sys.executable, "-m", "mypy", *options, str(source)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert 'wrong_use.py:10: error: Argument 1 to "ask" of "ActorRef" has incompatible type "Status"' in told
    assert told.count("error:") == 1
