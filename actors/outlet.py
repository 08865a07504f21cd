"""The way out of a WebSocket as far as nobody waits: frames, and writing them at once. Waiting is in websocket.py."""

import os
import struct
from collections.abc import Callable, Iterator

import trio

from dogwatch.actors.spot.frames import encode_pong_frame, encode_text_frame

__all__ = ["Outlet"]

MASKING_KEYS_PER_DRAW = 1024


class Outlet:
    """Encodes, and writes by `send_now`, that of a stream that has one, while it is not `is_sending` in another way."""

    def __init__(self, send_now: Callable[[bytes], bool] | None, *, is_sending: Callable[[], bool]) -> None:
        self._send_now = send_now
        self._is_sending = is_sending
        self._keys: Iterator[tuple[bytes]] = iter(())
        self.has_rest = False
        """Whether the network has not taken all of what was given to `send_now` yet: `WebSocket.send` does the rest."""

    def text_frame(self, payload: bytes) -> bytes:
        """The bytes of one text message, masked with a fresh key."""
        return encode_text_frame(payload, self._fresh_key())

    def pong_frame(self, payload: bytes) -> bytes:
        """The bytes of one pong, masked with a fresh key."""
        return encode_pong_frame(payload, self._fresh_key())

    def send_now(self, frames: bytes) -> bool:
        """Write whole frames without waiting. False: that cannot be done now, and nothing of them was taken. True: they
        count as written, though perhaps not all of them has gone yet (`has_rest`).

        Raises trio.BrokenResourceError when the socket is of no use any more, and then nothing of them has gone. The
        socket does not know of it yet: `give_up` tells it.
        """
        stream_send_now = self._send_now
        if stream_send_now is None or self.has_rest or self._is_sending():
            return False
        try:
            self.has_rest = not stream_send_now(frames)
        except trio.BusyResourceError:
            return False  # the stream is writing something of its own
        except trio.ClosedResourceError as error:
            raise trio.BrokenResourceError from error
        return True

    def _fresh_key(self) -> bytes:
        for (key,) in self._keys:
            return key
        # Drawn from the system in blocks: one draw per message would cost more than the masking itself.
        self._keys = struct.iter_unpack("4s", os.urandom(4 * MASKING_KEYS_PER_DRAW))
        return self._fresh_key()
