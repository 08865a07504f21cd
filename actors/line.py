"""A line: one place for a socket, which a connection keeps open as long as it is wanted. A link has two of them."""

from typing import NamedTuple

from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.runtime.ref import ActorRef

__all__ = ["Line"]


class Line(NamedTuple):
    """Where to say what is to be sent, and what to listen to."""

    name: str
    connection: ActorRef[Connection]
    topics: ConnectionTopics
