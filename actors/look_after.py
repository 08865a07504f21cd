"""A wish to look again at what is wanted: what those who serve a changing set of streams or books are told."""

from typing import Any

from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Message
from dogwatch.runtime.ref import ActorRef

__all__ = ["LOOK_LANE", "LookAfter", "look_soon"]


class LookAfter(Message, frozen=True, kw_only=True):
    """What is wanted may have changed."""


LOOK_LANE = Lane("messages", accepts=(LookAfter,), capacity=8, conflate_by=type)


def look_soon(ref: ActorRef[Any]) -> None:
    """Have an actor look, if it still can: a loop that ends after the tree has ended must not fail for it."""
    ref.mailbox.offer(LookAfter())
