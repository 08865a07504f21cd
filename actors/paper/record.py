"""What the exchange remembers of its own doings, so that a proof need not take the client's word. Pure.

Every account event with its place in the stream, every attempt to connect, every connection with the times in which it
was logged on and subscribed, every request with what it cost. Times are seconds of Trio's clock: they do not jump when
the exchange's clock does.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, Literal

import msgspec

KEPT_MAX = 10_000
NO_CONNECTION = -1
"""The number of the connection that REST requests come by."""

Standing = Literal["logged_on", "subscribed"]


class ToldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An account event. `position` counts all of them from 0, in the order in which they happened; faults come later.

    `heard_by`: the numbers of the connections that were subscribed to events of the account then.
    """

    position: int
    at_s: float
    account: str
    event: Mapping[str, Any]
    heard_by: tuple[int, ...]


class Span(msgspec.Struct, kw_only=True):
    """A time in which something was so for an account; `until_s` is None while it is. `name`: the subscription's id."""

    from_s: float
    account: str
    name: int = 0
    until_s: float | None = None


class Attempt(msgspec.Struct, kw_only=True):
    """A connection that was accepted. `status` is what its handshake was answered with: 101 let it in, 0 is no answer
    (yet). `connection` is its number if it was let in.
    """

    at_s: float
    address: str
    port: int
    target: str = ""
    status: int = 0
    connection: int | None = None


class ConnectionLog(msgspec.Struct, kw_only=True):
    """A connection that was let in: `number` counts them from 0; `to` is "api" or "market"."""

    number: int
    to: str
    target: str
    address: str
    port: int
    opened_s: float
    closed_s: float | None = None
    logged_on: list[Span] = []
    subscribed: list[Span] = []

    @property
    def is_open(self) -> bool:
        return self.closed_s is None


class RequestLog(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was answered. `connection` is -1 for REST, `code` that of its error, 0 for a success; `weight`
    what it was charged; `account` whose it was, empty for public ones and those that were turned away before.
    """

    at_s: float
    connection: int
    address: str
    account: str
    method: str
    status: int
    code: int
    weight: int


class Record:
    """The newest of everything; `keep` decides how many. `told`, `requested` and `attempted` count them all."""

    def __init__(self, *, now_s: Callable[[], float], kept_max: int = KEPT_MAX) -> None:
        self.now_s = now_s
        self._numbers = count()
        self.told = self.requested = self.attempted = 0
        self._events: deque[ToldEvent] = deque(maxlen=kept_max)
        self._requests: deque[RequestLog] = deque(maxlen=kept_max)
        self._attempts: deque[Attempt] = deque(maxlen=kept_max)
        self._connections: deque[ConnectionLog] = deque(maxlen=kept_max)

    def keep(self, kept_max: int) -> None:
        """Keep so many of each kind from now on."""
        self._events = deque(self._events, maxlen=kept_max)
        self._requests = deque(self._requests, maxlen=kept_max)
        self._attempts = deque(self._attempts, maxlen=kept_max)
        self._connections = deque(self._connections, maxlen=kept_max)

    @property
    def events(self) -> list[ToldEvent]:
        """Account events, oldest first."""
        return list(self._events)

    @property
    def requests(self) -> list[RequestLog]:
        """Requests, oldest first."""
        return list(self._requests)

    @property
    def attempts(self) -> list[Attempt]:
        """Accepted connections, oldest first."""
        return list(self._attempts)

    @property
    def connections(self) -> list[ConnectionLog]:
        """Connections that were let in, oldest first."""
        return list(self._connections)

    def away(
        self, account: str, since_s: float, until_s: float, *, what: Standing = "logged_on"
    ) -> list[tuple[float, float]]:
        """The times between these two in which no connection was logged on for the account, or none was subscribed.

        A connection that takes over in the very moment leaves no gap.
        """
        spans = [
            (span.from_s, until_s if span.until_s is None else span.until_s)
            for log in self._connections
            for span in (log.logged_on if what == "logged_on" else log.subscribed)
            if span.account == account
        ]
        return _gaps(spans, since_s, until_s)

    # For the exchange itself.

    def accepted(self, address: str, port: int) -> Attempt:
        attempt = Attempt(at_s=self.now_s(), address=address, port=port)
        self.attempted += 1
        self._attempts.append(attempt)
        return attempt

    def opened(self, attempt: Attempt, to: str) -> "Logbook":
        """The log of a connection that is let in."""
        log = ConnectionLog(
            number=next(self._numbers),
            to=to,
            target=attempt.target,
            address=attempt.address,
            port=attempt.port,
            opened_s=self.now_s(),
        )
        attempt.connection = log.number
        self._connections.append(log)
        return Logbook(self, log)

    def visited(self, address: str, port: int, target: str) -> "Logbook":
        """The log of a REST request: its connection is not remembered."""
        log = ConnectionLog(
            number=NO_CONNECTION, to="rest", target=target, address=address, port=port, opened_s=self.now_s()
        )
        return Logbook(self, log)

    def happened(self, account: str, event: Mapping[str, Any], heard_by: tuple[int, ...]) -> None:
        told = ToldEvent(position=self.told, at_s=self.now_s(), account=account, event=event, heard_by=heard_by)
        self.told += 1
        self._events.append(told)

    def answered(self, request: RequestLog) -> None:
        self.requested += 1
        self._requests.append(request)


class Logbook:
    """Writes the log of one connection."""

    def __init__(self, record: Record, log: ConnectionLog) -> None:
        self.log = log
        self._record = record
        self._subscriptions: dict[int, Span] = {}  # those that are open

    @classmethod
    def of_nobody(cls) -> "Logbook":
        """That of a connection which no exchange keeps a record of."""
        return Record(now_s=lambda: 0.0).opened(Attempt(at_s=0.0, address="", port=0), "api")

    def logged_on(self, account: str) -> None:
        self.logged_off()
        self.log.logged_on.append(Span(from_s=self._record.now_s(), account=account))

    def logged_off(self) -> None:
        self._end(self.log.logged_on)

    def subscribed(self, account: str, subscription_id: int) -> None:
        span = Span(from_s=self._record.now_s(), account=account, name=subscription_id)
        self._subscriptions[subscription_id] = span
        self.log.subscribed.append(span)

    def unsubscribed(self, subscription_id: int) -> None:
        span = self._subscriptions.pop(subscription_id, None)
        if span is not None:
            self._end([span])

    def answered(self, account: str, method: str, status: int, code: int, weight: int) -> None:
        request = RequestLog(
            at_s=self._record.now_s(),
            connection=self.log.number,
            address=self.log.address,
            account=account,
            method=method,
            status=status,
            code=code,
            weight=weight,
        )
        self._record.answered(request)

    def closed(self) -> None:
        self.log.closed_s = self._record.now_s()
        self._end(self.log.logged_on)
        self._end(self._subscriptions.values())

    def _end(self, spans: Iterable[Span]) -> None:
        for span in spans:
            if span.until_s is None:
                span.until_s = self._record.now_s()


def _gaps(spans: Iterable[tuple[float, float]], since_s: float, until_s: float) -> list[tuple[float, float]]:
    """What these spans leave uncovered."""
    gaps = []
    covered_s = since_s
    for from_s, to_s in sorted(spans):
        if from_s > covered_s:
            gaps.append((covered_s, min(from_s, until_s)))
        covered_s = max(covered_s, to_s)
        if covered_s >= until_s:
            return gaps
    gaps.append((covered_s, until_s))
    return gaps
