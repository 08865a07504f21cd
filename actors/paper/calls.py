"""What passes between the envelope (protocol.py) and the methods (handlers.py). Only values."""

from collections.abc import Callable
from typing import Any

import msgspec

from dogwatch.actors.paper.sessions import Session


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that passed every check of the envelope. `account` is empty for public methods."""

    session: Session
    params: dict[str, Any]
    account: str
    now_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A method's result, and what the client is told before the reply (ended subscriptions).

    `is_charged`: this success costs its weight although successes of the method may be free.
    """

    result: Any
    before: tuple[bytes, ...] = ()
    is_charged: bool = False


Handler = Callable[[Call], Outcome]
