"""The results of requests about the connection itself: who is logged on, and which events come (WebSocket API,
Authentication requests; User Data Stream requests)."""

import msgspec

from dogwatch.actors.spot.wire_names import wire_names


class SessionStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(returns_rate_limits="returnRateLimits", has_user_data_stream="userDataStream"),
):
    """The state of the connection (session.logon, session.status, session.logout). Nobody is logged on when `api_key`
    is None. `has_user_data_stream` is None where the server does not offer user data on this connection."""

    api_key: str | None
    authorized_since_ms: int | None
    connected_since_ms: int
    server_time_ms: int
    returns_rate_limits: bool = True
    has_user_data_stream: bool | None

    def __repr__(self) -> str:
        """Without the key: it is no secret by itself, but it need not be in every log either."""
        return f"SessionStatus(logged_on={self.api_key is not None}, server_time_ms={self.server_time_ms})"


class SubscribeResult(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """The id under which events will come (userDataStream.subscribe, userDataStream.subscribe.signature). Ids count
    from 0 on each connection."""

    subscription_id: int


class Subscription(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """A user data subscription that is open on this connection (session.subscriptions). The exchange does not say of
    which account."""

    subscription_id: int
