"""Requests about the connection itself (WebSocket API, Authentication requests; User Data Stream requests).

A session makes them by itself; REST has none of them.
"""

from typing import ClassVar

from dogwatch.actors.spot.methods import Method, Security
from dogwatch.actors.spot.parameters import Count
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Declaration, Request
from dogwatch.actors.spot.results import Empty, SessionStatus, SubscribeResult, Subscription

__all__ = [
    "QuerySessionStatus",
    "SessionLogon",
    "SessionLogout",
    "SessionSubscriptions",
    "UserDataStreamSubscribe",
    "UserDataStreamSubscribeSignature",
    "UserDataStreamUnsubscribe",
]


class SessionLogon(Request[SessionStatus], frozen=True, kw_only=True):
    """Make a key the connection's own: later requests need no signature. Ed25519 keys only."""

    declaration: ClassVar = Declaration(
        method=Method.SESSION_LOGON,
        section="Log in with API key",
        security=Security.SIGNED,
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class QuerySessionStatus(Request[SessionStatus], frozen=True, kw_only=True):
    """Which key the connection has, and since when."""

    declaration: ClassVar = Declaration(
        method=Method.SESSION_STATUS,
        section="Query session status",
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class SessionLogout(Request[SessionStatus], frozen=True, kw_only=True):
    """Forget the key. The connection stays; the subscription made by the session ends."""

    declaration: ClassVar = Declaration(
        method=Method.SESSION_LOGOUT,
        section="Log out of the session",
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class UserDataStreamSubscribe(Request[SubscribeResult], frozen=True, kw_only=True):
    """Have the events of the account that is logged on sent on this connection."""

    declaration: ClassVar = Declaration(
        method=Method.USER_DATA_STREAM_SUBSCRIBE,
        section="Subscribe to User Data Stream",
        security=Security.USER_STREAM,
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class UserDataStreamSubscribeSignature(Request[SubscribeResult], frozen=True, kw_only=True):
    """Have the events of the account whose key signs this sent on this connection; nobody need be logged on."""

    declaration: ClassVar = Declaration(
        method=Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE,
        section="Subscribe to User Data Stream through signature subscription",
        security=Security.SIGNED,
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class UserDataStreamUnsubscribe(Request[Empty], frozen=True, kw_only=True):
    """End one subscription of this connection, without an id all."""

    subscription_id: Count | None = None

    declaration: ClassVar = Declaration(
        method=Method.USER_DATA_STREAM_UNSUBSCRIBE,
        section="Unsubscribe from User Data Stream",
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )


class SessionSubscriptions(Request[tuple[Subscription, ...]], frozen=True, kw_only=True):
    """The subscriptions of this connection."""

    declaration: ClassVar = Declaration(
        method=Method.SESSION_SUBSCRIPTIONS,
        section="Listing all subscriptions",
        weight=2,
        priority=Priority.CANCEL,
        is_bound=True,
    )
