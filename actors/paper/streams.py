"""Market streams: who listens to which stream, and the control messages of such a connection. Pure.

What is published stands in market_streams.py; how bytes come and go in server.py.
(WebSocket Streams for Binance, "General WSS information", "Live Subscribing/Unsubscribing to streams".)
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from dogwatch.actors.paper.answers import Answer, Close
from dogwatch.actors.paper.klines import INTERVALS
from dogwatch.actors.paper.nesting import is_too_nested
from dogwatch.actors.paper.time_unit import event_in_microseconds

STREAMS_MAX = 1024
MESSAGES_PER_SECOND_MAX = 5
TOO_MANY_MESSAGES = Close(code=1008, reason="Too many requests")

_NAME = re.compile(
    r"(?P<symbol>[^@A-Z]+)@(?:(?P<plain>trade|aggTrade|blockTrade|bookTicker|miniTicker|ticker|avgPrice|referencePrice)"
    r"|kline_(?P<interval>[0-9]{1,2}[smhdwM])(?P<east>@\+08:00)?|ticker_(?P<window>1h|4h|1d)"
    r"|depth(?P<levels>5|10|20)?(?P<speed>@100ms|@1000ms)?)"
)
_OF_ALL = re.compile(r"!(?:(?P<plain>miniTicker)|ticker_(?P<window>1h|4h|1d))@arr")
_EAST_MS = 8 * 3_600_000
_ID = re.compile(rb'-?[0-9]{1,19}|null|"[a-zA-Z0-9]{1,36}"')
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

Event = dict[str, Any] | list[dict[str, Any]]

_encode = msgspec.json.Encoder().encode


class StreamName(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's name taken apart. `kind` is the word of its name, but for depth, which is the changes, book, some
    levels of it, and rolling, statistics of a window. Streams of all symbols have none. `interval` is also a window.
    """

    name: str
    symbol: str
    kind: str
    interval: str = ""
    offset_ms: int = 0
    """How far the clocks of its candles are ahead of UTC."""
    levels: int = 0
    period_ms: int = 1000
    """How often streams speak that wait for a tick."""


def parse_stream(name: str) -> StreamName | None:
    """The stream of that name; None for one that is never published here. Symbols stand in lower case."""
    of_all = _OF_ALL.fullmatch(name)
    if of_all is not None:
        return StreamName(name=name, symbol="", kind=of_all["plain"] or "rolling", interval=of_all["window"] or "")
    found = _NAME.fullmatch(name)
    if found is None or (found["interval"] and found["interval"] not in INTERVALS):
        return None
    symbol = found["symbol"].upper()
    if found["plain"]:
        return StreamName(name=name, symbol=symbol, kind=found["plain"])
    if found["window"]:
        return StreamName(name=name, symbol=symbol, kind="rolling", interval=found["window"])
    if found["interval"]:
        return StreamName(
            name=name,
            symbol=symbol,
            kind="kline",
            interval=found["interval"],
            offset_ms=_EAST_MS if found["east"] else 0,
            period_ms=1000 if found["interval"] == "1s" else 2000,
        )
    period_ms = 100 if found["speed"] == "@100ms" else 1000
    if found["levels"]:
        return StreamName(name=name, symbol=symbol, kind="book", levels=int(found["levels"]), period_ms=period_ms)
    return StreamName(name=name, symbol=symbol, kind="depth", period_ms=period_ms)


class StreamClient:
    """One connection to the market streams. `deliver` takes a payload for its client; it never waits."""

    def __init__(
        self, *, deliver: Callable[[bytes], None], is_combined: bool = False, in_microseconds: bool = False
    ) -> None:
        self.deliver = deliver
        self.is_combined = is_combined
        self.in_microseconds = in_microseconds
        self.names: dict[str, None] = {}
        self._arrivals_ms: deque[int] = deque(maxlen=MESSAGES_PER_SECOND_MAX)

    def may_send_another(self, now_ms: int) -> bool:
        """Count an incoming PING, PONG or message; false for the sixth within a second."""
        arrivals = self._arrivals_ms
        too_many = len(arrivals) == MESSAGES_PER_SECOND_MAX and now_ms - arrivals[0] < 1000
        arrivals.append(now_ms)
        return not too_many


