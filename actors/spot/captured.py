"""Reading captured frames, of whatever kind they are: answers, events of a user, events of streams, requests. Pure.

A frame alone does not say which request it answers: that is told, or was seen before in the same capture.
"""

from enum import Enum
from typing import Any, get_args

import msgspec

from dogwatch.actors.spot.envelope import UNDECODABLE, MalformedFrame, RateLimitUsage, Response, UserEvent
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, Rejected
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.general_results import Empty
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.requests import request_of
from dogwatch.actors.spot.results import CancelReplaceResult, decode_result
from dogwatch.actors.spot.stream_events import StreamResponse, UnknownStreamEvent
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.spot.user_events import AnyUserEvent, UnknownEvent
from dogwatch.actors.spot.wire_form import wire_form

REQUESTS_MAX = 10_000
"""So many requests of a capture are remembered, for their answers."""
NO_PARAMS = msgspec.Raw(b"{}")
_SIGNING = frozenset({"apiKey", "signature"})


class Kind(Enum):
    """What the frames of a capture are."""

    USER_DATA = "user-data"
    STREAM = "stream"


class Unreadable(Exception):
    """A frame cannot be read as what it should be. Says why."""


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What a frame says: a `title` in a few words, the typed `value`, and `form`, the JSON that it is under the
    exchange's names."""

    title: str
    value: Any
    form: Any
    rate_limits: tuple[RateLimitUsage, ...] = ()


class ExplainedError(msgspec.Struct, frozen=True, kw_only=True):
    """An error of the exchange with the name of its code and what to do about it. `data` is JSON, or what became of the
    two parts of an order.cancelReplace."""

    code: int
    name: str
    message: str
    hint: str | None = None
    data: str | CancelReplaceResult | None = None


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a request under the exchange's name."""

    name: str
    value: str


class _Members(msgspec.Struct, frozen=True):
    """What tells the kinds apart: which members there are, and of which type some of them."""

    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = NO_PARAMS
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    code: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    msg: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    e: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_answer(self) -> bool:
        """Whether this is a response of the WebSocket API. A bare result may have a `status` too, which is a word."""
        return isinstance(self.status, msgspec.Raw) and bytes(self.status).isdigit()

    @property
    def is_refusal(self) -> bool:
        """Whether this is the body of an error over REST."""
        return self.code is not msgspec.UNSET and self.msg is not msgspec.UNSET


_decode_members = msgspec.json.Decoder(_Members).decode
_USER_EVENTS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyUserEvent))


class Reader:
    """Reads the frames of one capture, in their order.

    With a `method` they are its answers: whole frames, or results alone as REST sends them. With a `kind` they are
    frames of that kind. Without both each is recognised by what it has, and an answer by the request before it.
    """

    def __init__(self, *, method: Method | None = None, kind: Kind | None = None) -> None:
        self._method = method
        self._kind = kind
        self._asked: dict[int | str | None, str] = {}

    def read(self, text: bytes) -> Captured:
        """Raises Unreadable for what is no such frame."""
        try:
            return self._read(text)
        except UNDECODABLE as error:  # in a part that is only looked into to show it
            raise Unreadable(str(error)) from None

    def _read(self, text: bytes) -> Captured:
        if self._method is not None:
            return self._read_answer(text, self._method)
        if self._kind is Kind.USER_DATA:
            return _read_user_event(text)
        if self._kind is Kind.STREAM:
            if text.startswith(b"{") and _decode_members(text).is_answer:
                raise Unreadable("an answer of the WebSocket API, not a frame of a stream connection")
            return _read_stream(text)
        return self._recognise(text)

    def _recognise(self, text: bytes) -> Captured:
        if text.startswith(b"["):
            return _read_stream(text)
        members = _decode_members(text)
        if members.method is not None:
            return self._remember(members, members.method)
        if members.is_answer:
            return self._read_answer(text, self._asked.get(members.id))
        if members.event is not msgspec.UNSET or _event_type(members) in _USER_EVENTS:
            return _read_user_event(text)
        if members.is_refusal:
            return _refusal_over_rest(text)
        return _read_stream(text)

    def _remember(self, members: _Members, method: str) -> Captured:
        """A request: its answer will come later. What it is signed with is not shown."""
        self._asked[members.id] = method
        if len(self._asked) > REQUESTS_MAX:
            del self._asked[next(iter(self._asked))]
        params = msgspec.json.decode(members.params)
        if isinstance(params, dict):
            params = {name: value for name, value in params.items() if name not in _SIGNING}
        elif not isinstance(params, list) or not all(isinstance(param, str | int) for param in params):
            raise Unreadable(f"a request of {method} whose params are neither an object nor a list of words")
        form = {"id": members.id, "method": method, **({"params": params} if params else {})}
        return Captured(title=f"request of {method}, id {members.id}", value=_shown(params), form=form)

    def _read_answer(self, text: bytes, method: str | None) -> Captured:
        """An answer to this method, as a frame or as what REST sends: a result or an error alone."""
        if text.startswith(b"{"):
            members = _decode_members(text)
            if members.method is not None or members.params is not NO_PARAMS:
                raise Unreadable("a request, not an answer")
            if members.is_answer:
                return _read_response(text, method)
            if members.is_refusal:
                return _refusal_over_rest(text)
        value = _typed_result(text, method)
        return Captured(title=f"{_described(value)}, result of {method}", value=value, form=wire_form(value))


