"""One WebSocket on streams in memory: nothing lost, every end told apart."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from dogwatch.actors.connect_errors import FailureKind, HandshakeRefused
from dogwatch.actors.spot.frames import encode_text_frame
from dogwatch.actors.websocket import WebSocket, run_websocket
from tests.actors.fake_server import FakeServer


class Listening:
    """A sink that keeps what it hears, in order."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.heard: list[object] = []
        self.reason: str | None = None
        self.ended = trio.Event()

    def opened(self, socket: WebSocket) -> None:
        assert not self.heard, "nothing is heard before the socket is there"
        self.socket = socket

    def received(self, payloads: list[bytes]) -> None:
        self.batches.append(payloads)
        self.heard.extend(payloads)

    def pinged(self, payload: bytes) -> None:
        self.heard.append(("ping", payload))

    def lost(self, reason: str) -> None:
        assert self.reason is None, "lost is told once"
        self.reason = reason
        self.ended.set()


class Link:
    """A client socket, the server it talks to, and the stream between them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.client_stream, self.server_stream = trio.testing.memory_stream_pair()
        self.server = FakeServer(self.server_stream)
        self.sink = Listening()
        self._nursery = nursery
        self._scope = trio.CancelScope()

    def stop(self) -> None:
        self._scope.cancel()

    async def open(self, serve: Callable[[FakeServer], Awaitable[None]] | None = None) -> WebSocket:
        if serve is not None:
            self._nursery.start_soon(serve, self.server)
        else:
            self._nursery.start_soon(self.server.accept)
        await self._nursery.start(self._run)
        return self.sink.socket

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            await run_websocket(
                self.client_stream,
                self.sink,
                host="exchange.example",
                resource="/ws-api/v3",
                message_bytes_max=1000,
                close_within_s=5,
                task_status=task_status,
            )


@asynccontextmanager
async def linked() -> AsyncIterator[Link]:
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            yield Link(nursery)
            nursery.cancel_scope.cancel()


async def test_messages_go_both_ways() -> None:
    async with linked() as link:
        socket = await link.open()
        assert link.server.request is not None
        assert (link.server.request.host, link.server.request.target) == ("exchange.example", "/ws-api/v3")
        await socket.send(socket.outlet.text_frame(b'{"id":1}') + socket.outlet.text_frame("π".encode()))
        assert [await link.server.next_text(), await link.server.next_text()] == ['{"id":1}', "π"]
        await link.server.send(TextMessage(data="text π"), BytesMessage(data=b"\xff"))
        await trio.testing.wait_all_tasks_blocked()
        assert link.sink.heard == ["text π".encode(), b"\xff"]


@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
async def test_a_server_that_speaks_first_loses_nothing(piece_bytes: int) -> None:
    """The answer to the upgrade, a hundred messages and a ping come before the client has looked once."""

    async def serve(server: FakeServer) -> None:
        early = b"".join(bytes((0x81, 3)) + b"%03d" % number for number in range(100)) + bytes((0x89, 2)) + b"hi"
        hold = server_stream.send_stream.send_all_hook
        sent = bytearray()

        async def collect() -> None:
            sent.extend(server_stream.send_stream.get_data_nowait())

        server_stream.send_stream.send_all_hook = collect
        await server.accept(together_with=early)
        server_stream.send_stream.send_all_hook = hold
        for start in range(0, len(sent), piece_bytes):
            await server.stream.send_all(bytes(sent[start : start + piece_bytes]))

    async with linked() as link:
        server_stream = link.server_stream
        await link.open(serve)
        await trio.testing.wait_all_tasks_blocked()
        expected: list[object] = [b"%03d" % number for number in range(100)]
        assert link.sink.heard == [*expected, ("ping", b"hi")]


async def test_all_that_one_recv_brings_is_one_batch() -> None:
    async with linked() as link:
        await link.open()
        await link.server.send(*(TextMessage(data=str(number)) for number in range(5)))
        await trio.testing.wait_all_tasks_blocked()
        assert link.sink.batches == [[b"0", b"1", b"2", b"3", b"4"]]


async def test_a_ping_is_handed_over_with_its_payload_in_its_place() -> None:
    async with linked() as link:
        socket = await link.open()
        await link.server.send(TextMessage(data="before"), Ping(payload=b"1700000000000"), TextMessage(data="after"))
        await trio.testing.wait_all_tasks_blocked()
        assert link.sink.heard == [b"before", ("ping", b"1700000000000"), b"after"]
        await socket.send(socket.outlet.pong_frame(b"1700000000000"))
        assert await link.server.next_pong() == b"1700000000000"


async def test_a_close_by_the_server_is_told_at_once_and_answered() -> None:
    async with linked() as link:
        socket = await link.open()
        await link.server.send(CloseConnection(code=1008, reason="disconnected"))
        assert await link.server.next_close() == (1008, "disconnected")
        await link.sink.ended.wait()
        assert link.sink.reason == "the server closed the connection: 1008 disconnected"
        assert not socket.is_open


async def test_a_close_by_this_side_waits_for_the_answer_and_still_hears_what_comes_before_it() -> None:
    async def late_then_close(server: FakeServer) -> None:
        assert await server.next_close() == (1000, "shutting down")
        await server.stream.send_all(bytes((0x81, 4)) + b"late")
        await server.send(CloseConnection(code=1000, reason="shutting down"))
        await server.stream.aclose()

    async with linked() as link, trio.open_nursery() as nursery:
        socket = await link.open()
        nursery.start_soon(late_then_close, link.server)
        await socket.close("shutting down")
        assert link.sink.reason == "closed by this side"
        assert link.sink.heard == [b"late"]


async def test_a_cut_in_mid_frame_is_told_at_once_and_the_half_message_is_never_seen() -> None:
    async with linked() as link:
        socket = await link.open()
        await link.server.stream.send_all(bytes((0x81, 4)) + b"full" + bytes((0x81, 10)) + b"half")
        await link.server.stream.aclose()
        await link.sink.ended.wait()
        assert link.sink.heard == [b"full"]
        assert link.sink.reason == "the server ended the connection without a close frame"
        with pytest.raises(trio.BrokenResourceError):
            await socket.send(socket.outlet.text_frame(b"too late"))


async def test_a_broken_rule_ends_the_socket_with_a_close_frame_that_says_which() -> None:
    async with linked() as link:
        await link.open()
        await link.server.stream.send_all(encode_text_frame(b"servers must not mask", b"abcd"))
        assert await link.server.next_close() == (1002, "client received unexpected masked frame")
        assert link.sink.reason == "the server broke the protocol: client received unexpected masked frame"


async def test_a_message_too_big_ends_the_socket_with_code_1009() -> None:
    async with linked() as link:
        await link.open()
        await link.server.send_text("x" * 1001)
        code, _ = await link.server.next_close()
        assert code == 1009
        assert link.sink.reason == "the server sent a message of 1001 bytes, more than 1000"


async def test_a_write_given_up_half_way_ends_the_socket() -> None:
    async with linked() as link:
        socket = await link.open()

        async def stall() -> None:
            await trio.sleep_forever()

        link.client_stream.send_stream.send_all_hook = stall
        with trio.move_on_after(0):
            await socket.send(socket.outlet.text_frame(b"never whole"))
        assert link.sink.reason == "a write was given up half-way"


async def test_an_abandoned_socket_is_lost_at_once_and_the_server_is_told_why() -> None:
    async with linked() as link:
        socket = await link.open()
        socket.abandon("silence")
        assert link.sink.reason == "silence"
        assert await link.server.next_close() == (1000, "silence")


async def test_what_comes_while_an_abandoned_socket_says_goodbye_is_not_heard() -> None:
    """Its successor may stand already: events of both would be mixed."""
    async with linked() as link:
        socket = await link.open()

        async def stall() -> None:
            await trio.sleep_forever()

        link.client_stream.send_stream.send_all_hook = stall
        socket.abandon("silence")
        await link.server.stream.send_all(bytes((0x81, 4)) + b"late" + bytes((0x89, 2)) + b"hi")
        await trio.testing.wait_all_tasks_blocked()
        assert link.sink.heard == []
        assert link.sink.batches == []


@pytest.mark.parametrize(
    "nonsense",
    [bytes((0x81, 126, 4, 1)) + bytes(1025), encode_text_frame(b"servers must not mask", b"abcd")],
    ids=["oversized", "masked"],
)
async def test_nonsense_instead_of_the_answer_to_a_close_ends_the_socket(nonsense: bytes) -> None:
    async with linked() as link, trio.open_nursery() as nursery:
        socket = await link.open()
        nursery.start_soon(socket.close, "shutting down")
        assert await link.server.next_close() == (1000, "shutting down")
        await link.server.stream.send_all(nonsense)
        await link.sink.ended.wait()
        assert link.sink.reason == "closed by this side"
        with pytest.raises(trio.EndOfChannel):
            await link.server.next_event()


async def test_a_cancelled_socket_is_lost_too() -> None:
    async with linked() as link:
        await link.open()
        link.stop()
        await link.sink.ended.wait()
        assert link.sink.reason == "it was stopped by this side"


@pytest.mark.parametrize(
    ("status", "headers", "body", "said", "asked_s"),
    [
        (
            429,
            {"Retry-After": "60"},
            b'{"code":-1003,\n "msg":"Too many"}',
            '429: {"code":-1003, "msg":"Too many"}',
            60,
        ),
        (418, {"retry-after": "120"}, b"", "418 .*banned", 120),
        (403, {}, b"<html>WAF</html>", "403: <html>WAF</html> .*firewall", 0),
        (503, {"Retry-After": "tomorrow"}, b"", "503 .*trouble of its own", 0),
        (
            503,
            {"Retry-After": "Sat, 21 Nov 2026 16:22:00 GMT", "Date": "Sat, 21 Nov 2026 16:20:00 GMT"},
            b"",
            "503 .*trouble of its own",
            120,
        ),
        (404, {}, b"", "404 .*path", 0),
        (451, {}, b"", "451 .*does not serve the place", 0),
        (402, {}, b"", "402$", 0),
        (302, {"Location": "/elsewhere"}, b"", "302 .*login page", 0),
        (200, {}, b"<html>Sign in to this network</html>", "200: .*login page", 0),
    ],
)
async def test_a_refused_upgrade_says_the_status_the_servers_words_and_what_to_do(
    status: int, headers: dict[str, str], body: bytes, said: str, asked_s: float
) -> None:
    async with linked() as link:
        with pytest.raises(HandshakeRefused, match=f"HTTP status {said}") as caught:
            await link.open(lambda server: server.refuse(status, headers=headers, body=body))
        assert (caught.value.status, caught.value.retry_after_s) == (status, asked_s)
        kinds = {4: FailureKind.HTTP_4XX, 5: FailureKind.HTTP_5XX}
        assert caught.value.kind is kinds.get(status // 100, FailureKind.UPGRADE)


ANSWERS_THAT_ARE_NO_UPGRADE = {
    b"": "ended the connection instead of answering",
    b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nRetry-After: 7\r\n\r\nuntil the end": "HTTP status 502",
    b"SSH-2.0-OpenSSH_9.6\r\n\r\n": "not a WebSocket's",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: of another client\r\n\r\n": "not a WebSocket's: Bad accept token",
    b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 200_000: "not a WebSocket's|instead of answering",
}


@pytest.mark.parametrize("answer", ANSWERS_THAT_ARE_NO_UPGRADE, ids=lambda answer: answer[:20].decode() or "nothing")
async def test_what_is_no_websocket_is_refused_with_a_hint(answer: bytes) -> None:
    async def serve(server: FakeServer) -> None:
        await server.read_request()
        await server.stream.send_all(answer)
        await server.stream.aclose()

    async with linked() as link:
        with pytest.raises(HandshakeRefused, match=ANSWERS_THAT_ARE_NO_UPGRADE[answer]) as caught:
            await link.open(serve)
        assert caught.value.hint
        is_gateway = b"502" in answer
        assert caught.value.kind is (FailureKind.HTTP_5XX if is_gateway else FailureKind.UPGRADE)
        assert caught.value.retry_after_s == (7 if is_gateway else 0)


async def test_a_refused_upgrade_closes_the_stream() -> None:
    async with linked() as link:
        with pytest.raises(HandshakeRefused):
            await link.open(lambda server: server.refuse(404))
        with pytest.raises(trio.ClosedResourceError):
            await link.client_stream.receive_some()
