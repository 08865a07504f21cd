"""A link: a connection with the actors that live on it, as one unit of supervision. Who uses it follows in the tree.

`rest_for_one`: when one of them crashes, those that stand on it begin anew too. A lost socket is no crash.
"""

from random import Random

from dogwatch.actors.clock_sync import ClockSync
from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.actors.dialler import Dialler
from dogwatch.actors.pong import Pong
from dogwatch.actors.redial import AttemptBudget, Redial
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session import Session, SessionTopics
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec

__all__ = ["ApiLink", "StreamLink", "api_link", "stream_link"]

SILENCE_S_MAX = 50.0


class StreamLink:
    """A connection with its pong: for market streams. `spec` goes into the tree, once."""

    def __init__(
        self, spec: SupervisorSpec, connection: ActorRef[Connection], connection_topics: ConnectionTopics
    ) -> None:
        self.spec = spec
        self.connection = connection
        self.connection_topics = connection_topics


class ApiLink(StreamLink):
    """A connection with pong, session and clock: for the WebSocket API. `spec` goes into the tree, once."""

    def __init__(
        self,
        spec: SupervisorSpec,
        connection: ActorRef[Connection],
        connection_topics: ConnectionTopics,
        session: ActorRef[Session],
        topics: SessionTopics,
        server_clock: ServerClock,
    ) -> None:
        super().__init__(spec, connection, connection_topics)
        self.session = session
        self.topics = topics
        self.server_clock = server_clock


def stream_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    silence_s_max: float = SILENCE_S_MAX,
) -> StreamLink:
    """Describe a link without a session. `random` decides the jitter of its back-off; nothing is started here."""
    topics = ConnectionTopics(name)
    connection, pong = _carriers(topics, dial, host, resource, budget, random, silence_s_max)
    spec = SupervisorSpec(name, [connection, pong], scope=Scope.REST_FOR_ONE)
    return StreamLink(spec, connection.ref, topics)


def api_link(
    name: str,
    *,
    dial: Dialler,
    host: str,
    resource: str,
    clock: Clock,
    signer: Signer | None = None,
    recv_window_ms: int | None = None,
    budget: AttemptBudget | None = None,
    random: Random | None = None,
    silence_s_max: float = SILENCE_S_MAX,
) -> ApiLink:
    """Describe a link with a session of the account that `signer` signs for, or of nobody. Nothing is started here."""
    connection_topics = ConnectionTopics(name)
    topics = SessionTopics(name)
    server_clock = ServerClock(clock)
    connection, pong = _carriers(connection_topics, dial, host, resource, budget, random, silence_s_max)
    session = ChildSpec(
        "session",
        lambda: Session(
            connection=connection.ref,
            connection_topics=connection_topics,
            topics=topics,
            server_clock=server_clock,
            signer=signer,
            recv_window_ms=recv_window_ms,
        ),
        actor=Session,
    )
    clock_sync = ChildSpec(
        "clock_sync", lambda: ClockSync(session=session.ref, server_clock=server_clock), actor=ClockSync
    )
    spec = SupervisorSpec(name, [connection, pong, session, clock_sync], scope=Scope.REST_FOR_ONE)
    return ApiLink(spec, connection.ref, connection_topics, session.ref, topics, server_clock)


def _carriers(
    topics: ConnectionTopics,
    dial: Dialler,
    host: str,
    resource: str,
    budget: AttemptBudget | None,
    random: Random | None,
    silence_s_max: float,
) -> tuple[ChildSpec[Connection], ChildSpec[Pong]]:
    connection = ChildSpec(
        "connection",
        lambda: Connection(
            dial=dial,
            host=host,
            resource=resource,
            topics=topics,
            budget=budget,
            redial=Redial(random=random),
        ),
        actor=Connection,
    )
    pong = ChildSpec(
        "pong",
        lambda: Pong(connection=connection.ref, topics=topics, silence_s_max=silence_s_max),
        actor=Pong,
    )
    return connection, pong
