"""Frames from a client, read fast: a whole text message in one masked frame is unmasked here, all else by wsproto.

wsproto gets every other frame whole, so it always stands at the start of a frame; from the first fragment on it gets
everything. What comes out is what wsproto alone would say (RFC 6455, 5.2 and 5.3).
"""

from collections.abc import Iterator

from wsproto import WSConnection
from wsproto.events import Event

MASK_BYTES = 4

# The first two bytes of a frame.
_FINAL = 0x80
_FINAL_TEXT = 0x81
_MASKED = 0x80
_SIZE = 0x7F
_SIZE_IN_2_BYTES = 126
_SIZE_IN_8_BYTES = 127


class FrameIntake:
    """Turns received bytes into messages (`str`) and, for all that is no plain message, into wsproto's events."""

    def __init__(self, websocket: WSConnection) -> None:
        self._websocket = websocket
        self._rest = b""
        self._leaves_all_to_wsproto = False

    def take(self, data: bytes) -> Iterator[str | Event]:
        """What these bytes complete, in order. Iterate to the end before the next call."""
        data = self._rest + data
        start, size = 0, len(data)
        while not self._leaves_all_to_wsproto and size - start >= 2:
            if _is_for_wsproto_alone(data, start):
                self._leaves_all_to_wsproto = True
                break
            end = _end_of_frame(data, start)
            if end is None:
                break
            message = _text(data, start, end) if data[start] == _FINAL_TEXT else None
            if message is None:
                yield from self._delegate(data[start:end])
            else:
                yield message
            start = end
        self._rest = data[start:]
        if self._leaves_all_to_wsproto:
            self._rest = b""
            yield from self._delegate(data[start:])

    def _delegate(self, data: bytes) -> Iterator[Event]:
        self._websocket.receive_data(data)
        yield from self._websocket.events()


def _is_for_wsproto_alone(data: bytes, start: int) -> bool:
    """A fragment, a frame without a mask, or one of 64 KiB and more."""
    second = data[start + 1]
    return not data[start] & _FINAL or not second & _MASKED or second & _SIZE == _SIZE_IN_8_BYTES


def _end_of_frame(data: bytes, start: int) -> int | None:
    """None while the frame is incomplete."""
    size = data[start + 1] & _SIZE
    body = start + 2 + MASK_BYTES
    if size == _SIZE_IN_2_BYTES:
        if len(data) < start + 4:
            return None
        size = int.from_bytes(data[start + 2 : start + 4])
        body += 2
    return body + size if body + size <= len(data) else None


def _text(data: bytes, start: int, end: int) -> str | None:
    """The message of a whole text frame; None for what wsproto has to refuse: no UTF-8, a size in too many bytes."""
    is_long = data[start + 1] & _SIZE == _SIZE_IN_2_BYTES
    body = start + 2 + MASK_BYTES + (2 if is_long else 0)
    size = end - body
    if is_long and size < _SIZE_IN_2_BYTES:
        return None
    mask = data[body - MASK_BYTES : body]
    pattern = (mask * (size // MASK_BYTES + 1))[:size]
    plain = int.from_bytes(data[body:end]) ^ int.from_bytes(pattern)
    try:
        return plain.to_bytes(size).decode()
    except UnicodeDecodeError:
        return None
