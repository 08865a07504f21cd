"""A link: two lines and who speaks over them, as one unit of supervision. Who uses it follows in the tree.

One line carries; the other is idle until a rotation. `rest_for_one`: when one of those who speak crashes, those that
stand on it begin anew too. A line that crashes takes nobody along, and a lost socket is no crash.
"""

import itertools
from random import Random
from typing import Any

from dogwatch.actors.clock_sync import ClockSync
from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.actors.dialler import Dialler, Door
from dogwatch.actors.line import Line
from dogwatch.actors.liveness import Liveness
from dogwatch.actors.pong import Pong
from dogwatch.actors.redial import AttemptBudget, Redial
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session import Session, SessionTopics
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec

__all__ = ["ApiLink", "StreamLink", "api_link", "stream_link"]

SILENCE_S_MAX = 45.0
"""More than two pings that did not come, and well before the exchange itself would cut."""
PROBE_AFTER_S = 30.0
LINES = ("a", "b")


class StreamLink:
    """Two lines, for market streams. `spec` goes into the tree, once."""

    def __init__(self, spec: SupervisorSpec, lines: tuple[Line, ...]) -> None:
        self.spec = spec
        self.lines = lines


class ApiLink(StreamLink):
    """Two lines with session and clock: for the WebSocket API. `spec` goes into the tree, once."""

    def __init__(
        self,
        spec: SupervisorSpec,
        lines: tuple[Line, ...],
        session: ActorRef[Session],
        topics: SessionTopics,
        server_clock: ServerClock,
    ) -> None:
        super().__init__(spec, lines)
        self.session = session
        self.topics = topics
        self.server_clock = server_clock


def stream_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    alternative: Door | None = None,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    silence_s_max: float = SILENCE_S_MAX,
) -> StreamLink:
    """Describe a link without a session. `random` decides the jitter of its back-off; nothing is started here."""
    lines = _Lines(name, dial, host, resource, alternative, budget, random, silence_s_max)
    spec = SupervisorSpec(name, [lines.spec], scope=Scope.REST_FOR_ONE)
    return StreamLink(spec, lines.lines)


def api_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    alternative: Door | None = None,
    clock: Clock,
    signer: Signer | None = None,
    recv_window_ms: int | None = None,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    silence_s_max: float = SILENCE_S_MAX,
    probe_after_s: float = PROBE_AFTER_S,
) -> ApiLink:
    """Describe a link with a session of the account that `signer` signs for, or of nobody. Nothing is started here."""
    topics = SessionTopics(name)
    server_clock = ServerClock(clock)
    lines = _Lines(name, dial, host, resource, alternative, budget, random, silence_s_max)
    session = ChildSpec(
        "session",
        lambda: Session(
            lines=lines.lines,
            topics=topics,
            server_clock=server_clock,
            signer=signer,
            recv_window_ms=recv_window_ms,
        ),
        actor=Session,
    )
    clock_sync = ChildSpec(
        "clock_sync",
        lambda: ClockSync(session=session.ref, topics=topics, server_clock=server_clock, clock=clock),
        actor=ClockSync,
    )
    liveness = ChildSpec(
        "liveness",
        lambda: Liveness(
            owner=session.ref, lines=lines.lines, probe_after_s=probe_after_s, silence_s_max=silence_s_max
        ),
        actor=Liveness,
    )
    spec = SupervisorSpec(name, [lines.spec, session, clock_sync, liveness], scope=Scope.REST_FOR_ONE)
    return ApiLink(spec, lines.lines, session.ref, topics, server_clock)


class _Lines:
    """The lines of one link, each a connection with its pong. The first one is dialled when the tree starts."""

    def __init__(
        self,
        name: str,
        dial: Dialler,
        host: str,
        resource: str,
        alternative: Door | None,
        budget: AttemptBudget | None,
        random: Random | None,
        silence_s_max: float,
    ) -> None:
        self._dial = dial
        self._host = host
        self._resource = resource
        self._alternative = alternative
        self._budget = budget
        self._random = random
        self._silence_s_max = silence_s_max
        epochs = itertools.count(1)
        described = [
            self._describe(line, ConnectionTopics(f"{name}.{line}", epochs, is_wanted=line == LINES[0]))
            for line in LINES
        ]
        self.lines = tuple(line for line, _ in described)
        self.spec = SupervisorSpec("lines", [spec for _, spec in described])

    def _describe(self, name: str, topics: ConnectionTopics) -> tuple[Line, SupervisorSpec]:
        connection = ChildSpec("connection", lambda: self._connection(topics), actor=Connection)
        pong = ChildSpec(
            "pong",
            lambda: Pong(connection=connection.ref, topics=topics, silence_s_max=self._silence_s_max),
            actor=Pong,
        )
        children: list[ChildSpec[Any]] = [connection, pong]
        return Line(name, connection.ref, topics), SupervisorSpec(name, children, scope=Scope.REST_FOR_ONE)

    def _connection(self, topics: ConnectionTopics) -> Connection:
        return Connection(
            dial=self._dial,
            host=self._host,
            resource=self._resource,
            topics=topics,
            alternative=self._alternative,
            budget=self._budget,
            redial=Redial(random=self._random),
        )
