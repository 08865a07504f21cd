"""WebSocket frames at speed: bytes in, batches of payloads out (RFC 6455, section 5).

A frame that is complete, unfragmented, uncompressed and unmasked is cut out of the received bytes right here. Every
other frame goes byte for byte to a delegate that knows the whole protocol (wsproto, in practice), and so does all that
follows a header that breaks a rule: the delegate alone decides what is an error. Handshakes and sockets are not here.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeGuard, TypeVar

from dogwatch.actors.spot.oversized import Oversized

__all__ = [
    "Arrival",
    "Delegate",
    "FrameReader",
    "MessagePart",
    "PeerClosing",
    "encode_pong_frame",
    "encode_text_frame",
]

FINAL: Final = 0x80
MASKED: Final = 0x80
RESERVED_BITS: Final = 0x70
CONTROL: Final = 0x08
CONTINUATION: Final = 0x00
TEXT: Final = 0x01
BINARY: Final = 0x02
PONG: Final = 0x0A
WHOLE_TEXT: Final = FINAL | TEXT
WHOLE_BINARY: Final = FINAL | BINARY
LENGTH_IN_2_BYTES: Final = 126
LENGTH_IN_8_BYTES: Final = 127
SHORT_LENGTH_MAX: Final = 125

SHAPES_KEPT: Final = 512
SIZE_KEPT_MAX: Final = 2048
"""Of how many frames up to which size the shape is remembered. Requests differ in size by a few bytes."""
from_bytes: Final = int.from_bytes

EventT = TypeVar("EventT")
EventT_co = TypeVar("EventT_co", covariant=True)


class Delegate(Protocol[EventT_co]):
    """What reads the uncommon frames. wsproto's connections are of this shape."""

    def receive_data(self, data: bytes, /) -> None: ...

    def events(self) -> Iterable[EventT_co]: ...


class MessagePart(Protocol):
    """An event of the delegate that carries a piece of a message, text or binary."""

    data: Any
    message_finished: bool


class PeerClosing(Protocol):
    """An event of the delegate after which nothing more is read: a close frame, or a broken rule and its close code."""

    code: int
    reason: str | None


# What a reader gives out: a run of payloads, an event of the delegate, or the end.
Arrival: TypeAlias = list[bytes] | EventT | Oversized


class FrameReader(Generic[EventT]):
    """Cuts received bytes into messages.

    Promises the same messages, events and errors in the same order as the delegate would give by itself, with two
    liberties that no peer can see: a message is given out whole and never in parts, so an error inside a text shows
    when its frame is complete; and text and binary messages both come as bytes (text has been checked to be UTF-8).
    """

    def __init__(self, delegate: Delegate[EventT], *, message_bytes_max: int) -> None:
        self._delegate = delegate
        self._message_bytes_max = message_bytes_max
        self._held: list[bytes] = []  # the beginning of a frame whose rest has not arrived
        self._held_bytes = 0
        self._needed_bytes = 0  # nothing can be done before so many are held
        self._delegated_bytes_left = 0  # the rest of the frame that the delegate is reading
        self._in_fragments = False
        self._surrendered = False  # the delegate reads all that follows
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._closed = False

    def receive(self, data: bytes | bytearray) -> list[Arrival[EventT]]:
        """Take what one `recv` gave; return what is complete now, in order.

        A run of messages is one list of payloads. Between the runs stand the delegate's other events (pings, pongs, the
        close) as the delegate made them. After a close, an error or `Oversized` everything is ignored.
        """
        items: list[Arrival[EventT]] = []
        if type(data) is not bytes:
            data = bytes(data)
        if self._held:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._needed_bytes:
                return items
            data = b"".join(self._held)
            self._held = []
        offset = 0
        end = len(data)
        while offset < end and not self._closed:
            if self._surrendered:
                self._delegate_bytes(data[offset:], items)
                return items
            if self._delegated_bytes_left:
                piece = data[offset : offset + self._delegated_bytes_left]
                self._delegated_bytes_left -= len(piece)
                offset += len(piece)
                self._delegate_bytes(piece, items)
                continue
            if not self._in_fragments:
                offset = self._cut(data, offset, end, items)
            if offset < end:
                needed = self._classify(data, offset, end, items)
                if needed:
                    self._hold(data[offset:], needed)
                    return items
        return items

    def _cut(self, data: bytes, offset: int, end: int, items: list[Arrival[EventT]]) -> int:
        """The fast path: take whole frames as long as there are any; return where it stopped."""
        payloads: list[bytes] = []
        append = payloads.append
        start_max = end - 2
        bytes_max = self._message_bytes_max
        while offset <= start_max:
            first = data[offset]
            if first != WHOLE_TEXT and first != WHOLE_BINARY:
                break
            length = data[offset + 1]
            start = offset + 2
            least = 0
            if length > SHORT_LENGTH_MAX:
                if length == LENGTH_IN_2_BYTES and start + 2 <= end:
                    length = data[start] << 8 | data[start + 1]
                    start += 2
                    least = 126
                elif length == LENGTH_IN_8_BYTES and start + 8 <= end:
                    length = int.from_bytes(data[start : start + 8])
                    start += 8
                    least = 0x10000
                else:
                    break
            stop = start + length
            if stop > end or length < least or length > bytes_max:
                break
            payload = data[start:stop]
            if first == WHOLE_TEXT and not payload.isascii() and not is_utf8(payload):
                break
            append(payload)
            offset = stop
        if payloads:
            items.append(payloads)
        return offset

    def _classify(self, data: bytes, offset: int, end: int, items: list[Arrival[EventT]]) -> int:
        """Decide about a frame that the fast path left alone. Returns how many bytes are needed first; 0: decided."""
        available = end - offset
        if available < 2:
            return 2
        first, second = data[offset], data[offset + 1]
        opcode = first & 0x0F
        final = first & FINAL
        out_of_turn = not opcode & CONTROL and (opcode == CONTINUATION) != self._in_fragments
        if out_of_turn or breaks_a_rule(first, second):
            self._surrendered = True
            return 0
        header, length = 2, second
        if second > SHORT_LENGTH_MAX:
            header = 4 if second == LENGTH_IN_2_BYTES else 10
            if available < header:
                return header
            length = int.from_bytes(data[offset + 2 : offset + header])
            if length <= (SHORT_LENGTH_MAX if header == 4 else 0xFFFF) or length >> 63:
                self._surrendered = True
                return 0
        if not opcode & CONTROL and self._parts_bytes + length > self._message_bytes_max:
            self._give_up(self._parts_bytes + length, items)
            return 0
        whole = header + length
        if final and opcode in (TEXT, BINARY) and not self._in_fragments and available < whole:
            return whole
        if not opcode & CONTROL:
            self._in_fragments = not final
        self._delegated_bytes_left = whole
        return 0

    def _hold(self, beginning: bytes, needed: int) -> None:
        self._held = [beginning]
        self._held_bytes = len(beginning)
        self._needed_bytes = needed

    def _delegate_bytes(self, data: bytes, items: list[Arrival[EventT]]) -> None:
        self._delegate.receive_data(data)
        for event in self._delegate.events():
            if is_message_part(event):
                self._collect(event, items)
            else:
                items.append(event)
                self._closed = is_peer_closing(event)
            if self._closed:
                return

    def _collect(self, part: MessagePart, items: list[Arrival[EventT]]) -> None:
        data = part.data.encode() if isinstance(part.data, str) else bytes(part.data)
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes > self._message_bytes_max:
            self._give_up(self._parts_bytes, items)
        elif part.message_finished:
            payload = b"".join(self._parts)
            self._parts = []
            self._parts_bytes = 0
            if items and isinstance(items[-1], list):
                items[-1].append(payload)
            else:
                items.append([payload])

    def _give_up(self, size_bytes: int, items: list[Arrival[EventT]]) -> None:
        self._closed = True
        self._parts = []
        items.append(Oversized(size_bytes=size_bytes, size_bytes_max=self._message_bytes_max))


