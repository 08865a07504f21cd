"""The client's end of a TLS connection over any stream, with no more scheduler passes than the stream below takes.

Trio's own SSLStream takes its locks through the scheduler on every call; on a request and its answer that is a quarter
of the time. Which certificates convince is decided by the context: see dialler.py.
"""

import contextlib
import ssl
from collections.abc import Callable

import trio
from trio.abc import Stream

__all__ = ["TlsStream"]

RECEIVE_BYTES = 65_536


class TlsStream(Stream):
    """Call `do_handshake` first. The end of the stream below is an end of data, with or without a close_notify: what is
    spoken over it (WebSocket) says itself when it is complete. Nor is one sent: `aclose` closes the stream below.

    One task may receive while others send, each in turn. A write that was cancelled leaves a part of a record behind,
    so every later one raises trio.BrokenResourceError.
    """

    def __init__(self, transport: Stream, context: ssl.SSLContext, server_hostname: str) -> None:
        self._transport = transport
        self._transport_send_now: Callable[[bytes], bool] | None = getattr(transport, "send_now", None)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._send_lock = trio.StrictFIFOLock()
        self._is_receiving = False
        self._is_cut_off = False
        self._has_rest = False  # the transport's, of a record that `send_now` gave it
        self._may_have_more = True  # decrypted or not, without anything new from below; also an end, or an error
        self._unreadable: ssl.SSLError | None = None

    async def do_handshake(self) -> None:
        """Agree on keys and verify the server. Raises ssl.SSLError, or trio.BrokenResourceError if it goes away."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._feed():
                    raise trio.BrokenResourceError("the server ended the connection during the handshake") from None
            except ssl.SSLError:
                # The alert that says why. A server that has gone already must not hide the reason from us.
                with contextlib.suppress(trio.BrokenResourceError):
                    await self._flush()
                raise
            else:
                break
        await self._flush()

    def send_now(self, data: bytes) -> bool:
        """Encrypt and send without waiting. False: not all of it has gone now; the rest goes with the next `send_all`,
        before what that is given (which may be b"").

        Raises BrokenResourceError or ClosedResourceError, and then nothing of `data` has gone; BusyResourceError while
        something else is being written, or there is a rest.
        """
        if self._send_lock.locked() or self._outgoing.pending or self._has_rest:
            raise trio.BusyResourceError("what was sent before has not gone yet")
        if self._is_cut_off:
            raise trio.BrokenResourceError("an earlier write was given up half-way")
        self._encrypt(data)
        send_now = self._transport_send_now
        if send_now is None:
            return False  # the rest is everything
        self._is_cut_off = True
        self._has_rest = not send_now(self._outgoing.read())
        self._is_cut_off = False
        return not self._has_rest

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and write. Raises trio.BrokenResourceError or ClosedResourceError."""
        try:
            # A lock that is free is taken without a scheduler pass.
            self._send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._send_lock.acquire()
        try:
            if data:
                self._encrypt(data)
            await self._write()
        finally:
            self._send_lock.release()

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """All that is there, decrypted, up to `max_bytes`; b"" at the end. Raises BrokenResourceError."""
        bytes_max = RECEIVE_BYTES if max_bytes is None else max_bytes
        if bytes_max < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._is_receiving:
            raise trio.BusyResourceError("another task is receiving from this stream already")
        self._is_receiving = True
        try:
            if self._may_have_more:
                await trio.lowlevel.checkpoint()
            else:
                await self._feed()  # asking OpenSSL first would cost an exception for each answer of the server
            while (data := self._decrypt(bytes_max)) is None:
                # Reading may have produced something to write, such as the answer to a change of keys.
                await self._flush()
                await self._feed()
            return data
        finally:
            self._is_receiving = False

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _encrypt(self, data: bytes | bytearray | memoryview) -> None:
        try:
            written = self._tls.write(data)
            while written < len(data):  # more than one record holds
                written += self._tls.write(memoryview(data)[written:])
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error

    def _decrypt(self, bytes_max: int) -> bytes | None:
        """What the received records hold, b"" at the end; None if a whole record has yet to come."""
        if self._unreadable is not None:
            raise trio.BrokenResourceError from self._unreadable
        pieces: list[bytes] = []
        wanted = bytes_max
        self._may_have_more = True
        try:
            while wanted and (piece := self._tls.read(wanted)):
                pieces.append(piece)
                wanted -= len(piece)
                if wanted and not self._incoming.pending:
                    self._may_have_more = False
                    break
        except ssl.SSLWantReadError:
            self._may_have_more = False
            if not pieces:
                return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass  # the end, said or unsaid; what came before it counts
        except ssl.SSLError as error:
            # Kept, because reading on would look like an end: forged data after true data must not pass for one.
            self._unreadable = error
            if not pieces:
                raise trio.BrokenResourceError from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _feed(self) -> bool:
        received = await self._transport.receive_some(RECEIVE_BYTES)
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()
        return bool(received)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            async with self._send_lock:
                await self._write()

    async def _write(self) -> None:
        """Send what is encrypted. For the holder of the send lock."""
        if self._is_cut_off:
            raise trio.BrokenResourceError("an earlier write was given up half-way")
        self._is_cut_off = True
        await self._transport.send_all(self._outgoing.read())
        self._has_rest = self._is_cut_off = False
