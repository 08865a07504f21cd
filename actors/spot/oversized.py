"""What a reader of frames says of a message that is too large (`frames.py`)."""

import msgspec

__all__ = ["Oversized"]


class Oversized(msgspec.Struct, frozen=True, kw_only=True):
    """A message was larger than the reader allows. Nothing is read after it; close with code 1009."""

    size_bytes: int
    size_bytes_max: int
