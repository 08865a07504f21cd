"""How a link gets its byte stream: plain TCP, or TLS with the certificate verified, always.

A dialler is any `async () -> Stream`; simulations bring their own. What runs over the stream, and when to dial again,
is not decided here.
"""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from trio.abc import Stream

from dogwatch.actors.tls_stream import TlsStream
from dogwatch.runtime.errors import ConfigError, DogwatchError

__all__ = ["DialFailed", "Dialler", "tcp_dialler", "tls_dialler"]

Dialler: TypeAlias = Callable[[], Awaitable[Stream]]

# Verification results of OpenSSL (X509_V_ERR_*) that a user can do something about.
NOT_YET_VALID, EXPIRED, HOST_MISMATCH, ADDRESS_MISMATCH = 9, 10, 62, 64
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)


class DialFailed(DogwatchError):
    """No stream could be opened. The message says what happened, the hint what to look at; trying again may help."""


def tcp_dialler(host: str, port: int) -> Dialler:
    """Dials `host:port` over plain TCP, all of the host's addresses in turn (RFC 8305). For exchanges on this machine.

    The dialler raises DialFailed when the name is unknown or nobody accepts.
    """

    async def dial() -> Stream:
        return await open_tcp(host, port)

    return dial


def tls_dialler(host: str, port: int, ssl_context: ssl.SSLContext | None = None) -> Dialler:
    """Dials `host:port` over TLS 1.2 or newer; returns after the handshake, with certificate and host name verified.

    `ssl_context` adds what a site needs, such as an authority of its own; by default the system's authorities count.
    A context that does not verify is refused with ConfigError, here and at every dial: verification has no off switch.
    The dialler raises DialFailed when there is no connection or the certificate does not convince.
    """
    context = ssl.create_default_context() if ssl_context is None else ssl_context
    refuse_unverified(context)

    async def dial() -> Stream:
        refuse_unverified(context)
        stream = TlsStream(await open_tcp(host, port), context, host)
        try:
            await stream.do_handshake()
        except (ssl.SSLError, trio.BrokenResourceError) as error:
            await trio.aclose_forcefully(stream)
            raise tls_failure(host, port, error) from error
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    return dial


async def open_tcp(host: str, port: int) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise tcp_failure(host, port, error) from error


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
            hint="check the spelling, this machine's network and its DNS",
        )
    reasons = sorted({text_of(leaf) for leaf in leaves(error)})
    return DialFailed(
        f"no connection to {host}:{port}: {'; '.join(reasons)}",
        hint="check that the server runs, the port, and any firewall in between",
    )


def tls_failure(host: str, port: int, error: BaseException) -> DialFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return DialFailed(
            f"the certificate of {host}:{port} was not accepted: {error.verify_message}",
            hint=certificate_hint(error.verify_code),
        )
    if isinstance(error, ssl.SSLError):
        return DialFailed(
            f"no TLS with {host}:{port}: {error.reason or error}",
            hint="check that this port speaks TLS; a plain server needs the plain dialler",
        )
    return DialFailed(
        f"{host}:{port} broke the connection off during the TLS handshake",
        hint="check that this port speaks TLS, and any proxy in between",
    )


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
