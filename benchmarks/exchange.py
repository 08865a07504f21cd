"""The exchange's end of all benchmarks, in a process and on a core of its own: it accepts, answers, and blasts events.

Blocking sockets, a thread for each connection and ready-made bytes, so that it is never what is measured; what it
costs is reported all the same. `python benchmarks/exchange.py [CERTIFICATE.pem]` prints two ports, for clients and for
control, and ends when stdin does. Clients speak WebSocket (requests and streams alike) or ask by HTTP.

Control is one JSON object a line, each answered by one line: `{"do": "reset"}` begins anew for the next client,
`{"do": "listens", "kind": …}` tells whether somebody listens to such events,
`{"do": "prepare", "kind": …, "count": …, "order": …}` makes events and tells the number of the last one,
`{"do": "go"}` sends them (not answered) on the newest connection that listens to their kind,
`{"do": "flow", "kind": …, "rate": …, "seconds": …}` sends so many a second from now on, `"pings"` a second
among them, `{"do": "pongs"}` tells how long the pongs took in µs, and `{"do": "usage"}` the process's CPU seconds and
how many requests it has answered.
"""

import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from exchange_http import Http
from exchange_texts import Answers, events
from exchange_wire import CLOSE, PING, PONG, TEXT, TlsWire, Wire, accept_key, frame_of, text_frame, unmasked

TICK_S = 0.001
DRIP_S = 0.02
"""How often the depth of the market changes while clients build their books."""


STREAM = {"fills": "user", "balances": "user", "quotes": "bookTicker", "trades": "trade", "depth": "depth"}
"""What is part of the names of the streams that bring each kind."""


class State:
    """What all connections share: who listens to what, and where the market's depth is."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.numbers = dict.fromkeys(STREAM, 0)
        """The number of the latest event of each kind."""
        self.drips = True
        self.pongs_us: list[float] = []

    def listener(self, kind: str) -> "Connection | None":
        """The newest connection that listens to events of a kind."""
        for connection in reversed(self.connections):
            if not connection.is_done and connection.stream(kind):
                return connection
        return None

    def reset(self) -> None:
        """Begin anew, for the next client."""
        self.connections = [connection for connection in self.connections if not connection.is_done]
        self.numbers = dict.fromkeys(self.numbers, 0)
        self.drips = True

    def next_number(self, kind: str, count: int) -> int:
        """The number of the first of so many new events."""
        first = self.numbers[kind] + 1
        self.numbers[kind] += count
        return first

    def drip(self) -> None:
        """Let the depth change now and then, for those who build a book before they are measured."""
        while True:
            time.sleep(DRIP_S)
            for connection in tuple(self.connections):
                if self.drips and not connection.is_done and any("depth" in name for name in connection.streams):
                    connection.send(connection.framed("depth", events("depth", 1, self.next_number("depth", 1))))


class Connection:
    """One connection, served by one thread."""

    def __init__(self, wire: Wire | TlsWire, state: State) -> None:
        self._wire = wire
        self._state = state
        self._rest = b""
        self._answers = Answers(self._subscribe, lambda: self.streams, lambda: state.numbers["depth"])
        self.streams: set[str] = set()
        self.is_wrapped = False
        self.is_done = False

    @property
    def answered(self) -> int:
        return self._answers.count

    @property
    def resting_id(self) -> int:
        return self._answers.resting_id

    def serve(self) -> None:
        try:
            if self._accept():
                while data := self._wire.receive():
                    self._take(self._rest + data if self._rest else data)
        except (OSError, ssl.SSLError):
            pass  # the client has gone, which is how every benchmark ends
        finally:
            self.is_done = True
            self._wire.close()

    def framed(self, kind: str, texts: list[bytes]) -> bytes:
        """Frames as this connection's path wants them: market data in an envelope, or without."""
        if kind in ("fills", "balances") or not self.is_wrapped:
            return b"".join(map(text_frame, texts))
        head = b'{"stream":"%s","data":' % self.stream(kind).encode()
        return b"".join([text_frame(head + text + b"}") for text in texts])

    def stream(self, kind: str) -> str:
        """Of what this connection listens to, that which brings events of a kind; "" without any."""
        return next((name for name in self.streams if STREAM[kind] in name), "")

    def send(self, data: bytes) -> None:
        self._wire.send(data)

    def _accept(self) -> bool:
        """Whether it has become a WebSocket; questions by HTTP are answered until the connection ends."""
        http = Http(self._wire)
        while (request := http.read()) is not None:
            if request.key is not None:
                self._wire.send(accept_key(request.key))
                path, _, query = request.path.partition("?")
                self.is_wrapped = path.endswith("/stream")
                self._subscribe([*query.removeprefix("streams=").split("/"), path.rpartition("/")[2]])
                return True
            http.answer(self._answers.to_question(request.path))
        return False

    def _subscribe(self, streams: list[str]) -> None:
        self.streams.update(stream for stream in streams if "@" in stream or stream == "user")

    def _take(self, data: bytes) -> None:
        """Answer the whole frames, all in one send; keep the rest."""
        out: list[bytes] = []
        offset, size = 0, len(data)
        while size - offset >= 6:
            length = data[offset + 1] & 0x7F
            start = offset + 6
            if length == 126:
                length = data[offset + 2] << 8 | data[offset + 3]
                start += 2
            end = start + length
            if end > size:
                break
            kind, key, payload = data[offset], data[start - 4 : start], data[start:end]
            offset = end
            if kind == TEXT:
                self._answers.to_request(unmasked(payload, key), out)
            else:
                self._control(kind, unmasked(payload, key), out)
        self._rest = data[offset:]
        if out:
            self._wire.send(b"".join(out))

    def _control(self, kind: int, payload: bytes, out: list[bytes]) -> None:
        if kind == CLOSE:
            self._wire.send(frame_of(CLOSE, payload))
            raise ConnectionAbortedError
        if kind == PING:
            out.append(frame_of(PONG, payload))
        elif kind == PONG and payload:
            self._state.pongs_us.append((time.perf_counter_ns() - int(payload)) / 1000)


