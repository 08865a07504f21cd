"""The results of general requests: that it worked, and what time it is. exchangeInfo has a file of its own, and
executionRules too."""

import msgspec

from dogwatch.actors.spot.wire_names import wire_names


class Empty(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`{}`: it worked and there is nothing to say (ping, userDataStream.unsubscribe)."""


class ServerTime(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """The server's clock (time)."""

    server_time_ms: int
