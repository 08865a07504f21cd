"""What is said to a session and what it publishes. How it keeps its promises is in session.py."""

import itertools
from collections import deque
from math import inf
from typing import Any, TypeAlias

import msgspec

from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Request
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.messages import Message, Query
from dogwatch.runtime.topic import Topic

__all__ = [
    "Call",
    "CallOn",
    "KeyRefused",
    "LateResponse",
    "LogonFailed",
    "SessionLost",
    "SessionReady",
    "SessionState",
    "SessionTopics",
    "Speaker",
]

ROUND_TRIPS_KEPT = 4096


class Call(Query[Response], frozen=True, kw_only=True, gc=False):
    """A request to the exchange; answered with its Response, be it a result or a refusal.

    Timestamp, API key and signature are added as the method demands; what the exchange turns away for its timestamp
    alone is sent again, with another. While the exchange's limits have no room it waits, but never past its deadline.
    Fails with NotSent (it has not reached the exchange, or was turned away there), OutcomeUnknown (written, then the
    link or the key was lost, or the answer could not be read) or AskTimeout (written; the answer may still come, on
    `late_responses`).
    """

    method: Method
    params: Params = msgspec.field(default_factory=dict)
    lane: Priority | None = None
    """Who goes first when the exchange's limits are nearly used up. By default that depends on the method."""
    account: str = ""
    """Which of a session's further accounts it is made for; empty for its own."""

    @classmethod
    def of(cls, request: Request[Any], *, lane: Priority | None = None, account: str = "") -> "Call":
        """The call that makes a typed request; `request.decode` reads its result. Raises as `request.params` does."""
        return cls(method=request.declaration.method, params=request.params(), lane=lane, account=account)


class Speaker(Actor):
    """Whoever speaks to the exchange: takes a Call and answers with its Response. Who asks need not know how."""


class CallOn(Query[Response], frozen=True, kw_only=True):
    """The session's own way to ask on exactly one socket, be it the one that carries or another. Fails as a Call does,
    with NotSent also when that socket is gone."""

    epoch: int
    call: Call


class SessionReady(Message, frozen=True, kw_only=True):
    """From now on calls are taken, and the account's events flow, unless it says that they do not (over REST). Without
    a key: public calls only."""

    epoch: int
    hears_events: bool = True


class SessionLost(Message, frozen=True, kw_only=True):
    """No more calls for now; whatever was in flight has been settled. Events may be missing until SessionReady."""

    epoch: int
    reason: str


class LogonFailed(Message, frozen=True, kw_only=True):
    """Logging on failed for a reason that may pass; it is tried again in `retry_in_s` seconds."""

    epoch: int
    reason: str
    hint: str
    retry_in_s: float


class KeyRefused(LogonFailed, frozen=True, kw_only=True):
    """The exchange refuses a key that was good. Only public calls are taken until it is valid again."""


SessionState: TypeAlias = SessionReady | SessionLost | LogonFailed


class LateResponse(Message, frozen=True, kw_only=True):
    """The answer to a call that was settled before: nobody waits for it, but it is evidence."""

    method: Method
    params: Params
    response: Response


class SessionTopics:
    """What a session publishes. Made where the link is built, so that it outlives the session's lives."""

    def __init__(self, name: str) -> None:
        self.states: Topic[SessionState] = Topic(f"{name}.session")
        self.user_events: Topic[UserEvent] = Topic(f"{name}.user_events")
        """The account's events in the order of the wire, and notices for the whole connection."""
        self.late_responses: Topic[LateResponse] = Topic(f"{name}.late_responses")
        self.unmatched: Topic[Response | MalformedFrame] = Topic(f"{name}.unmatched")
        """Answers that belong to no call, such as errors without an id, and frames that cannot be read."""
        self.round_trips_us: deque[float] = deque(maxlen=ROUND_TRIPS_KEPT)
        """Wall-clock microseconds from stamping to answer of the latest order.* calls."""
        self.epoch_begun = 0
        """The newest socket that a session has used, over all its lives."""
        self.has_been_ready = False
        """Whether this process has ever been logged on: a key refused before is a mistake in the configuration."""
        self.key_refusal = ""
        """What the exchange says of a key that was good; empty while it is."""
        self.request_ids = itertools.count(1)
        self.latest_call_s = -inf
        """When something was last sent, on Trio's clock."""
