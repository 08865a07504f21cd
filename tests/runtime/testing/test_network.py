import errno
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import repeat
from random import Random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import check_half_closeable_stream

from dogwatch.runtime.testing.network import MemoryConnection, MemoryNetwork, MemoryStream, random_sizes
from dogwatch.runtime.testing.virtual_time import run_virtual


async def connected(network: MemoryNetwork | None = None) -> tuple[MemoryStream, MemoryStream, MemoryConnection]:
    """A client's stream, the server's stream, and the connection between them."""
    network = network or MemoryNetwork()
    listener = network.listen()
    client = await network.connect(listener.host, listener.port)
    server = await listener.accept()
    await listener.aclose()
    return client, server, network.connections[-1]


async def test_each_end_knows_the_address_of_the_other_and_the_port() -> None:
    network = MemoryNetwork()
    listener = network.listen("exchange", 443)
    client = await network.connect("exchange", 443, source="10.0.0.2")
    server = await listener.accept()
    assert (client.peer, client.port) == ("exchange", 443)
    assert (server.peer, server.port) == ("10.0.0.2", 443)
    await network.connect("exchange", 443)
    assert (await listener.accept()).peer == "memory"


async def receive_all(stream: MemoryStream) -> bytes:
    return b"".join([piece async for piece in stream])


def check_stream_contract(delay_s: float) -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        client, server, _ = await connected(MemoryNetwork(delay_s=delay_s))
        return client, server

    async def make_clogged() -> tuple[MemoryStream, MemoryStream]:
        client, server, connection = await connected(MemoryNetwork(delay_s=delay_s, capacity_bytes=64))
        await client.send_all(bytes(64))
        await server.send_all(bytes(64))
        assert connection.upstream.bytes_sent == connection.downstream.bytes_sent == 64
        return client, server

    run_virtual(check_half_closeable_stream, make, make_clogged)


def test_a_stream_keeps_trios_contract_for_streams() -> None:
    check_stream_contract(delay_s=0.0)


def test_a_delayed_stream_keeps_trios_contract_for_streams() -> None:
    check_stream_contract(delay_s=0.05)


async def test_streams_work_in_real_time_too() -> None:
    client, server, _ = await connected(MemoryNetwork(delay_s=0.001))
    await client.send_all(b"order")
    assert await server.receive_some() == b"order"
    await client.aclose()
    assert await server.receive_some() == b""


async def test_connecting_where_nobody_listens_is_refused_with_the_address() -> None:
    with pytest.raises(ConnectionRefusedError, match="exchange:443") as caught:
        await MemoryNetwork().connect("exchange", 443)
    assert caught.value.errno == errno.ECONNREFUSED


async def test_a_port_in_use_is_refused_and_is_free_again_after_closing() -> None:
    network = MemoryNetwork()
    first = network.listen("exchange", 443)
    with pytest.raises(OSError, match="exchange:443") as caught:
        network.listen("exchange", 443)
    assert caught.value.errno == errno.EADDRINUSE
    await first.aclose()
    async with network.listen("exchange", 443):
        pass


async def test_port_zero_picks_ports_that_differ() -> None:
    network = MemoryNetwork()
    assert network.listen("exchange").port != network.listen("exchange").port


async def test_an_unreachable_network_refuses_until_it_is_back() -> None:
    network = MemoryNetwork()
    async with network.listen("exchange", 443):
        network.reachable = False
        with pytest.raises(ConnectionRefusedError):
            await network.connect("exchange", 443)
        network.reachable = True
        await network.connect("exchange", 443)


async def test_closing_a_listener_cuts_who_waits_and_keeps_who_was_accepted() -> None:
    network = MemoryNetwork()
    listener = network.listen("exchange", 443)
    accepted = await network.connect("exchange", 443)
    server = await listener.accept()
    waiting = await network.connect("exchange", 443)
    await listener.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await waiting.receive_some()
    await server.send_all(b"hello")
    assert await accepted.receive_some() == b"hello"
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_connecting_waits_while_the_backlog_is_full_and_is_refused_when_the_listener_closes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    listener = network.listen("exchange", 443, backlog=1)
    await network.connect("exchange", 443)
    with trio.move_on_after(5) as patience:
        await network.connect("exchange", 443)
    assert patience.cancelled_caught
    assert len(network.connections) == 1

    async def connect_in_vain() -> None:
        with pytest.raises(ConnectionRefusedError):
            await network.connect("exchange", 443)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect_in_vain)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()


async def test_the_network_forgets_connections_that_both_ends_have_closed() -> None:
    network = MemoryNetwork()
    client, server, _ = await connected(network)
    await client.aclose()
    assert len(network.connections) == 1
    await server.aclose()
    assert network.connections == []


async def test_bytes_arrive_after_the_delay_and_never_overtake(autojump_clock: trio.testing.MockClock) -> None:
    client, server, connection = await connected()
    connection.delay(3.0)
    await client.send_all(b"slow")
    connection.delay(0.5)
    await client.send_all(b"fast")
    start_s = trio.current_time()
    assert await server.receive_some() == b"slowfast"
    assert trio.current_time() - start_s == 3.0


async def test_a_connection_takes_one_round_trip(autojump_clock: trio.testing.MockClock) -> None:
    start_s = trio.current_time()
    await connected(MemoryNetwork(delay_s=0.25))
    assert trio.current_time() - start_s == 0.5


