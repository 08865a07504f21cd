"""The runtime by itself: what a tell, an ask and a publish cost, beside Trio's memory channel.

Nanoseconds for each message, from sending to the end of handling: medians over rounds that take turns, in brackets the
ratio to the channel. Both asks have a deadline.
"""

import math

import trio
from measuring import Column, Stopwatch, arguments, run, table

from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Message, Query
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.topic import Topic

BATCH = 500
BASE = "Trio memory channel"


class Note(Message, frozen=True, kw_only=True):
    """Something told."""

    number: int


class Question(Query[int], frozen=True, kw_only=True):
    """Something asked."""

    number: int


class Counter(Actor):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def on_note(self, note: Note) -> None:
        self.count += note.number

    def on_question(self, question: Question) -> int:
        return question.number


class DirectCounter(Counter):
    """The same on the sender's step."""

    lanes = (Lane("messages", is_direct=True),)


async def measure(columns: tuple[Column, Column], count: int) -> None:
    batched, returned = columns
    counter = ChildSpec("counter", Counter, actor=Counter)
    direct = ChildSpec("direct", DirectCounter, actor=DirectCounter)
    async with run_system(SupervisorSpec("benchmark", [counter, direct])) as system:
        await direct.ref.ask(Question(number=0), within_s=math.inf)  # from now on it waits
        batched.add("actor: tell, handle", await told(counter.ref, count))
        returned.add("actor: ask, answer", await asked(counter.ref, count))
        batched.add("actor, direct: tell, handle", await told(direct.ref, count))
        returned.add("actor, direct: ask, answer", await asked(direct.ref, count))
        system.stop()
    batched.add("topic: publish to a callback", published(count))
    batched.add("topic: publish, read from a stream", await followed(count))
    batched.add(BASE, await sent(count))
    returned.add(BASE, await sent_and_returned(count))


async def told(ref: ActorRef[Counter], count: int) -> float:
    note = Note(number=1)
    watch = Stopwatch()
    for _ in range(count // BATCH):
        for _ in range(BATCH):
            ref.tell(note)
        await ref.ask(Question(number=0), within_s=math.inf)  # answered after all the notes
    return watch.ns() / count


async def asked(ref: ActorRef[Counter], count: int) -> float:
    watch = Stopwatch()
    for number in range(count):
        await ref.ask(Question(number=number), within_s=10)
    return watch.ns() / count


def published(count: int) -> float:
    topic: Topic[Note] = Topic("benchmark")
    heard: list[Note] = []
    topic.tap(heard.append, on_error=fail)
    note = Note(number=1)
    watch = Stopwatch()
    for _ in range(count):
        topic.publish(note)
    return watch.ns() / count


async def followed(count: int) -> float:
    topic: Topic[Note] = Topic("benchmark")
    note = Note(number=1)
    watch = Stopwatch()
    with topic.stream(capacity=BATCH, overflow=Overflow.STOP) as stream:
        for _ in range(count // BATCH):
            for _ in range(BATCH):
                topic.publish(note)
            for _ in range(BATCH):
                await anext(stream)
    return watch.ns() / count


async def sent(count: int) -> float:
    sender, receiver = trio.open_memory_channel[Note](BATCH)
    note = Note(number=1)
    watch = Stopwatch()
    for _ in range(count // BATCH):
        for _ in range(BATCH):
            sender.send_nowait(note)
        for _ in range(BATCH):
            await receiver.receive()
    return watch.ns() / count


async def sent_and_returned(count: int) -> float:
    ask, asked = trio.open_memory_channel[int](1)
    answer, answered = trio.open_memory_channel[int](1)

    async def answering() -> None:
        async for number in asked:
            await answer.send(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answering)
        watch = Stopwatch()
        for number in range(count):
            with trio.fail_after(10):
                await ask.send(number)
                await answered.receive()
        ns = watch.ns()
        ask.close()
    return ns / count


def fail(error: Exception) -> None:
    raise error


def main() -> None:
    sizes = arguments(__doc__ or "", rounds=5, messages=10_000)
    columns = Column("in batches of 500, ns"), Column("there and back, ns")
    for _ in range(sizes.rounds):
        run(measure, columns, max(sizes.messages // BATCH, 1) * BATCH)
    print(table("one message", columns, base=BASE))


if __name__ == "__main__":
    main()
