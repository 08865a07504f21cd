"""A request on its way out that carries a new order."""

import msgspec

from dogwatch.actors.session_messages import Call


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request with a new order called `name`, of use until `deadline_s`. `replaces`: the order that it cancels."""

    name: str
    call: Call
    deadline_s: float
    replaces: str | None = None
