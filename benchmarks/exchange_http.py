"""As much of HTTP as the benchmarks' exchange needs: opening handshakes, and questions that clients ask over REST."""

from typing import NamedTuple

from exchange_wire import TlsWire, Wire


class HttpRequest(NamedTuple):
    """Its path with the query, and the key of a WebSocket's handshake if it is one."""

    path: str
    key: bytes | None


class Http:
    """Reads requests without a body, one after another, and answers them with JSON."""

    def __init__(self, wire: Wire | TlsWire) -> None:
        self._wire = wire
        self._data = b""

    def read(self) -> HttpRequest | None:
        """The next request; None when the connection has ended."""
        while b"\r\n\r\n" not in self._data:
            received = self._wire.receive()
            if not received:
                return None
            self._data += received
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        return HttpRequest(first.split()[1].decode(), fields.get(b"sec-websocket-key"))

    def answer(self, text: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
        self._wire.send(head + text)
