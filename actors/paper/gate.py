"""Where connections come in: a handshake's target leads to the WebSocket API, to market streams, or to a refusal.

Each connection gets a client object that carries frames to the pure parts and their answers back to its link.
"""

from collections.abc import Callable
from urllib.parse import parse_qs, unquote

import msgspec

from dogwatch.actors.paper.answers import DISCONNECTED, Answer
from dogwatch.actors.paper.faults import ConnectionFault
from dogwatch.actors.paper.interference import Interference
from dogwatch.actors.paper.protocol import EnvelopeProtocol
from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.server import Client, Link, Rejection
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.streams import STREAMS_MAX, TOO_MANY_MESSAGES, StreamClient, StreamControl, StreamHub
from dogwatch.actors.paper.time_unit import is_in_microseconds
from dogwatch.actors.paper.user_streams import UserStreams
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
        self.events_first = events_first
        self._api_clients: dict[ApiClient, None] = {}

    def open(self, target: str, address: str, link: Link) -> Client | Rejection:
        """What stands behind this target, or why there is nothing (HTTP 400, 404, 418, 429)."""
        limits = self.protocol.address_limits(address)
        now_ms = self.clock.unix_ms()
        if not limits.admits_connection(now_ms):
            is_banned = now_ms < limits.banned_until_ms
            until_ms = limits.banned_until_ms if is_banned else limits.connections.next_start_ms(now_ms)
            retry_after_s = -(-(until_ms - now_ms) // 1000)
            return Rejection(
                status=418 if is_banned else 429,
                body=_problem(-1003, "Too many connection attempts."),
                retry_after_s=retry_after_s,
            )
        path, _, query = target.partition("?")
        try:
            if path == API_PATH:
                limits.charge(CONNECTING_WEIGHT, now_ms)
                return self._open_api(query, address, link, now_ms)
            return self._open_streams(path, query, link)
        except Refused as refusal:
            return Rejection(status=refusal.status, body=_problem(refusal.code, refusal.msg))

    def forget(self, client: "ApiClient") -> None:
        del self._api_clients[client]

    def drop_address(self, address: str) -> None:
        """End every API connection of a banned address."""
        for client in list(self._api_clients):
            if client.session.address == address:
                client.link.close(DISCONNECTED)

    def break_all(self, fault: ConnectionFault) -> None:
        """Let this happen to every API connection now."""
        for client in list(self._api_clients):
            self.interference.break_link(fault, client.link)

    def _open_api(self, query: str, address: str, link: Link, now_ms: int) -> Client:
        options = parse_qs(query)
        if options.get("responseFormat", ["json"])[-1] != "json":
            raise Refused(-1155, "SBE is not enabled.")
        session = Session(
            deliver=link.deliver,
            connected_since_ms=now_ms,
            address=address,
            returns_rate_limits=options.get("returnRateLimits", ["true"])[-1] != "false",
            in_microseconds=is_in_microseconds(query),
        )
        client = ApiClient(self, session, link)
        self._api_clients[client] = None
        return client

    def _open_streams(self, path: str, query: str, link: Link) -> Client:
        is_combined = path == "/stream"
        if is_combined:
            names = [name for value in parse_qs(query).get("streams", []) for name in value.split("/")]
        elif path == "/ws" or path.startswith("/ws/"):
            names = unquote(path.removeprefix("/ws")).split("/")
        else:
            raise Refused(-1000, f"There is nothing at {path}: try {API_PATH}, /ws or /stream.", status=404)
        client = StreamClient(deliver=link.deliver, is_combined=is_combined, in_microseconds=is_in_microseconds(query))
        if not self.hub.subscribe(client, [name for name in names if name]):
            raise Refused(-1000, f"A connection can listen to {STREAMS_MAX} streams.")
        self.settle()
        return MarketClient(self, client, link)


class ApiClient:
    """A connection to the WebSocket API."""

    def __init__(self, gate: Gate, session: Session, link: Link) -> None:
        self.session = session
        self.link = link
        self._gate = gate

    def receive(self, message: str) -> None:
        gate = self._gate
        if gate.faults.is_armed:
            gate.interference.receive(message, self)
            return
        answer = gate.protocol.answer(message, self.session, gate.clock.unix_us())
        self.conclude(answer, events_first=gate.events_first)

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer, and the events that its request has caused."""
        gate = self._gate
        if events_first:
            gate.settle()
        _give(answer, self.link)
        gate.settle()
        if answer.close is not None and gate.protocol.is_banned(self.session.address, gate.clock.unix_ms()):
            gate.drop_address(self.session.address)

    def receive_control(self) -> None:
        """Pings and pongs are not counted here."""

    def closed(self) -> None:
        self._gate.user_streams.remove(self.session, self.session.unsubscribe(None))
        self._gate.forget(self)


class MarketClient:
    """A connection to the market streams."""

    def __init__(self, gate: Gate, client: StreamClient, link: Link) -> None:
        self._gate = gate
        self._client = client
        self._link = link

    def receive(self, message: str) -> None:
        _give(self._gate.control.answer(message, self._client, self._gate.clock.unix_ms()), self._link)
        # A new candle stream has to be woken up in time.
        self._gate.settle()

    def receive_control(self) -> None:
        if not self._client.may_send_another(self._gate.clock.unix_ms()):
            self._link.close(TOO_MANY_MESSAGES)

    def closed(self) -> None:
        self._gate.hub.drop(self._client)


def _give(answer: Answer, link: Link) -> None:
    for payload in answer.payloads:
        link.deliver(payload)
    if answer.close is not None:
        link.close(answer.close)


def _problem(code: int, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message})
