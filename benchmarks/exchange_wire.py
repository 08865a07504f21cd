"""The bytes of the benchmarks' exchange: a socket with or without TLS, and WebSocket frames."""

import base64
import hashlib
import socket
import ssl
from threading import Lock

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
RECEIVE_BYTES = 262_144
PIECE_BYTES = 262_144
"""How much is encrypted and sent at once: between two pieces of a blast an answer may be sent."""


class Wire:
    """A blocking socket. Several threads may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = Lock()

    def receive(self) -> bytes:
        return self._socket.recv(RECEIVE_BYTES)

    def send(self, data: bytes) -> None:
        with self._lock:
            self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()


class TlsWire:
    """The same with TLS in memory: one thread may wait for bytes while another one sends."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket = connection
        self._lock = Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def receive(self) -> bytes:
        while True:
            with self._lock:
                if data := self._decrypted():
                    return data
            received = self._socket.recv(RECEIVE_BYTES)
            if not received:
                return b""
            self._incoming.write(received)

    def send(self, data: bytes) -> None:
        for offset in range(0, len(data), PIECE_BYTES):
            with self._lock:
                self._tls.write(data[offset : offset + PIECE_BYTES])
                self._socket.sendall(self._outgoing.read())

    def close(self) -> None:
        self._socket.close()

    def _decrypted(self) -> bytes:
        """All that can be read now, after the handshake that the first reading makes."""
        pieces = []
        try:
            while piece := self._tls.read(RECEIVE_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        if self._outgoing.pending:
            self._socket.sendall(self._outgoing.read())
        return b"".join(pieces)


def accept_key(key: bytes) -> bytes:
    """The answer to a WebSocket's opening handshake."""
    accepted = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


_headers: dict[int, bytes] = {}


def text_frame(payload: bytes) -> bytes:
    """A text frame; its header is made once for each size."""
    header = _headers.get(len(payload))
    if header is None:
        header = _headers[len(payload)] = frame_of(TEXT, payload).removesuffix(payload)
    return header + payload


def frame_of(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((kind, size)) + payload
    if size < 0x10000:
        return bytes((kind, 126, size >> 8, size & 0xFF)) + payload
    return bytes((kind, 127)) + size.to_bytes(8) + payload


def unmasked(masked: bytes, key: bytes) -> bytes:
    size = len(masked)
    pattern = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(masked, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")
