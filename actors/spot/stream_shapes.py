"""The members that tell apart what comes on a market stream connection (WebSocket Streams)."""

import msgspec

from dogwatch.actors.spot.errors import ExchangeError


class FrameShape(msgspec.Struct, frozen=True, kw_only=True):
    """Of a frame: an event, an answer, or a wrapper of one. An error stands in `error`, or flat in `code` and `msg`."""

    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: ExchangeError | None = None
    code: int | None = None
    msg: str = ""
    stream: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class EventShape(msgspec.Struct, frozen=True, kw_only=True, rename={"last_update_id": "lastUpdateId"}):
    """Of an event: its type, and what those without one have."""

    e: str = ""
    u: int | None = None
    last_update_id: int | None = None
