"""The body of an HTTP answer as it comes in, decompressed on the way, and no longer than it may be."""

import zlib
from zlib import MAX_WBITS

from dogwatch.actors.spot.errors import OutcomeUnknown

__all__ = ["ACCEPTED", "Body"]

ACCEPTED = "gzip"
"""What may be sent: the value of Accept-Encoding."""
BYTES_MAX = 64 * 2**20
"""More than all that the exchange has on record of its symbols. An answer that is longer is none."""
_GZIP = 16
"""Added to the window size: the format of RFC 1952."""


class Body:
    """Begun with the answer's Content-Encoding. A small body that would grow without end does not: see BYTES_MAX."""

    def __init__(self, encoding: str) -> None:
        self._content = bytearray()
        self._problem = ""
        self._gunzip = None
        if encoding.strip().lower() in ("gzip", "x-gzip"):
            self._gunzip = zlib.decompressobj(MAX_WBITS + _GZIP)
        elif encoding.strip().lower() not in ("", "identity"):
            self._problem = f"it is encoded as {encoding[:40]!r}, and only {ACCEPTED} was accepted"

    def take(self, part: bytes) -> bool:
        """Add what has come. False: no more is wanted, it cannot be read."""
        if self._problem:
            return False
        room = BYTES_MAX + 1 - len(self._content)
        try:
            self._content += part if self._gunzip is None else self._gunzip.decompress(part, room)
        except zlib.error:
            self._problem = "it is damaged"
        if len(self._content) > BYTES_MAX:
            self._problem = f"it is longer than {BYTES_MAX} bytes"
        return not self._problem

    def whole(self) -> bytes:
        """All of it, decompressed. Raises OutcomeUnknown for what cannot be read."""
        if not self._problem and self._gunzip is not None and self._content and not self._gunzip.eof:
            self._problem = "it is cut off"
        if self._problem:
            raise OutcomeUnknown(f"the answer cannot be read: {self._problem}")
        return bytes(self._content)
