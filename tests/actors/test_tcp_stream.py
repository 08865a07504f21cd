"""Our TCP stream on real sockets of this machine: Trio's contract for streams, and what it does without waiting."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trio.testing

import dogwatch.actors.tcp_stream as tcp_stream_module
from dogwatch.actors.tcp_stream import BYTES_PER_TURN, CALLS_PER_TURN, TcpStream

LITTLE, MUCH = 32 * 1024, 1024 * 1024
"""A buffer, and more than two of them hold."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection with little room from the first to the second."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
        client.connect(server.getsockname())
        return client, server.accept()[0]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[TcpStream, TcpStream]]:
    a, b = map(TcpStream, socket_pair())
    with trio.fail_after(20):
        async with a, b:
            yield a, b


@contextmanager
def counted_passes() -> Iterator[list[None]]:
    """How many steps of tasks the scheduler begins meanwhile."""

    class Counter(trio.abc.Instrument):
        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            steps.append(None)

    steps: list[None] = []
    counter = Counter()
    trio.lowlevel.add_instrument(counter)
    try:
        yield steps
    finally:
        trio.lowlevel.remove_instrument(counter)


async def receive_exactly(stream: TcpStream, size: int) -> bytes:
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < size:
        pieces.append(await stream.receive_some())
        assert pieces[-1], "the stream ended too early"
    return b"".join(pieces)


async def test_with_turns_of_no_length_it_is_a_stream_of_trios_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio's own check asks for a checkpoint in every call: the one liberty that we take."""
    monkeypatch.setattr(tcp_stream_module, "CALLS_PER_TURN", 0)

    async def make() -> tuple[TcpStream, TcpStream]:
        a, b = map(TcpStream, socket_pair())
        return a, b

    await trio.testing.check_two_way_stream(make, None)


async def test_what_the_socket_takes_at_once_needs_no_pass_of_the_scheduler() -> None:
    async with connected() as (a, b):
        with counted_passes() as steps:
            assert a.send_now(b"one ")
            await a.send_all(b"two ")
            assert a.send_now(b"three")
            assert await b.receive_some() == b"one two three"
        assert steps == []


async def test_the_rest_of_a_write_half_taken_goes_before_anything_else() -> None:
    async with connected() as (a, b), trio.open_nursery() as nursery:
        sent = bytes(range(256)) * (MUCH // 256)
        assert not a.send_now(sent)
        with pytest.raises(trio.BusyResourceError):
            a.send_now(b"not yet")
        nursery.start_soon(a.send_all, b" and the end")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            a.send_now(b"not yet either")
        with pytest.raises(trio.BusyResourceError):
            await a.send_all(b"nor this")
        assert await receive_exactly(b, MUCH + 12) == sent + b" and the end"
        await trio.testing.wait_all_tasks_blocked()
        assert a.send_now(b"now")
        assert await b.receive_some() == b"now"


async def test_nothing_at_all_is_enough_to_send_the_rest() -> None:
    async with connected() as (a, b), trio.open_nursery() as nursery:
        assert not a.send_now(bytes(MUCH))
        nursery.start_soon(a.send_all, b"")
        assert await receive_exactly(b, MUCH) == bytes(MUCH)


async def test_whoever_waits_until_it_might_not_block_waits_for_the_network() -> None:
    async with connected() as (a, b), trio.open_nursery() as nursery:
        assert not a.send_now(bytes(MUCH))
        nursery.start_soon(receive_exactly, b, MUCH)
        await a.wait_send_all_might_not_block()
        await a.send_all(b"")
        await a.wait_send_all_might_not_block()


async def test_a_connection_that_was_reset_is_broken_for_all_calls() -> None:
    async with connected() as (a, b):
        b._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await b.aclose()
        with pytest.raises(trio.BrokenResourceError, match="reset"):
            await a.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            a.send_now(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await a.send_all(b"x")


async def test_closing_wakes_whoever_waits_and_is_told_to_all_who_come_later() -> None:
    async with connected() as (a, _), trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await a.receive_some()

        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await a.send_all(bytes(MUCH))

        nursery.start_soon(receive)
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await a.aclose()
        await a.aclose()
        with pytest.raises(trio.ClosedResourceError):
            a.send_now(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await a.wait_send_all_might_not_block()


@pytest.mark.parametrize("is_ready", [True, False])
async def test_a_cancelled_receive_takes_nothing(is_ready: bool) -> None:
    async with connected() as (a, b):
        if is_ready:
            assert b.send_now(b"kept")
        with trio.move_on_after(0) as scope:
            await a.receive_some()
        assert scope.cancelled_caught
        if not is_ready:
            assert b.send_now(b"kept")
        assert await a.receive_some() == b"kept"


async def test_a_cancelled_send_that_had_not_begun_sends_nothing() -> None:
    async with connected() as (a, b):
        with trio.move_on_after(0) as scope:
            await a.send_all(b"lost")
        assert scope.cancelled_caught
        assert a.send_now(b"kept")
        assert await b.receive_some() == b"kept"


@pytest.mark.parametrize("kind", ["many small pieces", "few large ones"])
async def test_a_flood_takes_turns_with_the_other_tasks(kind: str) -> None:
    """However much there is to read, a reader that never has to wait lets others run every so often."""
    size = 1 if kind == "many small pieces" else BYTES_PER_TURN // 2
    async with connected() as (a, b), trio.open_nursery() as nursery:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(other)
        await b.send_all(bytes(CALLS_PER_TURN * 10))
        turns_before = turns
        for _ in range(CALLS_PER_TURN * 8):
            if size > 1:
                await b.send_all(bytes(size))
            await a.receive_some(size)
        assert turns - turns_before >= 5
        nursery.cancel_scope.cancel()


async def test_a_writer_that_never_has_to_wait_takes_turns_too() -> None:
    async with connected() as (a, _):
        with counted_passes() as steps:
            for _ in range(CALLS_PER_TURN * 8):
                await a.send_all(b"x")
        assert len(steps) >= 5


async def test_nothing_is_no_size_to_receive() -> None:
    async with connected() as (a, _):
        with pytest.raises(ValueError, match="at least 1"):
            await a.receive_some(0)
