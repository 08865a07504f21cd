"""How a connection is broken on purpose: what each fault of connections does to it (faults.py tells what they mean)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from dogwatch.actors.paper.answers import Close
from dogwatch.actors.paper.faults import (
    ConnectionFault,
    Cut,
    Door,
    EndSubscriptions,
    HalfClose,
    HalfOpen,
    NoData,
    NoPings,
    Shape,
    ShutDown,
    SkipPings,
    Stall,
)
from dogwatch.actors.paper.record import Logbook
from dogwatch.actors.paper.terms import Link
from dogwatch.runtime.clock import Clock

SHUT_DOWN = Close(code=1001, reason="The server shuts down")
SHUT_DOWN_STREAM = "!serverShutdown"

Later = Callable[[float, Callable[[], None]], None]
"""`later(delay_s, act)` calls `act` in so many seconds."""

_encode = msgspec.json.Encoder().encode


class Breakable(Protocol):
    """A connection that has been let in."""

    @property
    def link(self) -> Link: ...
    @property
    def logbook(self) -> Logbook: ...
    @property
    def to(self) -> Door: ...
    @property
    def shape(self) -> Shape:
        """How a notice that belongs to no request looks on it."""
        ...

    @property
    def is_logged_on(self) -> bool: ...
    @property
    def is_subscribed(self) -> bool: ...
    def end_subscriptions(self, *, is_told: bool) -> None: ...


def facts_of(connection: Breakable) -> Mapping[str, Any]:
    """What is known of a connection."""
    log = connection.logbook.log
    return {
        "number": log.number,
        "to": log.to,
        "target": log.target,
        "address": log.address,
        "port": log.port,
        "is_logged_on": connection.is_logged_on,
        "is_subscribed": connection.is_subscribed,
    }


def break_connection(fault: ConnectionFault, connection: Breakable, clock: Clock, later: Later) -> None:
    """Let this happen to a connection now."""
    link = connection.link
    match fault:
        case Cut():
            link.cut()
        case HalfOpen():
            link.vanish()
        case HalfClose(way="in"):
            link.stop_reading()
        case HalfClose():
            link.stop_sending()
        case EndSubscriptions():
            connection.end_subscriptions(is_told=fault.is_told)
        case ShutDown():
            link.tell(_shutdown_notice(fault.shape or connection.shape, clock.unix_ms()))
            if fault.ending != "none":
                later(fault.notice_s, partial(link.close, SHUT_DOWN) if fault.ending == "close" else link.cut)
        case _:
            _hush(fault, link)


def _hush(fault: ConnectionFault, link: Link) -> None:
    match fault:
        case Stall():
            link.stall(fault.for_s)
        case NoData():
            link.lose(fault.for_s, answers=fault.what != "events", events=fault.what != "answers")
        case NoPings():
            link.stop_pings(for_s=fault.for_s)
        case SkipPings():
            link.stop_pings(count=fault.count)


def is_dead_after(fault: ConnectionFault) -> bool:
    """Whether a request that comes after it is never read."""
    return isinstance(fault, Cut | HalfOpen) or (isinstance(fault, HalfClose) and fault.way == "in")


def _shutdown_notice(shape: Shape, now_ms: int) -> bytes:
    """WebSocket API, "Connection events"; WebSocket Streams, "Server Shutdown"."""
    event = {"e": "serverShutdown", "E": now_ms}
    match shape:
        case "api":
            return _encode({"event": event})
        case "combined":
            return _encode({"stream": SHUT_DOWN_STREAM, "data": event})
        case _:
            return _encode(event)