def _read_response(text: bytes, method: str | None) -> Captured:
    response = with_instants(decode_frame(text))
    if isinstance(response, MalformedFrame):
        raise Unreadable(response.problem)
    if not isinstance(response, Response):
        raise Unreadable("an event, not an answer")
    form = wire_form(response)
    if not response.rate_limits:
        form.pop("rateLimits", None)  # not asked for
    what = f"answer to {method or 'a request'}, id {response.id}, status {response.status}"
    limits = response.rate_limits
    if response.error is not None:
        return Captured(title=f"refusal, {what}", value=_explained(response.error), form=form, rate_limits=limits)
    try:
        value = _typed_result(response.result, method)
    except Rejected as refused:  # a result may be a refusal
        error = ExchangeError(code=refused.code, message=refused.wording)
        return Captured(title=f"refusal, {what}", value=_explained(error), form=form, rate_limits=limits)
    form["result"] = wire_form(value)
    return Captured(title=f"{_described(value)}, {what}", value=value, form=form, rate_limits=limits)


def _typed_result(result: bytes | msgspec.Raw, method: str | None) -> Any:
    if method is None:
        raise Unreadable("an answer to a request that is not in this capture: give --method")
    try:
        known = Method(method.removeprefix("v3/"))
    except ValueError:
        raise Unreadable(f"an answer to {method}, which is no method of the WebSocket API") from None
    try:
        return request_of(known).decode(result)
    except MalformedResult as error:
        raise Unreadable(error.message) from None


def _read_user_event(text: bytes) -> Captured:
    frame = with_instants(decode_frame(text))
    if isinstance(frame, MalformedFrame):
        raise Unreadable(frame.problem)
    if not isinstance(frame, UserEvent):
        raise Unreadable("an answer, not an event of a user")
    if isinstance(frame.event, UnknownEvent):
        raise Unreadable(f"an event of an unknown type: {frame.event.event_type}")
    whose = "" if frame.subscription_id is None else f", subscription {frame.subscription_id}"
    form = wire_form(frame.event if _decode_members(text).event is msgspec.UNSET else frame)
    return Captured(title=f"{_described(frame.event)}{whose}", value=frame.event, form=form)


def _read_stream(text: bytes) -> Captured:
    frame = with_instants(decode_stream_frame(text))
    if isinstance(frame, MalformedFrame):
        raise Unreadable(frame.problem)
    if isinstance(frame, StreamResponse):
        return _stream_answer(frame)
    if isinstance(frame.event, UnknownStreamEvent):
        if not frame.event.event_type:
            raise Unreadable("what this is cannot be told: give --method, --user-data or --stream")
        raise Unreadable(f"an event of an unknown type: {frame.event.event_type}")
    if frame.stream is None:  # a raw frame is the event itself
        return Captured(title=_described(frame.event), value=frame.event, form=wire_form(frame.event))
    return Captured(title=f"{_described(frame.event)}, {frame.stream}", value=frame.event, form=wire_form(frame))


def _stream_answer(answer: StreamResponse) -> Captured:
    form, where = wire_form(answer), f"on a stream connection, id {answer.id}"
    if answer.error is not None:
        del form["result"]
        return Captured(title=f"refusal {where}", value=_explained(answer.error), form=form)
    return Captured(title=f"answer {where}", value=_shown(form.get("result")), form=form)


def _refusal_over_rest(text: bytes) -> Captured:
    error = msgspec.json.decode(text, type=ExchangeError)
    return Captured(title="refusal", value=_explained(error), form=wire_form(error))


def _explained(error: ExchangeError) -> ExplainedError:
    return ExplainedError(
        code=error.code,
        name=error.facts.name,
        message=error.message,
        hint=error.hint or None,
        data=_data(error),
    )


def _data(error: ExchangeError) -> str | CancelReplaceResult | None:
    try:
        return decode_result(error.data, CancelReplaceResult)
    except MalformedResult:
        return bytes(error.data).decode() or None


def _shown(value: Any) -> Any:
    """What has no type of its own: the names and values of an object, the items of an array."""
    if value is None:
        return Empty()
    if isinstance(value, dict):
        return tuple(Parameter(name=name, value=_text(item)) for name, item in value.items())
    return tuple(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _event_type(members: _Members) -> str:
    """The type that an event names; an empty text if this is none, or one in a wrapper."""
    return "" if members.e is msgspec.UNSET else bytes(members.e).strip(b'"').decode("utf-8", "replace")


def _described(value: Any) -> str:
    """`Trade`, or `3 MiniTicker`."""
    if not isinstance(value, tuple):
        return type(value).__name__
    kinds = " and ".join(sorted({type(item).__name__ for item in value}))
    return f"{len(value)} {kinds}" if value else "none"