async def test_sending_waits_while_the_bound_is_reached() -> None:
    client, server, connection = await connected(MemoryNetwork(capacity_bytes=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, bytes(25))
        await trio.testing.wait_all_tasks_blocked()
        assert connection.upstream.bytes_sent == 10
        assert await server.receive_some(4) == bytes(4)
        await trio.testing.wait_all_tasks_blocked()
        assert connection.upstream.bytes_sent == 14
        received = 4
        while received < 25:
            received += len(await server.receive_some())
    assert connection.upstream.bytes_received == 25


async def test_a_cut_breaks_both_sides_and_loses_what_is_under_way() -> None:
    client, server, connection = await connected()
    await client.send_all(b"lost")
    connection.cut()
    for stream in (client, server):
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
    await client.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await client.send_all(b"x")


async def test_a_cut_can_let_what_is_under_way_arrive_first(autojump_clock: trio.testing.MockClock) -> None:
    client, server, connection = await connected(MemoryNetwork(delay_s=1.0))
    await client.send_all(b"kept")
    connection.cut(lose_in_flight=False)
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")
    assert await server.receive_some() == b"kept"
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()


async def test_a_cut_wakes_who_waits_in_either_direction() -> None:
    client, server, connection = await connected(MemoryNetwork(capacity_bytes=1))

    async def expect_broken(operation: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await operation()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_broken, partial(client.send_all, b"more than fits"))
        nursery.start_soon(expect_broken, client.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        connection.cut()
    await server.aclose()


async def test_a_pulled_cable_cuts_every_connection() -> None:
    network = MemoryNetwork()
    streams = [await connected(network) for _ in range(3)]
    network.cut_all()
    for client, _, _ in streams:
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()


async def test_the_end_put_in_by_the_network_is_met_after_the_bytes_under_way() -> None:
    client, server, connection = await connected()
    await server.send_all(b"goodbye")
    connection.end()
    assert await receive_all(client) == b"goodbye"
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")


async def test_a_half_closed_connection_still_carries_the_other_direction() -> None:
    client, server, connection = await connected()
    connection.downstream.end()
    assert await client.receive_some() == b""
    await client.send_all(b"still here")
    assert await server.receive_some() == b"still here"


async def test_a_stalled_connection_looks_alive_and_delivers_everything_when_it_resumes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server, connection = await connected(MemoryNetwork(capacity_bytes=8))
    connection.stall()
    await client.send_all(b"12345678")
    with trio.move_on_after(3600) as patience:
        await server.receive_some()
    assert patience.cancelled_caught
    with trio.move_on_after(3600) as patience:
        await client.send_all(b"9")
    assert patience.cancelled_caught
    connection.resume()
    assert await server.receive_some() == b"12345678"


async def test_behind_a_stall_nobody_learns_that_the_other_side_has_closed() -> None:
    client, server, connection = await connected()
    connection.stall()
    await server.aclose()
    await client.send_all(b"into the void")
    connection.resume()
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")
    assert await client.receive_some() == b""


async def test_what_is_sent_before_the_news_of_a_close_arrives_is_written_and_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server, connection = await connected(MemoryNetwork(delay_s=1.0))
    await server.aclose()
    await client.send_all(b"written")
    assert connection.upstream.bytes_sent == 7
    await trio.sleep(1)
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")


async def test_a_split_hands_over_pieces_of_the_given_sizes_and_then_the_rest() -> None:
    client, server, connection = await connected()
    connection.split([1, 3, 2])
    await client.send_all(b"abcdefghijk")
    await client.aclose()
    assert [piece async for piece in server] == [b"a", b"bcd", b"ef", b"ghijk"]


async def test_a_cancelled_receive_loses_no_bytes() -> None:
    client, server, _ = await connected()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await client.send_all(b"kept")
    assert await server.receive_some() == b"kept"


def test_the_same_seed_splits_in_the_same_way() -> None:
    def sizes(seed: int) -> list[int]:
        return [size for size, _ in zip(random_sizes(seed=seed, bytes_max=9), range(50), strict=False)]

    assert sizes(1) == sizes(1) != sizes(2)
    assert set(sizes(1)) <= set(range(1, 10))


@settings(max_examples=50, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=200), max_size=20),
    capacity_bytes=st.integers(1, 300),
    delay_s=st.sampled_from([0.0, 0.1]),
    bytes_max=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_every_byte_arrives_once_and_in_order_however_it_is_split(
    pieces: list[bytes], capacity_bytes: int, delay_s: float, bytes_max: int, seed: int
) -> None:
    async def scenario() -> None:
        client, server, connection = await connected(MemoryNetwork(capacity_bytes=capacity_bytes, delay_s=delay_s))
        connection.split_randomly(seed=seed, bytes_max=bytes_max)

        async def send() -> None:
            for piece in pieces:
                await client.send_all(piece)
            await client.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert await receive_all(server) == b"".join(pieces)

    run_virtual(scenario, seed=seed)


async def test_a_size_that_never_ends_is_taken_as_it_comes() -> None:
    client, server, connection = await connected()
    connection.upstream.split(repeat(2))
    payload = bytes(Random(0).randbytes(11))
    await client.send_all(payload)
    await client.aclose()
    pieces = [piece async for piece in server]
    assert [len(piece) for piece in pieces] == [2, 2, 2, 2, 2, 1]
    assert b"".join(pieces) == payload
