"""How a link gets its byte stream: plain TCP, or TLS with the certificate verified, always. Every stage has a bound.

A dialler is any `async () -> Stream`; simulations bring their own. What runs over the stream, and when to dial again,
is not decided here.
"""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

import trio
from trio.abc import Stream

from dogwatch.actors.connect_errors import DialFailed, FailureKind
from dogwatch.actors.tcp_stream import TcpStream
from dogwatch.actors.tls_stream import TlsStream
from dogwatch.runtime.errors import ConfigError

__all__ = ["DialFailed", "DialTimes", "Dialler", "Door", "tcp_dialler", "tls_dialler"]

Dialler: TypeAlias = Callable[[], Awaitable[Stream]]

# Verification results of OpenSSL (X509_V_ERR_*) that a user can do something about.
NOT_YET_VALID, EXPIRED, HOST_MISMATCH, ADDRESS_MISMATCH = 9, 10, 62, 64
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)


class Door(NamedTuple):
    """Where and how to reach a server: `host` and `resource` are what the upgrade asks for, `dial` gives the stream.

    `alternative` is another way to the same server, tried after repeated failures.
    """

    dial: Dialler
    host: str
    resource: str
    alternative: "Door | None" = None


class DialTimes(NamedTuple):
    """The longest that each stage may take. A resolver asks its second server after 5 s, and a lost packet that opens
    a connection is sent again after 1 and 3 s."""

    lookup_s: float = 10.0
    tcp_s: float = 5.0
    tls_s: float = 10.0


DIAL_TIMES = DialTimes()


def tcp_dialler(host: str, port: int, *, within: DialTimes = DIAL_TIMES) -> Dialler:
    """Dials `host:port` over plain TCP, all of the host's addresses in turn (RFC 8305). For exchanges on this machine.

    The dialler raises DialFailed when the name is unknown or nobody accepts, or when that takes too long.
    """

    async def dial() -> Stream:
        return await open_tcp(host, port, within)

    return dial


def tls_dialler(
    host: str, port: int, ssl_context: ssl.SSLContext | None = None, *, within: DialTimes = DIAL_TIMES
) -> Dialler:
    """Dials `host:port` over TLS 1.2 or newer; returns after the handshake, with certificate and host name verified.

    `ssl_context` adds what a site needs, such as an authority of its own; by default the system's authorities count.
    A context that does not verify is refused with ConfigError, here and at every dial: verification has no off switch.
    The dialler raises DialFailed when there is no connection, when the certificate does not convince, or when a stage
    takes longer than `within` allows.
    """
    context = ssl.create_default_context() if ssl_context is None else ssl_context
    refuse_unverified(context)

    async def dial() -> Stream:
        refuse_unverified(context)
        return await secure(await open_tcp(host, port, within), context, host, port, within.tls_s)

    return dial


async def secure(transport: Stream, context: ssl.SSLContext, host: str, port: int, within_s: float) -> TlsStream:
    """TLS over `transport`, after the handshake. Raises DialFailed, and closes it, when that does not come about."""
    stream = TlsStream(transport, context, host)
    try:
        with trio.fail_after(within_s):
            await stream.do_handshake()
    except (ssl.SSLError, trio.BrokenResourceError, trio.TooSlowError) as error:
        await trio.aclose_forcefully(stream)
        raise tls_failure(host, port, error) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def open_tcp(host: str, port: int, within: DialTimes) -> TcpStream:
    await look_up(host, port, within.lookup_s)
    try:
        with trio.fail_after(within.tcp_s):
            connected = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise tcp_failure(host, port, error) from error
    except trio.TooSlowError as error:
        raise DialFailed(
            f"no connection to {host}:{port} within {within.tcp_s:g} s",
            kind=FailureKind.TCP,
            hint="check this machine's network and any firewall that drops packets",
        ) from error
    return TcpStream(socket.socket(fileno=connected.socket.detach()))


async def look_up(host: str, port: int, within_s: float) -> None:
    """A stage of its own, though opening looks up again (most often from a cache): a resolver that does not answer must
    not look like a server that does not."""
    try:
        with trio.fail_after(within_s):
            await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise tcp_failure(host, port, error) from error
    except trio.TooSlowError as error:
        raise DialFailed(
            f"the host name {host} could not be looked up within {within_s:g} s",
            kind=FailureKind.DNS,
            hint="check this machine's network and its DNS servers",
        ) from error


def refuse_unverified(context: ssl.SSLContext) -> None:
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ConfigError(
            "ssl_context",
            "it does not verify the server's certificate and host name, so anybody in between could trade for you",
            hint="begin with ssl.create_default_context() and add your authority with load_verify_locations()",
        )


def tcp_failure(host: str, port: int, error: OSError) -> DialFailed:
    if isinstance(error, socket.gaierror):
        return DialFailed(
            f"the host name {host} is unknown: {error.strerror}",
            kind=FailureKind.DNS,
            hint="check the spelling, this machine's network and its DNS",
        )
    reasons = sorted({text_of(leaf) for leaf in leaves(error)})
    return DialFailed(
        f"no connection to {host}:{port}: {'; '.join(reasons)}",
        kind=FailureKind.TCP,
        hint="check that the server runs, the port, and any firewall in between",
    )


def tls_failure(host: str, port: int, error: BaseException) -> DialFailed:
    message, hint = tls_story(f"{host}:{port}", error)
    return DialFailed(message, kind=FailureKind.TLS, hint=hint)


def tls_story(where: str, error: BaseException) -> tuple[str, str]:
    """What happened, and what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = certificate_hint(error.verify_code)
        return f"the certificate of {where} was not accepted: {error.verify_message}", hint
    if isinstance(error, ssl.SSLError):
        hint = "check that this port speaks TLS; the address of a server without it begins with ws://"
        return f"no TLS with {where}: {error.reason or error}", hint
    if isinstance(error, trio.TooSlowError):
        hint = "the connection was taken, by the server or by something in between, which then said nothing"
        return f"{where} did not complete the TLS handshake in time", hint
    hint = "check that this port speaks TLS, and any proxy in between"
    return f"{where} broke the connection off during the TLS handshake", hint


def certificate_hint(verify_code: int) -> str:
    if verify_code in (HOST_MISMATCH, ADDRESS_MISMATCH):
        return "it belongs to another host: check the host name; a proxy or a captive portal may answer in its place"
    if verify_code in UNKNOWN_AUTHORITY:
        return (
            "no authority known to this machine has signed it: update the system's CA certificates; "
            "if a proxy inspects TLS here, give its authority in the ssl_context"
        )
    if verify_code in (NOT_YET_VALID, EXPIRED):
        return "check this machine's date and time first, then the server's certificate"
    return "do not trade over this connection until the reason is understood"


def leaves(error: BaseException) -> list[BaseException]:
    """The errors of the single attempts; Trio groups them below the error that it raises."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return [leaf for part in cause.exceptions for leaf in leaves(part)]
    return [error] if cause is None or (isinstance(error, OSError) and error.errno) else leaves(cause)


def text_of(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # its own text repeats the address
    return str(error) or type(error).__name__
