"""Our TLS stream against Trio's own, over streams in memory that split, end and break as they like."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import pytest
import trio
import trio.testing
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.abc import Stream

from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.actors.dialler import DialFailed, tls_failure
from dogwatch.actors.pong import Pong
from dogwatch.actors.tls_stream import TlsStream
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryConnection
from tests.actors.direct_stream import DirectStream
from tests.actors.fake_server import FakeServer

NAME = "exchange.example"


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.maximum_version = version
    authority().issue_cert(NAME).configure_cert(context)
    return context


@cache
def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def connection(*, delay_s: float = 0.0) -> MemoryConnection:
    return MemoryConnection(NAME, 443, capacity_bytes=65_536, delay_s=delay_s)


async def shake_hands(
    ours: Stream, theirs: Stream, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[TlsStream, "trio.SSLStream[Stream]"]:
    """Client and server over the two ends of a stream."""
    client = TlsStream(ours, client_context(), NAME)
    server: trio.SSLStream[Stream] = trio.SSLStream(
        theirs, server_context(version), server_side=True, https_compatible=True
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        await client.do_handshake()
    return client, server


@asynccontextmanager
async def secured(
    link: MemoryConnection, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> AsyncIterator[tuple[TlsStream, "trio.SSLStream[Stream]"]]:
    with trio.fail_after(20):
        client, server = await shake_hands(link.client, link.server, version)
        yield client, server
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(server)


async def receive_exactly(stream: Stream, size: int, max_bytes: int | None = None) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.receive_some(max_bytes)
        assert piece, "the stream ended too early"
        assert max_bytes is None or len(piece) <= max_bytes
        data += piece
    return data


@settings(max_examples=30)
@given(
    messages=st.lists(st.one_of(st.binary(max_size=100), st.integers(0, 70_000).map(bytes)), max_size=5),
    pieces=st.one_of(st.none(), st.integers(0, 1000)),
    max_bytes=st.one_of(st.none(), st.integers(1000, 20_000)),
    version=st.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]),
)
def test_any_bytes_arrive_both_ways_over_any_split(
    messages: list[bytes], pieces: int | None, max_bytes: int | None, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        link = connection()
        if pieces is not None:
            link.split_randomly(seed=pieces, bytes_max=3000)
        async with secured(link, version) as (client, server), trio.open_nursery() as nursery:
            for sender, receiver in ((client, server), (server, client)):
                nursery.start_soon(send_in_turn, sender, messages)
                expected = b"".join(messages)
                assert await receive_exactly(receiver, len(expected), max_bytes) == expected

    trio.run(main)


async def send_in_turn(stream: Stream, messages: list[bytes]) -> None:
    for message in messages:
        await stream.send_all(message)


async def test_writers_in_two_tasks_take_turns() -> None:
    async with secured(connection()) as (client, server), trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(client.send_all, bytes([number]) * 10_000)
        received = await receive_exactly(server, 200_000)
        starts = range(0, 200_000, 10_000)
        assert all(len(set(received[start : start + 10_000])) == 1 for start in starts)


async def test_all_records_that_one_recv_brings_are_given_out_together() -> None:
    async with secured(connection()) as (client, server):
        for number in range(10):
            await server.send_all(b"%d" % number)
        await trio.testing.wait_all_tasks_blocked()
        assert await client.receive_some() == b"0123456789"


@pytest.mark.parametrize("polite", [True, False], ids=["with close_notify", "without"])
async def test_the_end_of_the_stream_is_the_end_of_the_data(polite: bool) -> None:
    async with secured(connection()) as (client, server), trio.open_nursery() as nursery:
        await server.send_all(b"the last")
        if polite:
            nursery.start_soon(server.unwrap)  # sends its close_notify, then waits for ours
        else:
            await server.transport_stream.aclose()
        assert await client.receive_some() == b"the last"
        assert await client.receive_some() == b""
        assert await client.receive_some() == b""
        nursery.cancel_scope.cancel()


async def test_a_broken_stream_below_is_a_broken_stream() -> None:
    link = connection()
    async with secured(link) as (client, _):
        link.cut()
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"x")


async def test_bytes_that_are_no_record_break_the_stream() -> None:
    link = connection()
    async with secured(link) as (client, _):
        await link.server.send_all(b"\x17\x03\x03\x00\x20" + b"forged" * 10)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLError)


async def test_what_is_no_record_breaks_the_stream_for_good_also_behind_data() -> None:
    link = connection()
    async with secured(link) as (client, server):
        await server.send_all(b"true")
        await link.server.send_all(b"\x17\x03\x03\x00\x20" + b"forged" * 10)
        await trio.testing.wait_all_tasks_blocked()
        assert await client.receive_some() == b"true"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await client.receive_some()


async def test_a_write_that_was_cancelled_lets_no_other_follow() -> None:
    """The server would read what comes as the rest of the record that was cut off."""
    async with secured(connection()) as (client, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, bytes(1_000_000))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.BrokenResourceError, match="half-way"):
            await client.send_all(b"more")


async def test_a_closed_stream_is_closed_to_all_who_use_it() -> None:
    async with secured(connection()) as (client, _), trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await client.receive_some()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await client.send_all(b"too late")


async def test_a_certificate_that_does_not_convince_is_the_reason_also_when_the_server_has_gone() -> None:
    link = connection()
    server = trio.SSLStream(link.server, server_context(ssl.TLSVersion.TLSv1_3), server_side=True)

    stranger = ssl.create_default_context()
    trustme.CA().configure_trust(stranger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        with pytest.raises(ssl.SSLCertVerificationError):
            await TlsStream(SendsOnce(link.client), stranger, NAME).do_handshake()
        nursery.cancel_scope.cancel()


class SendsOnce(Stream):
    """A stream whose other end goes away after the first thing that was sent to it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._has_sent = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._has_sent:
            raise trio.BrokenResourceError
        self._has_sent = True
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def test_a_server_that_goes_away_during_the_handshake_is_told_apart() -> None:
    link = connection()
    link.server.close()
    with pytest.raises(trio.BrokenResourceError) as caught:
        await TlsStream(link.client, client_context(), NAME).do_handshake()
    failure = tls_failure(NAME, 443, caught.value)
    assert isinstance(failure, DialFailed)
    assert "broke the connection off during the TLS handshake" in str(failure)


