"""The wire under REST: requests arrive as they were built, connections are kept, and each failure says whether anything
can have arrived. Over real sockets."""

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trustme

from dogwatch.actors import http_body
from dogwatch.actors.rest_wire import RestDoor, Wire, rest_door
from dogwatch.actors.spot.endpoints import RestBases
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.rest_requests import RestRequest
from dogwatch.runtime.errors import ConfigError

PING = RestRequest(verb="GET", path="/api/v3/ping")
ORDER = RestRequest(
    verb="POST",
    path="/api/v3/order",
    body=b"symbol=%E5%B8%81USDT&newClientOrderId=a%3Ab&signature=c2VjcmV0%3D%3D",
    headers=(("X-MBX-APIKEY", "the-key"), ("Content-Type", "application/x-www-form-urlencoded")),
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 5\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`: bytes, or None to cut the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                part = await stream.receive_some()
                if not part:
                    return
                received += part
            head, _, received = received.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0)
            while len(received) < length:
                received += await stream.receive_some()
            self.heads.append(head)
            self.bodies.append(received[:length])
            received = received[length:]
            answer = self.answers.pop(0) if self.answers else OK
            if answer is None:
                await stream.aclose()
                return
            await stream.send_all(answer)


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[tuple[Wire, str]]:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        origin = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with Wire(door(origin)) as wire:
            yield wire, origin
        nursery.cancel_scope.cancel()


def door(origin: str, context: ssl.SSLContext | None = None) -> RestDoor:
    return rest_door(RestBases(origins=(origin,)), context)


async def test_a_request_arrives_byte_by_byte_as_it_was_signed() -> None:
    server = Server()
    listing = RestRequest(verb="GET", path="/api/v3/x", query="symbols=%5B%22A%22%2C%22%E5%B8%81%22%5D&a=b%3Ac%2Fd%20~")
    async with served(server) as (wire, origin):
        await wire.exchange(origin, ORDER, within_s=5)
        await wire.exchange(origin, listing, within_s=5)
    assert server.bodies == [ORDER.body, b""]
    first, second = (head.split(b"\r\n") for head in server.heads)
    assert first[0] == b"POST /api/v3/order HTTP/1.1"
    assert b"X-MBX-APIKEY: the-key" in first
    assert b"Content-Type: application/x-www-form-urlencoded" in first
    assert second[0] == f"GET {listing.target} HTTP/1.1".encode()


async def test_an_answer_is_status_headers_in_lower_case_and_body() -> None:
    server = Server(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nno!")
    async with served(server) as (wire, origin):
        answer = await wire.exchange(origin, PING, within_s=5)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b"no!", "7")


async def test_a_connection_is_kept_for_the_next_request_also_after_a_refusal() -> None:
    server = Server(OK, b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}")
    async with served(server) as (wire, origin):
        for _ in range(4):
            await wire.exchange(origin, PING, within_s=5)
    assert (len(server.heads), server.connections) == (4, 1)


async def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_for_an_order() -> None:
    server = Server(OK.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"), OK)
    async with served(server) as (wire, origin):
        await wire.exchange(origin, PING, within_s=5)
        assert (await wire.exchange(origin, ORDER, within_s=5)).status == 200
    assert server.connections == 2


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    server = Server(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n")
    async with served(server) as (wire, origin):
        assert (await wire.exchange(origin, ORDER, within_s=5)).status == 302
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "answer",
    [None, b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n"],
    ids=["none", "it breaks off", "no HTTP", "half a head"],
)
async def test_without_a_whole_answer_nobody_knows(answer: bytes | None) -> None:
    server = Server(answer, None)
    async with served(server) as (wire, origin):
        with pytest.raises(OutcomeUnknown):
            await wire.exchange(origin, ORDER, within_s=0.1)
    assert len(server.heads) == 1  # and it is not sent again


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with Wire(door("http://127.0.0.1:1")) as wire:
        with pytest.raises(NotSent, match=r"no connection to http://127\.0\.0\.1:1") as failure:
            await wire.exchange("http://127.0.0.1:1", ORDER, within_s=5)
        assert "check that the server runs" in failure.value.hint


async def test_a_name_that_nobody_knows_is_told_as_one() -> None:
    class Nameless(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *_args: Any, **_options: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    trio.socket.set_custom_hostname_resolver(Nameless())
    origin = "https://api.nowhere.test"
    async with Wire(door(origin)) as wire:
        with pytest.raises(NotSent, match="its name is unknown") as failure:
            await wire.exchange(origin, ORDER, within_s=5)
    assert "DNS" in failure.value.hint


async def test_a_server_without_tls_and_a_certificate_of_nobody_known_are_told_by_name() -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    served_by = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(served_by)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, Server().serve, 0, served_by, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        origin = f"https://127.0.0.1:{listener.transport_listener.socket.getsockname()[1]}"
        async with Wire(door(origin)) as wire:
            with pytest.raises(NotSent, match=r"the certificate of .* was not accepted") as failure:
                await wire.exchange(origin, ORDER, within_s=5)
        assert "authority" in failure.value.hint
        nursery.cancel_scope.cancel()


async def test_over_tls_with_an_authority_that_is_known_it_works() -> None:
    authority = trustme.CA()
    served_by, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served_by)
    authority.configure_trust(trusted)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, Server().serve, 0, served_by, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        origin = f"https://127.0.0.1:{listener.transport_listener.socket.getsockname()[1]}"
        async with Wire(door(origin, trusted)) as wire:
            assert (await wire.exchange(origin, ORDER, within_s=5)).status == 200
        nursery.cancel_scope.cancel()


def test_verification_has_no_off_switch() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ConfigError, match="does not verify"):
        door("https://x", context)


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "BYTES_MAX", 2**20)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {2**30}\r\n\r\n".encode()

    class Endless(Server):
        async def serve(self, stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            try:
                await stream.send_all(head)
                for _ in range(2**10):
                    await stream.send_all(bytes(2**20))
            except trio.BrokenResourceError:
                pass

    async with served(Endless()) as (wire, origin):
        with pytest.raises(OutcomeUnknown, match="longer than"):
            await wire.exchange(origin, PING, within_s=10)


async def test_neither_key_nor_signature_is_in_any_log_or_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(Server(OK, None)) as (wire, origin):
        await wire.exchange(origin, ORDER, within_s=5)
        with pytest.raises(OutcomeUnknown) as failure:
            await wire.exchange(origin, ORDER, within_s=5)
    told = [record.getMessage() for record in caplog.records] + [repr(failure.value), str(failure.value)]
    assert len(told) > 3  # the library below does log
    assert not [text for text in told if "the-key" in text or "c2VjcmV0" in text]