class Control:
    """What the benchmark's processes have the exchange do."""

    def __init__(self, connection: socket.socket, state: State) -> None:
        self._socket = connection
        self._state = state
        self._ready: Callable[[], None] = lambda: None

    def serve(self) -> None:
        with self._socket, self._socket.makefile("rw") as lines:
            for line in lines:
                answer = self._do(json.loads(line))
                if answer is not None:
                    lines.write(json.dumps(answer) + "\n")
                    lines.flush()

    def _do(self, wish: dict[str, Any]) -> Any:
        match wish["do"]:
            case "reset":
                self._state.reset()
                return "reset"
            case "listens":
                return self._state.listener(wish["kind"]) is not None
            case "prepare":
                self._ready = self._prepare(wish["kind"], wish["count"], wish.get("order", ""))
                return self._state.numbers[wish["kind"]]
            case "go":
                self._ready()
                return None
            case "flow":
                threading.Thread(target=self._flow, kwargs=wish, daemon=True).start()
                return "flowing"
            case "pongs":
                pongs, self._state.pongs_us = self._state.pongs_us, []
                return pongs
            case "usage":
                answered = sum(connection.answered for connection in self._state.connections)
                return {"cpu_s": time.process_time(), "answered": answered}
            case other:
                raise ValueError(other)

    def _listener(self, kind: str) -> Connection:
        """Waits until there is one. A client that has to do something for it asks for `listens` first."""
        while (connection := self._state.listener(kind)) is None:
            time.sleep(TICK_S)
        return connection

    def _prepare(self, kind: str, count: int, order: str) -> Callable[[], None]:
        connection = self._listener(kind)
        self._stop_drip(kind)
        first = self._state.next_number(kind, count)
        data = connection.framed(kind, events(kind, count, first, order, connection.resting_id))
        return lambda: connection.send(data)

    def _stop_drip(self, kind: str) -> None:
        if kind == "depth":
            self._state.drips = False
            time.sleep(2 * DRIP_S)

    def _flow(self, kind: str, rate: int, seconds: float, pings: int = 0, **_: object) -> None:
        """So many events a second, a burst every millisecond."""
        connection = self._listener(kind)
        self._stop_drip(kind)
        a_burst = max(1, round(rate * TICK_S))
        pieces = [
            connection.framed(kind, events(kind, a_burst, self._state.next_number(kind, a_burst)))
            for _ in range(round(seconds / TICK_S))
        ]
        every = round(1 / TICK_S / pings) if pings else len(pieces) + 1
        begun = time.perf_counter()
        for number, piece in enumerate(pieces):
            data = piece
            if (number + 1) % every == 0:
                data += frame_of(PING, b"%d" % time.perf_counter_ns())
            try:
                connection.send(data)
            except OSError:
                return  # the client has what it wanted
            time.sleep(max(0.0, begun + (number + 1) * TICK_S - time.perf_counter()))


def listen(serve: Callable[[socket.socket], Callable[[], None]]) -> int:
    """Accept for ever, in a thread, and serve each connection in one of its own. Returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve(connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    state = State()

    def a_client(accepted: socket.socket) -> Callable[[], None]:
        connection = Connection(Wire(accepted) if context is None else TlsWire(accepted, context), state)
        state.connections.append(connection)
        return connection.serve

    threading.Thread(target=state.drip, daemon=True).start()
    print(listen(a_client), listen(lambda accepted: Control(accepted, state).serve), flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads wait in their sockets


if __name__ == "__main__":
    main()
