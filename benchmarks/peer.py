"""The exchange's end for the benchmarks, in a process and on a core of its own: it accepts, answers, and blasts events.

Blocking sockets and ready-made texts, so that it is never what is measured. Commands come on stdin, one a line:
`blast KIND COUNT` makes that many events, and an empty line sends them, on the newest connection for their kind.
`python benchmarks/peer.py [CERTIFICATE.pem]` prints the port that it listens on, and ends when stdin does.
"""

import base64
import hashlib
import os
import socket
import ssl
import sys
import threading
import time

from peer_texts import CANCELED, ORDER, Request, answers, events, read_request

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 0x81, 0x88
IN_2_BYTES = 126
RECEIVE_BYTES = 262_144


class Peer:
    """One connection, served by one thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""
        self.path = b""
        self.is_done = False
        self._order_ids = 0
        self._last_order = ""

    def serve(self) -> None:
        try:
            self._accept()
            while data := self._socket.recv(RECEIVE_BYTES):
                texts = self._texts(self._rest + data)
                if texts:
                    self._socket.sendall(b"".join([frame_of(self._answer(text)) for text in texts]))
        except OSError:
            pass  # the client has gone, which is how every benchmark ends
        finally:
            self.is_done = True
            self._socket.close()

    def blast(self, kind: str, count: int) -> None:
        """Make the events, say so on stdout, and send them when stdin gives the word."""
        data = b"".join([frame_of(text) for text in events(kind, count, self._last_order)])
        print("ready", flush=True)
        sys.stdin.readline()
        self._socket.sendall(data)

    def _accept(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(RECEIVE_BYTES)
        first, *lines = head.split(b"\r\n")[:-2]
        fields = dict(line.split(b": ", 1) for line in lines)
        key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID, usedforsecurity=False).digest())
        self._socket.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.path = first.split()[1]

    def _texts(self, data: bytes) -> list[bytes]:
        """The whole messages, unmasked; a close frame ends the connection."""
        texts = []
        offset = 0
        while len(data) - offset >= 8:
            size = data[offset + 1] & 0x7F
            start = offset + 6
            if size == IN_2_BYTES:
                size = data[offset + 2] << 8 | data[offset + 3]
                start += 2
            if start + size > len(data):
                break
            if data[offset] == CLOSE:
                raise ConnectionAbortedError
            if data[offset] == TEXT:
                texts.append(unmasked(data[start : start + size], data[start - 4 : start]))
            offset = start + size
        self._rest = data[offset:]
        return texts

    def _answer(self, text: bytes) -> str:
        request: Request = read_request(text)
        params = request.params
        if isinstance(params, list):  # SUBSCRIBE and the like
            return f'{{"result":null,"id":{request.id}}}'
        now_ms = time.time_ns() // 1_000_000
        if request.method == "order.place":
            self._order_ids += 1
            self._last_order = params.new_client_order_id
            status = "EXPIRED" if params.time_in_force == "IOC" else "NEW"
            return ORDER % (
                request.id, self._order_ids, self._last_order, now_ms, status, params.time_in_force, now_ms
            )  # fmt: skip
        if request.method == "order.cancel":
            return CANCELED % (request.id, params.orig_client_order_id, now_ms)
        return answers(request.method, now_ms) % request.id


def frame_of(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    if size < IN_2_BYTES:
        return bytes((TEXT, size)) + payload
    if size < 0x10000:
        return bytes((TEXT, IN_2_BYTES, size >> 8, size & 0xFF)) + payload
    return bytes((TEXT, 127)) + size.to_bytes(8) + payload


def unmasked(masked: bytes, key: bytes) -> bytes:
    size = len(masked)
    pattern = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(masked) ^ int.from_bytes(pattern)).to_bytes(size)


def listen(context: ssl.SSLContext | None, peers: list[Peer]) -> int:
    """Accept for ever, in a thread. Returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            peer = Peer(connection)
            peers.append(peer)
            threading.Thread(target=peer.serve, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    peers: list[Peer] = []
    print(listen(context, peers), flush=True)
    for line in sys.stdin:
        _, kind, count = line.split()
        path = b"/ws-api" if kind == "fills" else b"/stream"
        while not (fitting := [peer for peer in peers if peer.path.startswith(path) and not peer.is_done]):
            time.sleep(0.001)
        fitting[-1].blast(kind, int(count))
    os._exit(0)  # the threads wait in their sockets


if __name__ == "__main__":
    main()
