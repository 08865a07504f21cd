"""A WebSocket server for tests that does exactly what it is told, byte by byte, on any stream."""

from typing import Any

import msgspec
import trio
from trio.abc import Stream
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)


class FakeServer:
    """One server-side connection. Nothing happens by itself: no pong, no answer to a close."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.request: Request | None = None
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._events: list[Event] = []
        self._text = ""

    async def accept(self, *, together_with: bytes = b"") -> None:
        """Read the upgrade and accept it; `together_with` follows the head in the same segment."""
        await self.read_request()
        await self.stream.send_all(self._protocol.send(AcceptConnection()) + together_with)

    async def refuse(self, status: int, *, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Read the upgrade and answer it with an HTTP status instead."""
        await self.read_request()
        sent_headers = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        if body:
            sent_headers.append((b"content-length", str(len(body)).encode()))
        data = self._protocol.send(RejectConnection(status_code=status, headers=sent_headers, has_body=bool(body)))
        if body:
            data += self._protocol.send(RejectData(data=body))
        await self.stream.send_all(data)

    async def read_request(self) -> None:
        event = await self.next_event()
        assert isinstance(event, Request)
        self.request = event

    def bytes_of(self, event: Event) -> bytes:
        """What this event looks like on the wire."""
        return bytes(self._protocol.send(event))

    async def send(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(map(self.bytes_of, events)))

    async def send_text(self, text: str) -> None:
        await self.send(TextMessage(data=text))

    async def send_json(self, value: Any) -> None:
        await self.send_text(msgspec.json.encode(value).decode())

    async def ping(self, payload: bytes = b"") -> None:
        await self.send(Ping(payload=payload))

    async def next_event(self) -> Event:
        """The next event from the client. EndOfChannel when the client has gone."""
        while not self._events:
            data = await self.stream.receive_some()
            if not data:
                raise trio.EndOfChannel
            self._protocol.receive_data(bytes(data))
            self._events.extend(self._protocol.events())
        return self._events.pop(0)

    async def next_text(self) -> str:
        text = ""
        while True:
            event = await self.next_event()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return text

    async def next_request(self) -> dict[str, Any]:
        """The next message, which must be a JSON object."""
        request: dict[str, Any] = msgspec.json.decode(await self.next_text())
        return request

    async def answer(self, request: dict[str, Any], result: Any = None, *, status: int = 200, **error: Any) -> None:
        """Answer a request of the WebSocket API: a result, or an error given as code= and msg=."""
        outcome = {"error": error} if error else {"result": {} if result is None else result}
        await self.send_json({"id": request["id"], "status": status, **outcome})

    async def next_pong(self) -> bytes:
        event = await self.next_event()
        assert isinstance(event, Pong), event
        return bytes(event.payload)

    async def next_close(self) -> tuple[int, str | None]:
        event = await self.next_event()
        assert isinstance(event, CloseConnection), event
        return event.code, event.reason

    async def answer_close(self) -> None:
        """Wait for the client's close frame and complete the handshake."""
        event = await self.next_event()
        assert isinstance(event, CloseConnection), event
        await self.send(event.response())
        await self.stream.aclose()
