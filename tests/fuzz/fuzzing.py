"""Frame after frame into every decoder: what cannot be read is told, and nothing else is ever raised."""

from collections import Counter
from random import Random
from typing import Any, get_args, get_origin

import msgspec

from dogwatch.actors.spot.captured import Reader, Unreadable
from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent
from dogwatch.actors.spot.errors import MalformedResult, Rejected
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.requests import REQUESTS
from dogwatch.actors.spot.stream_events import StreamEvent, StreamResponse
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.value_table import render_value
from tests.fuzz.examples import api_frame, example, misplaced, stream_frame
from tests.fuzz.mutations import mutated

EXCERPT_BYTES_MAX = 200
RESULT_TYPES = {request: get_args(request.__orig_bases__[0])[0] for request in REQUESTS}  # type: ignore[attr-defined]


class Escaped(AssertionError):
    """A frame did what no frame may do."""


def fuzz(seed: int, frames: int) -> Counter[str]:
    """Decode so many frames. Returns what became of them; raises Escaped with the first that did something else."""
    rng = Random(seed)
    reader = Reader()
    seen: Counter[str] = Counter()
    for number in range(frames):
        payload = b""
        try:
            if number % 3 == 0:
                payload = mutated(api_frame(rng), rng)
                seen[_api(payload)] += 1
            elif number % 3 == 1:
                payload = mutated(stream_frame(rng) if number % 2 else misplaced(rng), rng)
                seen[_stream(payload)] += 1
            else:
                request = rng.choice(REQUESTS)
                payload = mutated(example(RESULT_TYPES[request], rng), rng)
                seen[_result(request, payload)] += 1
            if number % 10 == 0:
                _capture(reader, payload)
        except Exception as error:
            raise Escaped(f"frame {number} of seed {seed}, {payload[:500]!r}: {error!r}") from error
    return seen


def _api(payload: bytes) -> str:
    frame = with_instants(decode_frame(payload))
    assert isinstance(frame, Response | UserEvent | MalformedFrame)
    assert repr(frame)  # as logs have it
    if isinstance(frame, Response):
        assert frame.error is None or isinstance(frame.error.retry_after_ms, int | None)
    return _named(frame, payload, "answer or event")


def _stream(payload: bytes) -> str:
    frame = with_instants(decode_stream_frame(payload))
    assert isinstance(frame, StreamEvent | StreamResponse | MalformedFrame)
    assert repr(frame)
    return _named(frame, payload, "frame of a stream")


def _named(frame: object, payload: bytes, kind: str) -> str:
    if not isinstance(frame, MalformedFrame):
        return kind
    assert frame.problem
    assert frame.length == len(payload)
    assert payload.startswith(frame.excerpt)
    assert len(frame.excerpt) <= EXCERPT_BYTES_MAX
    return f"no {kind}"


def _result(request: Any, payload: bytes) -> str:
    try:
        result = request.decode(payload)
    except MalformedResult:
        return "no result"
    except Rejected:
        return "refusal in a result"
    assert repr(result)
    kind = RESULT_TYPES[request]
    assert isinstance(result, tuple if get_origin(kind) is tuple else kind)
    return "result"


def _capture(reader: Reader, payload: bytes) -> None:
    try:
        captured = reader.read(payload)
    except Unreadable:
        return
    assert msgspec.json.encode(captured.form)
    render_value(captured.value)
