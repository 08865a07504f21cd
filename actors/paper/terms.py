"""What the server and the venue behind it say to each other: values, and the protocols of both sides. No I/O.

server.py accepts and shakes hands, connection.py carries the bytes, gate.py decides what they mean.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from dogwatch.actors.paper.answers import Close
from dogwatch.actors.paper.faults import AcceptFault, HandshakeFault
from dogwatch.actors.paper.record import Attempt


class ConnectionRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the exchange treats a connection: times in seconds, sizes in bytes."""

    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    life_s_max: float = 24 * 3600.0
    queued_bytes_max: int = 4 << 20
    latency_s: float = 0.0


class ConnectionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection has seen. `pongs_matched` counts pongs that repeated the payload of a ping of ours."""

    target: str
    is_open: bool
    pings_sent: int
    pongs_matched: int
    messages_in: int
    messages_out: int
    queued_bytes: int
    closed_because: str


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """The handshake is refused with this HTTP status and JSON body."""

    status: int
    body: bytes
    retry_after_s: int | None = None


class Link(Protocol):
    """A connection as the venue sees it. No call waits."""

    def deliver(self, payload: bytes) -> None:
        """Send an answer."""

    def tell(self, payload: bytes) -> None:
        """Send an event."""

    def close(self, close: Close) -> None: ...

    # How it fails on purpose.

    def cut(self) -> None: ...
    def vanish(self) -> None: ...
    def stop_reading(self) -> None: ...
    def stop_sending(self) -> None: ...
    def stall(self, for_s: float, then: Callable[[], None] | None = None) -> None: ...
    def lose(self, for_s: float, *, answers: bool, events: bool) -> None: ...
    def stop_pings(self, *, for_s: float = 0.0, count: int = 0) -> None: ...


class Client(Protocol):
    """What stands behind a connection. Replies and events go out through the link it was opened with."""

    def receive(self, message: str) -> None: ...
    def receive_control(self) -> None:
        """A ping or a pong came in."""

    def closed(self) -> None: ...


class Venue(Protocol):
    """Decides who is let in, and what a handshake's target leads to. Asked in this order, once for each attempt."""

    def accept(self, address: str, port: int) -> tuple[Attempt, AcceptFault | None]:
        """Somebody has connected to this port."""
        ...

    def knock(self, attempt: Attempt) -> Rejection | HandshakeFault | None:
        """The handshake has come, its target is known: may it go on?"""
        ...

    def open(self, attempt: Attempt, link: Link) -> Client | Rejection:
        """What stands behind the target."""
        ...