def encode_text_frame(payload: bytes, masking_key: bytes) -> bytes:
    """The bytes of one whole text frame from a client (RFC 6455, 5.3). The key is 4 fresh unpredictable bytes."""
    return encode_frame(WHOLE_TEXT, payload, masking_key)


def encode_pong_frame(payload: bytes, masking_key: bytes) -> bytes:
    """The bytes of a pong frame from a client (RFC 6455, 5.5.3). A payload longer than 125 bytes is a ValueError."""
    if len(payload) > SHORT_LENGTH_MAX:
        raise ValueError(f"the payload of a pong has at most {SHORT_LENGTH_MAX} bytes, got {len(payload)}")
    return encode_frame(FINAL | PONG, payload, masking_key)


def encode_frame(first: int, payload: bytes, masking_key: bytes) -> bytes:
    """The bytes of one frame from a client whose first byte is `first`."""
    size = len(payload)
    header, ones = kept_shape_of(first, size) if size <= SIZE_KEPT_MAX else shape_of(first, size)
    # The key, repeated by one multiplication, and one exclusive-or of two big integers: half the time of repeating the
    # key as bytes, and far less than four passes over every fourth byte. What stands beyond the payload is cut off.
    masked = from_bytes(payload, "little") ^ from_bytes(masking_key, "little") * ones
    return header + masking_key + masked.to_bytes(size + 3, "little")[:size]


def shape_of(first: int, size: int) -> tuple[bytes, int]:
    """The header of a masked frame, and the number that repeats a key of 4 bytes over its payload."""
    if size <= SHORT_LENGTH_MAX:
        header = bytes((first, MASKED | size))
    elif size <= 0xFFFF:
        header = bytes((first, MASKED | LENGTH_IN_2_BYTES)) + size.to_bytes(2)
    else:
        header = bytes((first, MASKED | LENGTH_IN_8_BYTES)) + size.to_bytes(8)
    return header, from_bytes(b"\x01\0\0\0" * ((size + 3) // 4), "little")


kept_shape_of: Final = lru_cache(SHAPES_KEPT)(shape_of)


def is_message_part(event: object) -> TypeGuard[MessagePart]:
    return hasattr(event, "message_finished")


def is_peer_closing(event: object) -> TypeGuard[PeerClosing]:
    return hasattr(event, "code")


def is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def breaks_a_rule(first: int, second: int) -> bool:
    """Whether two bytes of a header suffice to leave the rest of the stream to the delegate: reserved bits, a mask, an
    unknown opcode, a control frame in fragments or of more than 125 bytes."""
    opcode = first & 0x0F
    if first & RESERVED_BITS or second & MASKED or opcode not in (CONTINUATION, TEXT, BINARY, 0x8, 0x9, PONG):
        return True
    return bool(opcode & CONTROL) and (not first & FINAL or second > SHORT_LENGTH_MAX)
