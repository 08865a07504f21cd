"""A link: two lines and who speaks over them, as one unit of supervision. Who uses it follows in the tree.

One line carries; the other is idle until a rotation. `rest_for_one`: when one of those who speak crashes, those that
stand on it begin anew too. A line that crashes takes nobody along, and a lost socket is no crash.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dogwatch.actors.clock_sync import ClockSync
from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.dialler import Dialler, Door
from dogwatch.actors.line import Line
from dogwatch.actors.liveness import Liveness
from dogwatch.actors.pong import Pong
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.redial import AttemptBudget, Redial
from dogwatch.actors.rotation import Rotation
from dogwatch.actors.rotation_messages import RotationTopics
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.server_time import ServerTime
from dogwatch.actors.session import Session
from dogwatch.actors.session_messages import SessionTopics, Speaker
from dogwatch.actors.spot.endpoints import asks_for_microseconds
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.standings import FurtherAccount
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec

__all__ = ["ApiLink", "StreamLink", "api_link", "stream_link"]

LINES = ("a", "b")


class StreamLink:
    """Two lines, and what rotation says of them. `owned_by(…)` goes into the tree, once; or `lines_spec` alone, with
    nobody who speaks."""

    def __init__(self, name: str, lines: "_Lines") -> None:
        self.name = name
        self.lines = lines.lines
        self.lines_spec = lines.spec
        self.is_spare = lines.is_spare
        self.resource = lines.resource
        self.rotation = RotationTopics(name)
        self._lines = lines

    def owned_by(
        self,
        owner: ChildSpec[Any],
        *following: ChildSpec[Any],
        clock: Clock,
        probe_after_s: float | None = None,
    ) -> SupervisorSpec:
        """Describe all of it, in order: lines, owner, those that follow it, liveness, rotation. `clock` tells the time
        of day for what the user has chosen."""
        lines, settings = self._lines, self._lines.settings
        liveness = ChildSpec(
            "liveness",
            lambda: Liveness(
                owner=owner.ref,
                lines=lines.lines,
                clock=clock,
                probe_after_s=probe_after_s,
                silence_s_max=settings.silence_s_max,
            ),
            actor=Liveness,
        )
        rotation = ChildSpec(
            "rotation",
            lambda: Rotation(
                owner=owner.ref,
                lines=lines.lines,
                topics=self.rotation,
                rules=settings.rules(),
                clock=clock,
                random=lines.random,
                is_spare=self.is_spare,
            ),
            actor=Rotation,
        )
        children: list[ChildSpec[Any] | SupervisorSpec] = [self.lines_spec, owner, *following, liveness, rotation]
        return SupervisorSpec(self.name, children, scope=Scope.REST_FOR_ONE)


@dataclass(frozen=True, kw_only=True)
class ApiLink:
    """Who speaks to the exchange, and all that this needs: over the WebSocket API two lines with session, clock,
    liveness and rotation. `spec` goes into the tree, once."""

    name: str
    lines: tuple[Line, ...]
    rotation: RotationTopics
    spec: SupervisorSpec
    session: ActorRef[Speaker]
    topics: SessionTopics
    server_clock: ServerClock
    limiter: RateLimiter
    further: Mapping[str, SessionTopics] = field(default_factory=dict)
    """What is published of further accounts, by name."""


def stream_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    alternative: Door | None = None,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    settings: ConnectionSettings | None = None,
    is_spare: bool = False,
) -> StreamLink:
    """Describe a link that somebody else speaks over. `random` decides the jitter; nothing is started here. A spare one
    dials only when its owner opens a line."""
    settings = settings or ConnectionSettings()
    lines = _Lines(name, dial, host, resource, alternative, budget, random, settings, is_spare=is_spare)
    return StreamLink(name, lines)


def api_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    alternative: Door | None = None,
    clock: Clock,
    signer: Signer | None = None,
    further: Mapping[str, Signer] | None = None,
    recv_window_ms: int | None = None,
    limiter: RateLimiter | None = None,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    settings: ConnectionSettings | None = None,
    probe_after_s: float | None = None,
) -> ApiLink:
    """Describe a link with a session of the account that `signer` signs for, or of nobody. Nothing is started here.

    The session speaks for `further` accounts too, by name: a Call names the one that it is for, and what is published
    of each is in the link's `further`.

    All links of one IP address are to share a `limiter`; its budget of attempts holds unless there is another `budget`.
    """
    limiter = limiter or RateLimiter(clock=clock)
    topics = SessionTopics(name)
    server_clock = ServerClock(clock)
    accounts = _further_accounts(name, further or {})
    link = stream_link(
        name,
        dial=dial,
        host=host,
        resource=resource,
        alternative=alternative,
        budget=budget or limiter.attempts,
        random=random,
        settings=settings,
    )
    session = ChildSpec(
        "session",
        lambda: Session(
            lines=link.lines,
            topics=topics,
            rotation_topics=link.rotation,
            server_clock=server_clock,
            limiter=limiter,
            signer=signer,
            further=accounts,
            recv_window_ms=recv_window_ms,
            in_microseconds=asks_for_microseconds(resource),
        ),
        actor=Session,
    )
    clock_sync = ChildSpec(
        "clock_sync",
        lambda: ClockSync(session=session.ref, topics=topics, server_clock=server_clock, clock=clock),
        actor=ClockSync,
    )
    spec = link.owned_by(session, clock_sync, clock=ServerTime(server_clock), probe_after_s=probe_after_s)
    return ApiLink(
        name=name,
        lines=link.lines,
        rotation=link.rotation,
        spec=spec,
        session=session.ref,
        topics=topics,
        server_clock=server_clock,
        limiter=limiter,
        further={account: what.topics for account, what in accounts.items()},
    )


def _further_accounts(link: str, signers: Mapping[str, Signer]) -> dict[str, FurtherAccount]:
    return {
        name: FurtherAccount(signer=signer, topics=SessionTopics(f"{link}.{name}")) for name, signer in signers.items()
    }


class _Lines:
    """The lines of one link, each a connection with its pong. The first one is dialled when the tree starts, unless the
    link is spare."""

    def __init__(
        self,
        name: str,
        dial: Dialler,
        host: str,
        resource: str,
        alternative: Door | None,
        budget: AttemptBudget | None,
        random: Random | None,
        settings: ConnectionSettings,
        *,
        is_spare: bool,
    ) -> None:
        self.is_spare = is_spare
        self._dial = dial
        self._host = host
        self.resource = resource
        self._alternative = alternative
        self._budget = budget
        self.random = random
        self.settings = settings
        epochs = itertools.count(1)
        dialled = None if is_spare else LINES[0]
        described = [
            self._describe(line, ConnectionTopics(f"{name}.{line}", epochs, is_wanted=line == dialled))
            for line in LINES
        ]
        self.lines = tuple(line for line, _ in described)
        self.spec = SupervisorSpec("lines", [spec for _, spec in described])

    def _describe(self, name: str, topics: ConnectionTopics) -> tuple[Line, SupervisorSpec]:
        connection = ChildSpec("connection", lambda: self._connection(topics), actor=Connection)
        pong = ChildSpec(
            "pong",
            lambda: Pong(connection=connection.ref, topics=topics, silence_s_max=self.settings.silence_s_max),
            actor=Pong,
        )
        children: list[ChildSpec[Any]] = [connection, pong]
        return Line(name, connection.ref, topics), SupervisorSpec(name, children, scope=Scope.REST_FOR_ONE)

    def _connection(self, topics: ConnectionTopics) -> Connection:
        return Connection(
            dial=self._dial,
            host=self._host,
            resource=self.resource,
            topics=topics,
            alternative=self._alternative,
            budget=self._budget,
            redial=Redial(random=self.random),
        )
