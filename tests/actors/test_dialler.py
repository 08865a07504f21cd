"""Diallers on real sockets of this machine, with an authority of our own for TLS."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio
import trio.testing
import trustme

from dogwatch.actors.connect_errors import FailureKind
from dogwatch.actors.dialler import DialFailed, secure, tcp_dialler, tls_dialler
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.testing.network import MemoryNetwork

Handler = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A TCP server on a free port; gives the port."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await handler(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def tls_echo(authority: trustme.CA, *names: str) -> Handler:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)

    async def handle(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        with_client = False
        try:
            await tls.do_handshake()
            with_client = True
            await tls.send_all(await tls.receive_some())
        except trio.BrokenResourceError:
            assert not with_client

    return handle


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.receive_some(1)


async def speak_plainly(stream: trio.SocketStream) -> None:
    await stream.send_all(b"220 no TLS here\r\n")
    await stream.receive_some()


def resolve_by(lookup: Callable[..., Awaitable[object]]) -> None:
    class Resolver(trio.abc.HostnameResolver):
        getaddrinfo = getnameinfo = staticmethod(lookup)  # type: ignore[assignment]  # neither result is looked at

    trio.socket.set_custom_hostname_resolver(Resolver())


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_tcp_reaches_a_server() -> None:
    async def greet(stream: trio.SocketStream) -> None:
        await stream.send_all(b"hello")

    async with serving(greet) as port, await tcp_dialler("127.0.0.1", port)() as stream:
        assert await stream.receive_some() == b"hello"


async def test_a_refused_connection_says_so_and_what_to_check() -> None:
    port = unused_port()
    with pytest.raises(DialFailed, match=rf"127.0.0.1:{port}: .*refused.*check that the server runs") as failure:
        await tcp_dialler("127.0.0.1", port)()
    assert failure.value.kind is FailureKind.TCP


async def test_an_unknown_host_name_says_so() -> None:
    async def no_such_host(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolve_by(no_such_host)
    with pytest.raises(DialFailed, match=r"host name nowhere.invalid is unknown: .*spelling") as failure:
        await tcp_dialler("nowhere.invalid", 443)()
    assert failure.value.kind is FailureKind.DNS


# A stage that nobody answers.


async def never(*_: object) -> object:
    return await trio.sleep_forever()


@pytest.mark.usefixtures("virtual_clock")
async def test_a_resolver_that_does_not_answer_is_not_taken_for_a_server_that_does_not() -> None:
    resolve_by(never)
    with pytest.raises(DialFailed, match=r"exchange.example could not be looked up within 10 s .*DNS") as failure:
        await tls_dialler("exchange.example", 443)()
    assert failure.value.kind is FailureKind.DNS
    assert trio.current_time() == 10


@pytest.mark.usefixtures("virtual_clock")
async def test_a_server_whose_packets_are_dropped_is_given_up_after_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trio, "open_tcp_stream", never)
    with pytest.raises(DialFailed, match=r"no connection to 127.0.0.1:443 within 5 s .*firewall") as failure:
        await tls_dialler("127.0.0.1", 443)()
    assert failure.value.kind is FailureKind.TCP
    assert trio.current_time() == 5


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize("answered_bytes", [0, 5, 60])
async def test_a_tls_handshake_that_stops_is_given_up_and_its_stream_closed(
    network: MemoryNetwork, authority: trustme.CA, answered_bytes: int
) -> None:
    """Whoever took the connection says nothing, or begins an answer and says no more."""
    listener = network.listen("localhost", 443)
    transport = await network.connect("localhost", 443)
    server = await listener.accept()
    await server.send_all((b"\x16\x03\x03\x40\x00" + bytes(100))[:answered_bytes])
    with pytest.raises(DialFailed, match=r"localhost:443 did not complete the TLS handshake in time") as failure:
        await secure(transport, trusting(authority), "localhost", 443, 10)
    assert failure.value.kind is FailureKind.TLS
    assert trio.current_time() == 10
    while await server.receive_some():
        pass


# TLS.


async def test_tls_reaches_a_server_whose_authority_and_name_are_right(authority: trustme.CA) -> None:
    async with (
        serving(tls_echo(authority, "localhost")) as port,
        await tls_dialler("localhost", port, trusting(authority))() as stream,
    ):
        await stream.send_all(b"secret")
        assert await stream.receive_some() == b"secret"


async def test_a_certificate_of_an_unknown_authority_is_refused_with_a_hint(authority: trustme.CA) -> None:
    async with serving(tls_echo(trustme.CA(), "localhost")) as port:
        for context in (trusting(authority), None):
            problem = r"certificate of localhost:.*not accepted.*no authority known"
            with pytest.raises(DialFailed, match=problem) as failure:
                await tls_dialler("localhost", port, context)()
            assert failure.value.kind is FailureKind.TLS


async def test_a_certificate_of_another_host_is_refused_with_a_hint(authority: trustme.CA) -> None:
    async with serving(tls_echo(authority, "elsewhere.example")) as port:
        with pytest.raises(DialFailed, match=r"not accepted: Hostname mismatch.*belongs to another host"):
            await tls_dialler("localhost", port, trusting(authority))()


async def test_an_expired_certificate_points_at_the_clock(authority: trustme.CA) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC)).configure_cert(context)

    async def handle(stream: trio.SocketStream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_side=True).do_handshake()

    async with serving(handle) as port:
        with pytest.raises(DialFailed, match=r"not accepted: certificate has expired.*date and time"):
            await tls_dialler("localhost", port, trusting(authority))()


async def test_a_server_without_tls_is_told_apart(authority: trustme.CA) -> None:
    async with serving(speak_plainly) as port:
        with pytest.raises(DialFailed, match=r"no TLS with localhost.*check that this port speaks TLS") as failure:
            await tls_dialler("localhost", port, trusting(authority))()
        assert failure.value.kind is FailureKind.TLS


async def test_a_connection_broken_off_during_the_handshake_is_told_apart(authority: trustme.CA) -> None:
    async with serving(hang_up) as port:
        with pytest.raises(DialFailed, match=r"during the TLS handshake|no TLS with"):
            await tls_dialler("localhost", port, trusting(authority))()


def unverified(*, check_hostname: bool, verify_mode: ssl.VerifyMode) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = verify_mode
    context.check_hostname = check_hostname
    return context


@pytest.mark.parametrize("verify_mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_a_context_that_does_not_verify_everything_is_refused(verify_mode: ssl.VerifyMode) -> None:
    context = unverified(check_hostname=False, verify_mode=verify_mode)
    with pytest.raises(ConfigError, match=r"ssl_context: it does not verify.*create_default_context"):
        tls_dialler("localhost", 443, context)


async def test_switching_verification_off_later_is_refused_before_anything_is_sent(authority: trustme.CA) -> None:
    context = trusting(authority)
    dial = tls_dialler("localhost", unused_port(), context)
    context.check_hostname = False
    with pytest.raises(ConfigError, match=r"does not verify"):
        await dial()


async def test_a_cancelled_handshake_leaves_no_open_socket(authority: trustme.CA) -> None:
    closed = trio.Event()

    async def never_answer(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass
        closed.set()

    async with serving(never_answer) as port:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tls_dialler("localhost", port, trusting(authority)))
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
        await closed.wait()
