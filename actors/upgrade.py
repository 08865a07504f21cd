"""From a byte stream to a WebSocket: asks for the upgrade, and says why there is none. The only client file that knows
trio-websocket. What is spoken afterwards is in websocket.py.
"""

from typing import cast

import trio
import trio_websocket
from trio.abc import Stream
from wsproto.utilities import RemoteProtocolError

from dogwatch.actors.connect_errors import NO_WEBSOCKET_HINT, HandshakeRefused, refused_with
from dogwatch.actors.spot.retry_after import retry_after_s

__all__ = ["upgrade"]

RESPONSE_HEAD_BYTES_MAX = 65_536
REFUSAL_TEXT_MAX = 200
END_OF_HEAD = b"\r\n\r\n"


async def upgrade(stream: Stream, *, host: str, resource: str) -> bytes:
    """Have the server accept a WebSocket on `stream`. Returns what it has sent behind its answer already.

    Raises HandshakeRefused when it does not accept.
    """
    threshold = Threshold(stream)
    refusals: list[HandshakeRefused] = []
    try:
        async with trio.open_nursery() as nursery:
            any_stream = cast("trio.SocketStream", threshold)  # any will do, whatever the annotation says
            await trio_websocket.wrap_client_stream(nursery, any_stream, host, resource)
            nursery.cancel_scope.cancel()  # the library reads no further
    except* Exception as group:  # noqa: BLE001 - whatever the library trips over, there is no WebSocket
        refusals = [refusal(error, threshold.head) for error in leaf_errors(group)]
    if refusals:
        raise refusals[0]
    return threshold.beyond


class NoAnswer(Exception):
    """The stream ended before the upgrade was answered. Not one of Trio's errors: on those the library waits on."""


class Threshold(Stream):
    """The stream below the library, which is shown what the server answers, and nothing beyond the head of a 101."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_crossed = False
        self.head = bytearray()
        """What the server has answered."""
        self.beyond = b""
        """What came together with the end of the head, and is no part of it."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._is_crossed:
            await trio.sleep_forever()
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise NoAnswer from error
        before = len(self.head)
        self.head += data
        if not data or before > RESPONSE_HEAD_BYTES_MAX:
            raise NoAnswer
        end = self.head.find(END_OF_HEAD, max(0, before - len(END_OF_HEAD) + 1))
        if end < 0 or status_of(self.head) != 101:
            return data
        passed = end + len(END_OF_HEAD) - before
        self._is_crossed = True
        self.beyond = bytes(data[passed:])
        return data[:passed]

    async def aclose(self) -> None:
        await self._stream.aclose()


def leaf_errors(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaf_errors(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def status_of(head: bytes | bytearray) -> int:
    """The status of an HTTP/1 response that begins like this, 0 when it is none."""
    digits = bytes(head[9:12])
    return int(digits) if head.startswith(b"HTTP/1.") and digits.isdigit() else 0


def refusal(error: BaseException, head: bytes | bytearray) -> HandshakeRefused:
    """Why there is no WebSocket: from the library's error and what the server has answered so far."""
    status, text = status_of(head), ""
    if isinstance(error, trio_websocket.ConnectionRejected):
        status = error.status_code
        text = " ".join(bytes(error.body or b"").decode(errors="replace").split())[:REFUSAL_TEXT_MAX]
    if status not in (0, 101):
        fields = header_fields(head)
        return refused_with(status, text, retry_after_s(fields.get("retry-after"), date=fields.get("date")))
    if isinstance(error, NoAnswer):
        return HandshakeRefused(
            "the server ended the connection instead of answering the upgrade",
            hint="check that this port serves WebSocket, and whether it expects TLS",
        )
    return HandshakeRefused(
        f"the answer to the upgrade is not a WebSocket's: {what_was_bad(error)}", hint=NO_WEBSOCKET_HINT
    )


def header_fields(head: bytes | bytearray) -> dict[str, str]:
    """The fields of an HTTP/1 response that begins like this, by their names in lower case."""
    lines = bytes(head).partition(END_OF_HEAD)[0].decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def what_was_bad(error: BaseException) -> str:
    """The library trips over its own answer to a bad response; what was bad is further up the chain."""
    origin: BaseException | None = error
    while origin is not None and not isinstance(origin, RemoteProtocolError):
        origin = origin.__context__
    return str(origin or error)
