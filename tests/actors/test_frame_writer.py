"""The way out of one socket: at once or joined, always in order, and true about what was never written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.events import Event, Pong, TextMessage

from dogwatch.actors.frame_writer import PONGS_WAITING_MAX, WAITING_MAX, FrameWriter, WriteCounts
from dogwatch.actors.transmit import Transmit
from dogwatch.actors.websocket import WebSocket, run_websocket
from dogwatch.actors.writing import keep_writing
from dogwatch.runtime.sweep import sweep
from dogwatch.runtime.timers import Timers
from tests.actors.direct_stream import DirectStream
from tests.actors.fake_server import FakeServer


class Desk:
    """A writer over a stream that is told how much to take, and the server behind it."""

    def __init__(self) -> None:
        self.stream = DirectStream()
        self.server = FakeServer(self.stream.server)
        self.counts = WriteCounts()
        self.writer: FrameWriter
        self.reasons: list[str] = []
        self.unsent: list[int | str] = []

    def opened(self, socket: WebSocket) -> None:
        self.socket = socket
        self.writer = FrameWriter(socket, timers=self.timers, write_within_s=10, counts=self.counts)

    def received(self, payloads: list[bytes]) -> None:
        self.writer.may_write_now = True

    def pinged(self, payload: bytes) -> None:
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)
        self.unsent = self.writer.unsent()
        self.writer.end()

    async def begin(self, nursery: trio.Nursery) -> None:
        self.timers = Timers()
        nursery.start_soon(sweep, self.timers)
        nursery.start_soon(self.server.accept)
        await nursery.start(
            partial(
                run_websocket,
                self.stream,
                self,
                host="exchange.example",
                resource="/ws-api/v3",
                message_bytes_max=1000,
                close_within_s=5,
            )
        )
        nursery.start_soon(keep_writing, self.writer, self.socket)
        await trio.testing.wait_all_tasks_blocked()
        self.stream.writes.clear()

    def write(self, *tags: int) -> bool:
        return all(self.writer.write(Transmit(epoch=1, payload=b"%d" % tag, tag=tag)) for tag in tags)

    async def texts(self, count: int) -> list[int]:
        return [int(await self.server.next_text()) for _ in range(count)]


@asynccontextmanager
async def manned() -> AsyncIterator[Desk]:
    desk = Desk()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await desk.begin(nursery)
            yield desk
            nursery.cancel_scope.cancel()


in_virtual_time = pytest.mark.usefixtures("virtual_clock")


async def test_the_first_message_goes_in_the_senders_step_and_those_that_follow_it_together() -> None:
    async with manned() as desk:
        desk.write(1)
        assert len(desk.stream.writes) == 1
        desk.write(2, 3, 4)
        assert len(desk.stream.writes) == 1
        assert await desk.texts(4) == [1, 2, 3, 4]
        assert len(desk.stream.writes) == 2
        assert (desk.counts.writes, desk.counts.messages) == (2, 4)


async def test_after_something_has_come_or_all_has_been_written_the_next_goes_at_once_again() -> None:
    async with manned() as desk:
        desk.write(1)
        await desk.server.send_text("an answer")
        await trio.testing.wait_all_tasks_blocked()
        desk.write(2)
        assert len(desk.stream.writes) == 2
        desk.write(3)
        assert len(desk.stream.writes) == 2
        await trio.testing.wait_all_tasks_blocked()
        desk.write(4)
        assert len(desk.stream.writes) == 4
        assert await desk.texts(4) == [1, 2, 3, 4]


async def test_a_pong_goes_at_once_and_before_what_waits() -> None:
    async with manned() as desk:
        desk.write(1, 2)
        desk.writer.write_pong(b"now")
        assert len(desk.stream.writes) == 2
        kinds = [type(await desk.server.next_event()) for _ in range(3)]
        assert kinds == [TextMessage, Pong, TextMessage]


async def test_a_write_half_taken_is_completed_before_pongs_and_messages() -> None:
    async with manned() as desk:
        desk.stream.takes_bytes = 3
        desk.write(1)
        desk.write(2)
        desk.writer.write_pong(b"in between is no place")
        assert await desk.texts(1) == [1]
        assert await desk.server.next_pong() == b"in between is no place"
        assert await desk.texts(1) == [2]


async def test_a_socket_that_dies_in_the_senders_step_is_told_after_it_and_nothing_of_it_was_sent() -> None:
    async with manned() as desk:
        desk.stream.error = trio.BrokenResourceError("reset")
        desk.write(1)
        desk.write(2)
        assert not desk.reasons, "whoever sends has not finished its own step"
        await trio.testing.wait_all_tasks_blocked()
        assert desk.reasons == ["the connection broke: reset"]
        assert desk.unsent == [1, 2]
        assert desk.stream.writes == []
        assert desk.counts.messages == 0


async def test_what_a_lost_socket_had_begun_to_take_is_not_called_unsent() -> None:
    async with manned() as desk:
        desk.stream.stall()
        desk.write(1)
        desk.write(2)
        await trio.testing.wait_all_tasks_blocked()
        desk.write(3)
        desk.stream.error = trio.BrokenResourceError("reset")
        desk.stream.resume()
        await trio.testing.wait_all_tasks_blocked()
        assert desk.reasons == ["the connection broke: reset"]
        assert desk.unsent == [3]


@in_virtual_time
async def test_a_rest_that_the_network_does_not_take_means_a_lost_socket() -> None:
    async with manned() as desk:
        desk.stream.stall()
        desk.write(1)
        await trio.sleep(9.9)
        assert desk.reasons == []
        await trio.sleep(0.2)
        assert desk.reasons == ["the network has taken no data for 10 s"]
        assert desk.unsent == []


async def test_no_more_wait_than_there_is_room_for() -> None:
    async with manned() as desk:
        desk.stream.stall()
        assert desk.write(*range(WAITING_MAX + 1))
        assert not desk.write(-1)
        pongs = [desk.writer.write_pong(b"%d" % number) for number in range(PONGS_WAITING_MAX + 1)]
        assert pongs == [True] * PONGS_WAITING_MAX + [False]
        desk.stream.resume()
        payloads = [await desk.server.next_event() for _ in range(WAITING_MAX + 1 + PONGS_WAITING_MAX)]
        assert [int(event.data) for event in payloads if isinstance(event, TextMessage)] == list(range(WAITING_MAX + 1))


class Story:
    """Steps of a random story by name; each takes a number."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.told = 0

    async def write(self, count: int) -> None:
        self.desk.write(*range(self.told, self.told + count))
        self.told += count

    async def pong(self, _: int) -> None:
        self.desk.writer.write_pong(b"pong")

    async def hear(self, _: int) -> None:
        await self.desk.server.send_text("something")

    async def wait(self, _: int) -> None:
        await trio.testing.wait_all_tasks_blocked()

    async def stall(self, _: int) -> None:
        self.desk.stream.stall()

    async def resume(self, _: int) -> None:
        self.desk.stream.resume()

    async def take(self, count: int) -> None:
        self.desk.stream.takes_bytes = 3 * count


