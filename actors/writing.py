"""The task that writes what could not be written at once. What that is, frame_writer.py knows."""

import trio

from dogwatch.actors.frame_writer import FrameWriter
from dogwatch.actors.websocket import WebSocket

__all__ = ["keep_writing", "written"]


async def keep_writing(writer: FrameWriter, socket: WebSocket) -> None:
    """Write on `socket` what `writer` has, until the socket is lost."""
    while not socket.is_lost:
        if not writer.is_busy:
            writer.idle.wake()
            await writer.parking.wait()
        elif writer.failure is not None:
            socket.give_up(writer.failure)
        else:
            await _write(writer, socket)
    writer.idle.wake()


async def written(writer: FrameWriter, socket: WebSocket) -> None:
    """Until all that was to be written has been, or the socket is lost. Only one task may wait here."""
    if writer.is_busy and not socket.is_lost:
        await writer.idle.wait()


async def _write(writer: FrameWriter, socket: WebSocket) -> None:
    frames = writer.begin()
    try:
        await socket.send(frames)
    except trio.BrokenResourceError:
        pass  # told by the socket already, at the moment it happened
    finally:
        writer.finish()
