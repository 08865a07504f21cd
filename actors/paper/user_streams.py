"""Who hears what happens in an account: the user data subscriptions of all connections. Pure: payloads go to sessions.

(User Data Streams for Binance.)
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dogwatch.actors.paper.sessions import Session, Subscription
from dogwatch.actors.paper.time_unit import event_in_microseconds

_encode = msgspec.json.Encoder().encode


class UserStreams:
    """Every open subscription by account. An event that nobody listens to costs one look-up."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[Session, int]] = {}

    def add(self, session: Session, subscription: Subscription) -> None:
        self._listeners.setdefault(subscription.account, {})[session] = subscription.subscription_id

    def remove(self, session: Session, subscriptions: Iterable[Subscription]) -> None:
        """Those that hear nothing already are no matter."""
        for subscription in subscriptions:
            listeners = self._listeners.get(subscription.account, {})
            if listeners.get(session) != subscription.subscription_id:
                continue
            del listeners[session]
            if not listeners:
                del self._listeners[subscription.account]

    def end_session(self, session: Session, now_ms: int) -> tuple[bytes, ...]:
        """End what `userDataStream.subscribe` has opened, and log the session out. What its client is told of it."""
        closed = session.unsubscribe_session()
        self.remove(session, closed)
        session.log_out()
        return tuple(terminated(subscription, session, now_ms) for subscription in closed)

    def heard_by(self, account: str) -> tuple[int, ...]:
        """The numbers of the connections that hear what happens in this account."""
        return tuple(session.logbook.log.number for session in self._listeners.get(account, ()))

    def publish(self, account: str, event: dict[str, Any]) -> None:
        """Send one event to every subscription of the account; it is encoded once."""
        listeners = self._listeners.get(account)
        if not listeners:
            return
        encoded = _encode(event)
        for session, subscription_id in listeners.items():
            body = _encode(event_in_microseconds(event)) if session.in_microseconds else encoded
            session.deliver(_wrapped(subscription_id, body))


def terminated(subscription: Subscription, session: Session, now_ms: int) -> bytes:
    """The last event of a subscription (User Data Stream, "Event Stream Terminated")."""
    event = {"e": "eventStreamTerminated", "E": now_ms}
    body = _encode(event_in_microseconds(event) if session.in_microseconds else event)
    return _wrapped(subscription.subscription_id, body)


def _wrapped(subscription_id: int, event: bytes) -> bytes:
    return b'{"subscriptionId":%d,"event":%b}' % (subscription_id, event)