STEPS = st.tuples(st.sampled_from(["write", "pong", "hear", "wait", "stall", "resume", "take"]), st.integers(0, 5))


@settings(max_examples=60)
@given(steps=st.lists(STEPS, max_size=25), dies=st.booleans())
def test_whatever_the_network_takes_every_message_is_written_once_in_order_or_told_unsent(
    steps: list[tuple[str, int]], dies: bool
) -> None:
    async def main() -> None:
        async with manned() as desk:
            story = Story(desk)
            for step, number in steps:
                await getattr(story, step)(number)
            if dies:
                desk.stream.error = trio.BrokenResourceError("reset")
                await story.write(1)
            desk.stream.resume()
            await trio.testing.wait_all_tasks_blocked()
            texts = [int(event.data) for event in await everything(desk) if isinstance(event, TextMessage)]
            written = story.told - len(desk.unsent)
            assert texts == list(range(len(texts)))
            assert desk.unsent == list(range(written, story.told))
            assert len(texts) <= written if dies else len(texts) == written == story.told
            assert desk.reasons == ["the connection broke: reset"] * dies

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def everything(desk: Desk) -> list[Event]:
    """All whole frames that the server has got."""
    desk.stream.server.receive_stream.put_eof()
    found: list[Event] = []
    while True:
        try:
            found.append(await desk.server.next_event())
        except trio.EndOfChannel:
            return found