async def test_a_websocket_runs_over_it_and_a_ping_comes_back() -> None:
    topics = ConnectionTopics("link")
    async with secured(connection()) as (client, server_stream):

        async def dial() -> Stream:
            return client

        spec = ChildSpec(
            "connection", lambda: Connection(dial=dial, host=NAME, resource="/", topics=topics), actor=Connection
        )
        pong = ChildSpec("pong", lambda: Pong(connection=spec.ref, topics=topics), actor=Pong)
        async with trio.open_nursery() as nursery, run_system(SupervisorSpec("link", [spec, pong])):
            server = FakeServer(server_stream)
            await server.accept()
            await server.ping(b"over TLS")
            assert await server.next_pong() == b"over TLS"
            nursery.start_soon(server.answer_close)


async def test_two_receivers_at_once_are_a_mistake() -> None:
    async with secured(connection()) as (client, _), trio.open_nursery() as nursery:
        nursery.start_soon(client.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await client.receive_some()
        with pytest.raises(ValueError, match="at least 1"):
            await client.receive_some(0)
        nursery.cancel_scope.cancel()


# Sending without waiting.


@settings(max_examples=50)
@given(
    sizes=st.lists(st.tuples(st.booleans(), st.integers(0, 60_000)), max_size=12),
    takes=st.lists(st.one_of(st.none(), st.integers(0, 20_000)), min_size=1, max_size=5),
)
def test_sent_now_or_waited_for_everything_arrives_in_order_whatever_the_network_takes(
    sizes: list[tuple[bool, int]], takes: list[int | None]
) -> None:
    async def main() -> None:
        transport = DirectStream()
        client, server = await shake_hands(transport, transport.server)
        expected = b""
        for number, (now, size) in enumerate(sizes):
            data = bytes([number]) * size
            transport.takes_bytes = takes[number % len(takes)]
            if not now:
                await client.send_all(data)
            elif not client.send_now(data):
                with pytest.raises(trio.BusyResourceError):
                    client.send_now(b"the rest comes first")
                await client.send_all(b"")
            expected += data
        assert await receive_exactly(server, len(expected)) == expected

    trio.run(main)


async def test_over_a_stream_that_cannot_send_now_all_of_it_is_a_rest() -> None:
    async with secured(connection()) as (client, server):
        assert not client.send_now(b"one ")
        await client.send_all(b"two")
        assert await receive_exactly(server, 7) == b"one two"


async def test_a_stream_that_dies_while_sending_now_stays_dead() -> None:
    transport = DirectStream()
    client, _ = await shake_hands(transport, transport.server)
    transport.error = trio.BrokenResourceError("reset")
    with pytest.raises(trio.BrokenResourceError, match="reset"):
        client.send_now(b"x")
    transport.error = None
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="half-way"):
            client.send_now(b"y")
    with pytest.raises(trio.BrokenResourceError, match="half-way"):
        await client.send_all(b"z")


async def test_while_another_task_is_writing_nothing_is_sent_now() -> None:
    async with secured(connection()) as (client, _), trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, bytes(1_000_000))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            client.send_now(b"in between")
        nursery.cancel_scope.cancel()
