"""A link over REST: who speaks, and who keeps the exchange's clock, as one unit of supervision; what link.py describes
for the WebSocket API.
"""

from dogwatch.actors.clock_sync import ClockSync
from dogwatch.actors.link import ApiLink
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.rest import Rest
from dogwatch.actors.rest_session import RestSession
from dogwatch.actors.rest_wire import RestDoor
from dogwatch.actors.rotation_messages import RotationTopics
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import SessionTopics
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec

__all__ = ["rest_caller", "rest_link"]


def rest_link(
    name: str,
    *,
    door: RestDoor,
    clock: Clock,
    signer: Signer | None = None,
    recv_window_ms: int | None = None,
    limiter: RateLimiter | None = None,
) -> ApiLink:
    """Describe a link to the REST API for the account that `signer` signs for, or for nobody. Nothing is started here.

    It has no lines, and never rotates: HTTP connections come and go. All links of one IP address are to share a
    `limiter`.
    """
    limiter = limiter or RateLimiter(clock=clock)
    topics, server_clock = SessionTopics(name), ServerClock(clock)
    session = ChildSpec(
        "session",
        lambda: RestSession(
            door=door,
            topics=topics,
            server_clock=server_clock,
            limiter=limiter,
            signer=signer,
            recv_window_ms=recv_window_ms,
        ),
        actor=RestSession,
    )
    clock_sync = ChildSpec(
        "clock_sync",
        lambda: ClockSync(session=session.ref, topics=topics, server_clock=server_clock, clock=clock),
        actor=ClockSync,
    )
    return ApiLink(
        name=name,
        lines=(),
        rotation=RotationTopics(name),
        spec=SupervisorSpec(name, [session, clock_sync], scope=Scope.REST_FOR_ONE),
        session=session.ref,
        topics=topics,
        server_clock=server_clock,
        limiter=limiter,
    )


def rest_caller(
    name: str,
    *,
    door: RestDoor,
    clock: Clock,
    signer: Signer | None = None,
    recv_window_ms: int | None = None,
    limiter: RateLimiter | None = None,
) -> ChildSpec[Rest]:
    """Describe an actor that takes Calls and speaks only when it is asked: for single questions over REST."""
    limiter = limiter or RateLimiter(clock=clock)
    topics, server_clock = SessionTopics(name), ServerClock(clock)
    return ChildSpec(
        name,
        lambda: Rest(
            door=door,
            topics=topics,
            server_clock=server_clock,
            limiter=limiter,
            signer=signer,
            recv_window_ms=recv_window_ms,
        ),
        actor=Rest,
    )
