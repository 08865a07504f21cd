"""The state of one WebSocket API connection: who is logged on, which user data subscriptions are open. Pure.

What a request does with it stands in handlers.py; how bytes come and go stands in server.py.
(WebSocket API, "Session authentication" and "User Data Stream subscriptions".)
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dogwatch.actors.paper.record import Logbook
from dogwatch.actors.paper.refusals import Refused, refused

SUBSCRIPTIONS_ACTIVE_MAX = 1000
SUBSCRIPTIONS_EVER_MAX = 65_535


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A user data subscription. One that the session's key made ends when the session is logged out."""

    subscription_id: int
    account: str
    by_session: bool


class Session:
    """One connection to the WebSocket API. `deliver` takes an event for its client; it never waits."""

    def __init__(
        self,
        *,
        deliver: Callable[[bytes], None],
        connected_since_ms: int,
        address: str = "",
        returns_rate_limits: bool = True,
        in_microseconds: bool = False,
        logbook: Logbook | None = None,
    ) -> None:
        self.deliver = deliver
        self.connected_since_ms = connected_since_ms
        self.address = address
        self.returns_rate_limits = returns_rate_limits
        self.in_microseconds = in_microseconds
        self.logbook = logbook or Logbook.of_nobody()
        self.api_key: str | None = None
        self.account: str | None = None
        self.authorized_since_ms: int | None = None
        self.malformed_in_a_row = 0
        self.subscriptions: dict[int, Subscription] = {}
        self._subscriptions_ever = 0

    def log_on(self, api_key: str, account: str, now_ms: int) -> None:
        self.api_key = api_key
        self.account = account
        self.authorized_since_ms = now_ms
        self.logbook.logged_on(account)

    def log_out(self) -> None:
        self.api_key = self.account = self.authorized_since_ms = None
        self.logbook.logged_off()

    def status(self, now_ms: int) -> dict[str, Any]:
        """The result of session.logon, session.status and session.logout."""
        return {
            "apiKey": self.api_key,
            "authorizedSince": self.authorized_since_ms,
            "connectedSince": self.connected_since_ms,
            "returnRateLimits": self.returns_rate_limits,
            "serverTime": now_ms,
            "userDataStream": bool(self.subscriptions),
        }

    def subscribe(self, account: str, *, by_session: bool) -> Subscription:
        """Open the account's one subscription on this connection. Raises Refused (-2035, -2042)."""
        if any(subscription.account == account for subscription in self.subscriptions.values()):
            raise refused(-2035)
        if self._subscriptions_ever >= SUBSCRIPTIONS_EVER_MAX:
            raise refused(-2042)
        if len(self.subscriptions) >= SUBSCRIPTIONS_ACTIVE_MAX:
            raise Refused(
                -1191,
                f"Too many subscriptions. Connection may create up to '{SUBSCRIPTIONS_ACTIVE_MAX}' "
                "subscriptions at a time.",
            )
        subscription = Subscription(subscription_id=self._subscriptions_ever, account=account, by_session=by_session)
        self._subscriptions_ever += 1
        self.subscriptions[subscription.subscription_id] = subscription
        self.logbook.subscribed(account, subscription.subscription_id)
        return subscription

    def unsubscribe(self, subscription_id: int | None) -> list[Subscription]:
        """Close one subscription, or all; returns the closed ones. Raises Refused (-2036) for one that is not open."""
        if subscription_id is None:
            closed = list(self.subscriptions.values())
        elif subscription_id in self.subscriptions:
            closed = [self.subscriptions[subscription_id]]
        else:
            raise refused(-2036)
        return self._close(closed)

    def unsubscribe_session(self) -> list[Subscription]:
        """Close the subscription that `userDataStream.subscribe` opened; those made by signature stay."""
        return self._close([subscription for subscription in self.subscriptions.values() if subscription.by_session])

    def _close(self, closed: list[Subscription]) -> list[Subscription]:
        for subscription in closed:
            del self.subscriptions[subscription.subscription_id]
            self.logbook.unsubscribed(subscription.subscription_id)
        return closed