class StreamHub:
    """All market stream connections and what each listens to. A stream without listeners costs one look-up."""

    def __init__(self) -> None:
        self._clients: dict[str, dict[StreamClient, None]] = {}
        self._by_kind: dict[str, dict[str, StreamName]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._clients

    def of_kind(self, kind: str) -> Iterable[StreamName]:
        """The streams of that kind that somebody listens to."""
        return self._by_kind.get(kind, {}).values()

    def subscribe(self, client: StreamClient, names: Iterable[str]) -> bool:
        """Listen to all of them, or to none when that were too many streams for one connection."""
        wanted = dict.fromkeys(names)
        if len(client.names | wanted) > STREAMS_MAX:
            return False
        for name in wanted:
            client.names[name] = None
            listeners = self._clients.get(name)
            if listeners is not None:
                listeners[client] = None
                continue
            self._clients[name] = {client: None}
            stream = parse_stream(name)
            if stream is not None:
                self._by_kind.setdefault(stream.kind, {})[name] = stream
        return True

    def unsubscribe(self, client: StreamClient, names: Iterable[str]) -> None:
        for name in names:
            if name not in client.names:
                continue
            del client.names[name]
            self.silence(client, [name])

    def _forget(self, name: str) -> None:
        del self._clients[name]
        for streams in self._by_kind.values():
            streams.pop(name, None)

    def silence(self, client: StreamClient, names: Iterable[str]) -> None:
        """The client seems to listen to these and is told nothing."""
        for name in names:
            listeners = self._clients.get(name)
            if listeners is not None:
                listeners.pop(client, None)
                if not listeners:
                    self._forget(name)

    def drop(self, client: StreamClient) -> None:
        self.unsubscribe(client, list(client.names))

    def publish(self, name: str, event: Event) -> None:
        """Send an event, or a list of them, to everybody who listens; each of its shapes is encoded once."""
        clients = self._clients.get(name)
        if clients is None:
            return
        shapes: dict[tuple[bool, bool], bytes] = {}
        for client in clients:
            shape = (client.is_combined, client.in_microseconds)
            payload = shapes.get(shape)
            if payload is None:
                payload = shapes[shape] = _shaped(name, event, *shape)
            client.deliver(payload)


class StreamControl:
    """The control messages of a market stream connection: subscribe, unsubscribe, list, the property `combined`."""

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub

    def answer(self, frame: bytes | str, client: StreamClient, now_ms: int) -> Answer:
        """Everything that one text frame brings about."""
        if not client.may_send_another(now_ms):
            return Answer(close=TOO_MANY_MESSAGES)
        if is_too_nested(frame):
            return _error(3, "Invalid JSON: recursion limit exceeded at line 1 column 128")
        try:
            request = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(request, dict):
            return _error(2, "Invalid request: missing field `method` at line 1 column 1")
        request_id = _encode(request.get("id"))
        if "id" not in request or _ID.fullmatch(request_id) is None:
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        try:
            result = self._carry_out(request, client)
        except _BadRequest as bad:
            return _error(bad.code, bad.message, request_id)
        return Answer(payloads=(b'{"result":%b,"id":%b}' % (_encode(result), request_id),))

    def _carry_out(self, request: dict[str, Any], client: StreamClient) -> Any:
        params = request.get("params", [])
        match request.get("method"):
            case "SUBSCRIBE":
                if not self._hub.subscribe(client, _names(params)):
                    raise _BadRequest(2, f"Invalid request: a connection can listen to {STREAMS_MAX} streams")
                return None
            case "UNSUBSCRIBE":
                self._hub.unsubscribe(client, _names(params))
                return None
            case "LIST_SUBSCRIPTIONS":
                return list(client.names)
            case "SET_PROPERTY":
                return _set_property(client, params)
            case "GET_PROPERTY":
                _check_property(params, length=1)
                return client.is_combined
            case None:
                raise _BadRequest(2, "Invalid request: missing field `method` at line 1 column 1")
            case other:
                variants = ", ".join(f"`{name}`" for name in _METHODS)
                raise _BadRequest(2, f"Invalid request: unknown variant `{other}`, expected one of {variants}")


class _BadRequest(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _names(params: Any) -> Iterator[str]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise _BadRequest(2, "Invalid request: params must be a list of stream names")
    return iter(params)


def _set_property(client: StreamClient, params: Any) -> None:
    _check_property(params, length=2)
    if not isinstance(params[1], bool):
        raise _BadRequest(1, "Invalid value type: expected Boolean")
    client.is_combined = params[1]


def _check_property(params: Any, *, length: int) -> None:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        raise _BadRequest(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _BadRequest(0, "Unknown property")
    if len(params) > length:
        raise _BadRequest(2, "Invalid request: too many parameters")
    if len(params) < length:
        raise _BadRequest(1, "Invalid value type: expected Boolean")


def _error(code: int, message: str, request_id: bytes | None = None) -> Answer:
    error = _encode({"code": code, "msg": message})
    if request_id is not None:
        error = b'%b,"id":%b}' % (error[:-1], request_id)
    return Answer(payloads=(error,))


def _shaped(name: str, event: Event, is_combined: bool, in_microseconds: bool) -> bytes:
    payload = _encode(_in_microseconds(event) if in_microseconds else event)
    return b'{"stream":%b,"data":%b}' % (_encode(name), payload) if is_combined else payload


def _in_microseconds(event: Event) -> Event:
    return [event_in_microseconds(one) for one in event] if isinstance(event, list) else event_in_microseconds(event)
