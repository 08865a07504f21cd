"""Where connections come in: a handshake's target leads to the WebSocket API, to market streams, or to a refusal.

Each connection gets a client object that carries frames to the pure parts and their answers back to its link.
"""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote

import msgspec

from dogwatch.actors.paper.answers import DISCONNECTED, Answer
from dogwatch.actors.paper.armed_faults import Predicate
from dogwatch.actors.paper.breaking import break_connection, facts_of
from dogwatch.actors.paper.faults import AcceptFault, ConnectionFault, Door, HandshakeFault, RefuseHandshake, Shape
from dogwatch.actors.paper.interference import Interference
from dogwatch.actors.paper.protocol import EnvelopeProtocol
from dogwatch.actors.paper.record import Attempt, Logbook, Record
from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.request_service import Between
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.streams import STREAMS_MAX, TOO_MANY_MESSAGES, StreamClient, StreamControl, StreamHub
from dogwatch.actors.paper.terms import Client, Link, Rejection
from dogwatch.actors.paper.time_unit import is_in_microseconds
from dogwatch.actors.paper.user_streams import UserStreams, terminated
from dogwatch.runtime.clock import Clock

API_PATH = "/ws-api/v3"
CONNECTING_WEIGHT = 2


class Gate:
    """The venue behind the server. `settle` publishes what a request has caused."""

    def __init__(
        self,
        protocol: EnvelopeProtocol,
        *,
        user_streams: UserStreams,
        hub: StreamHub,
        control: StreamControl,
        clock: Clock,
        settle: Callable[[], None],
        interference: Interference,
        record: Record,
        events_first: bool,
    ) -> None:
        self.protocol = protocol
        self.user_streams = user_streams
        self.hub = hub
        self.control = control
        self.clock = clock
        self.settle = settle
        self.interference = interference
        self.faults = interference.faults
        self.record = record
        self.events_first = events_first
        self._clients: dict[ApiClient | MarketClient, None] = {}

    def accept(self, address: str, port: int) -> tuple[Attempt, AcceptFault | None]:
        """Record it; a fault may strike it."""
        attempt = self.record.accepted(address, port)
        if not self.faults.is_armed:
            return attempt, None
        return attempt, self.faults.meet(AcceptFault, "", {"address": address, "port": port})

    def knock(self, attempt: Attempt) -> Rejection | HandshakeFault | None:
        """Count the attempt against the address's limits (HTTP 418, 429); a fault may strike it."""
        limits = self.protocol.service.address_limits(attempt.address)
        now_ms = self.clock.unix_ms()
        if not limits.admits_connection(now_ms):
            is_banned = now_ms < limits.banned_until_ms
            until_ms = limits.banned_until_ms if is_banned else limits.connections.next_start_ms(now_ms)
            return Rejection(
                status=418 if is_banned else 429,
                body=_problem(-1003, "Too many connection attempts."),
                retry_after_s=-(-(until_ms - now_ms) // 1000),
            )
        fault = self._trouble(attempt) if self.faults.is_armed else None
        if isinstance(fault, RefuseHandshake):
            retry_after_s = None if fault.retry_after_s is None else round(fault.retry_after_s)
            return Rejection(status=fault.status, body=_problem(fault.code, fault.message), retry_after_s=retry_after_s)
        return fault

    def open(self, attempt: Attempt, link: Link) -> Client | Rejection:
        """What stands behind its target, or why there is nothing (HTTP 400, 404)."""
        path, _, query = attempt.target.partition("?")
        try:
            if path == API_PATH:
                self.protocol.service.address_limits(attempt.address).charge(CONNECTING_WEIGHT, self.clock.unix_ms())
                return self._open_api(query, attempt, link)
            return self._open_streams(path, query, attempt, link)
        except Refused as refusal:
            return Rejection(status=refusal.status, body=_problem(refusal.code, refusal.msg))

    def forget(self, client: "ApiClient | MarketClient") -> None:
        del self._clients[client]

    def drop_address(self, address: str) -> None:
        """End every API connection of a banned address."""
        for client in list(self._clients):
            if isinstance(client, ApiClient) and client.session.address == address:
                client.link.close(DISCONNECTED)

    def break_all(self, fault: ConnectionFault, to: Door | None, where: Predicate | None) -> int:
        """Let this happen now to the connections of this door (None: all) that `where` is true of. How many."""
        struck = [
            client for client in self._clients if to in (None, client.to) and (where is None or where(facts_of(client)))
        ]
        for client in struck:
            break_connection(fault, client, self.clock, self.interference.later)
        return len(struck)

    def _trouble(self, attempt: Attempt) -> HandshakeFault | None:
        to = "api" if attempt.target.partition("?")[0] == API_PATH else "market"
        facts = {"to": to, "target": attempt.target, "address": attempt.address, "port": attempt.port}
        return self.faults.meet(HandshakeFault, to, facts)

    def _open_api(self, query: str, attempt: Attempt, link: Link) -> Client:
        options = parse_qs(query)
        if options.get("responseFormat", ["json"])[-1] != "json":
            raise Refused(-1155, "SBE is not enabled.")
        in_microseconds = is_in_microseconds(query)
        session = Session(
            deliver=link.tell,
            connected_since_ms=self.clock.unix_ms(),
            address=attempt.address,
            returns_rate_limits=options.get("returnRateLimits", ["true"])[-1] != "false",
            in_microseconds=in_microseconds,
            logbook=self.record.opened(attempt, "api"),
        )
        client = ApiClient(self, session, link)
        self._clients[client] = None
        return client

    def _open_streams(self, path: str, query: str, attempt: Attempt, link: Link) -> Client:
        is_combined = path == "/stream"
        if is_combined:
            # A plus belongs to the names of some streams.
            asked = parse_qs(query.replace("+", "%2B")).get("streams", [])
            names = [name for value in asked for name in value.split("/")]
        elif path == "/ws" or path.startswith("/ws/"):
            names = unquote(path.removeprefix("/ws")).split("/")
        else:
            raise Refused(-1000, f"There is nothing at {path}: try {API_PATH}, /ws or /stream.", status=404)
        streams = StreamClient(deliver=link.tell, is_combined=is_combined, in_microseconds=is_in_microseconds(query))
        if not self.hub.subscribe(streams, [name for name in names if name]):
            raise Refused(-1000, f"A connection can listen to {STREAMS_MAX} streams.")
        self.settle()
        client = MarketClient(self, streams, link, self.record.opened(attempt, "market"))
        self._clients[client] = None
        return client


class ApiClient:
    """A connection to the WebSocket API."""

    to: Door = "api"
    shape: Shape = "api"

    def __init__(self, gate: Gate, session: Session, link: Link) -> None:
        self.session = session
        self.link = link
        self.logbook = session.logbook
        self._gate = gate

    @property
    def is_logged_on(self) -> bool:
        return self.session.account is not None

    @property
    def is_subscribed(self) -> bool:
        return bool(self.session.subscriptions)

    def receive(self, message: str) -> None:
        gate = self._gate
        if gate.faults.is_armed:
            gate.interference.receive(message, self)
            return
        answer = gate.protocol.answer(message, self.session, gate.clock.unix_us())
        self.conclude(answer, events_first=gate.events_first)

    def answer(self, message: str, between: Between) -> Answer:
        """What the request brings about."""
        return self._gate.protocol.answer(message, self.session, self._gate.clock.unix_us(), between)

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer, and the events that its request has caused."""
        gate = self._gate
        if events_first:
            gate.settle()
        _give(answer, self.link)
        gate.settle()
        if answer.close is not None and gate.protocol.service.is_banned(self.session.address, gate.clock.unix_ms()):
            gate.drop_address(self.session.address)

    def receive_control(self) -> None:
        """Pings and pongs are not counted here."""

    def silence(self, names: Sequence[object], *, is_listed: bool) -> bool:
        """Tell nothing to these subscriptions, named by their ids."""
        subscriptions = self.session.subscriptions
        silenced = [subscriptions[name] for name in names if isinstance(name, int) and name in subscriptions]
        self._gate.user_streams.remove(self.session, silenced)
        if not is_listed:
            for subscription in silenced:
                self.session.unsubscribe(subscription.subscription_id)
        return bool(silenced)

    def end_subscriptions(self, *, is_told: bool) -> None:
        """End them all, and say so or not."""
        closed = self.session.unsubscribe(None)
        self._gate.user_streams.remove(self.session, closed)
        for subscription in closed if is_told else ():
            self.link.tell(terminated(subscription, self.session, self._gate.clock.unix_ms()))

    def closed(self) -> None:
        self._gate.user_streams.remove(self.session, self.session.unsubscribe(None))
        self.logbook.closed()
        self._gate.forget(self)


class MarketClient:
    """A connection to the market streams."""

    to: Door = "market"
    is_logged_on = False

    def __init__(self, gate: Gate, streams: StreamClient, link: Link, logbook: Logbook) -> None:
        self.link = link
        self.logbook = logbook
        self._gate = gate
        self._streams = streams

    @property
    def shape(self) -> Shape:
        return "combined" if self._streams.is_combined else "raw"

    @property
    def is_subscribed(self) -> bool:
        return bool(self._streams.names)

    def receive(self, message: str) -> None:
        if self._gate.faults.is_armed:
            self._gate.interference.receive(message, self)
        else:
            self.conclude(self.answer(message), events_first=False)

    def answer(self, message: str, _between: Between | None = None) -> Answer:
        """What the message brings about."""
        return self._gate.control.answer(message, self._streams, self._gate.clock.unix_ms())

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer."""
        if events_first:
            self._gate.settle()
        _give(answer, self.link)
        # A new candle stream has to be woken up in time.
        self._gate.settle()

    def receive_control(self) -> None:
        if not self._streams.may_send_another(self._gate.clock.unix_ms()):
            self.link.close(TOO_MANY_MESSAGES)

    def silence(self, names: Sequence[object], *, is_listed: bool) -> bool:
        """Tell nothing of these streams."""
        silenced = [name for name in names if isinstance(name, str) and name in self._streams.names]
        if is_listed:
            self._gate.hub.silence(self._streams, silenced)
        else:
            self._gate.hub.unsubscribe(self._streams, silenced)
        return bool(silenced)

    def end_subscriptions(self, *, is_told: bool) -> None:
        """Forget what it listens to; there is no word for that."""
        self._gate.hub.drop(self._streams)

    def closed(self) -> None:
        self._gate.hub.drop(self._streams)
        self.logbook.closed()
        self._gate.forget(self)


def _give(answer: Answer, link: Link) -> None:
    for payload in answer.payloads:
        link.deliver(payload)
    if answer.close is not None:
        link.close(answer.close)


def _problem(code: int, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message})
