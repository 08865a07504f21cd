"""One message for a socket. Who writes it is in frame_writer.py."""

from typing import TypeAlias

import msgspec

__all__ = ["Tag", "Transmit"]

Tag: TypeAlias = int | str


class Transmit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send `payload` as one text message on the socket of `epoch`, or not at all. `tag` names it in `unsent`."""

    epoch: int
    payload: bytes
    tag: Tag
