"""Bodies of HTTP answers: plain or compressed, in parts of any size; what cannot be read is unknown, never endless."""

import gzip

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors import http_body
from dogwatch.actors.http_body import Body
from dogwatch.actors.rest_wire import Wire, rest_door
from dogwatch.actors.spot.endpoints import RestBases
from dogwatch.actors.spot.errors import OutcomeUnknown
from dogwatch.actors.spot.rest_requests import RestRequest

CONTENT = b'{"serverTime":1767225600000}' * 40
ZIPPED = gzip.compress(CONTENT)


def read(encoding: str, content: bytes, size: int) -> bytes:
    body = Body(encoding)
    for start in range(0, len(content), size):
        if not body.take(content[start : start + size]):
            break
    return body.whole()


@given(st.integers(1, 200), st.sampled_from([("", CONTENT), ("identity", CONTENT), ("gzip", ZIPPED), ("GZip", ZIPPED)]))
def test_a_body_is_read_whatever_parts_it_comes_in(size: int, sent: tuple[str, bytes]) -> None:
    assert read(*sent, size) == CONTENT


@given(st.integers(1, len(ZIPPED) - 1), st.integers(1, 200))
def test_of_a_compressed_body_that_is_cut_off_nothing_is_taken_for_the_whole(length: int, size: int) -> None:
    body = Body("gzip")
    assert all(body.take(ZIPPED[start : min(start + size, length)]) for start in range(0, length, size))
    if body._content:
        with pytest.raises(OutcomeUnknown, match="it is cut off"):
            body.whole()
    else:
        assert body.whole() == b""


@pytest.mark.parametrize(
    ("encoding", "content", "says"),
    [
        ("gzip", CONTENT, "it is damaged"),
        ("gzip", ZIPPED[:20] + b"\xff" * 20 + ZIPPED[40:], "it is damaged"),
        ("br", CONTENT, "encoded as 'br', and only gzip was accepted"),
        ("gzip, gzip", ZIPPED, "only gzip was accepted"),
    ],
)
def test_what_cannot_be_read_says_why(encoding: str, content: bytes, says: str) -> None:
    with pytest.raises(OutcomeUnknown, match=says):
        read(encoding, content, 16)


def test_a_small_body_that_unfolds_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "BYTES_MAX", 10_000)
    body = Body("gzip")
    assert not body.take(gzip.compress(bytes(10_000_000)))
    assert len(body._content) == 10_001
    with pytest.raises(OutcomeUnknown, match="longer than 10000 bytes"):
        body.whole()


async def test_a_damaged_body_leaves_nothing_open_behind_it_and_the_next_answer_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    answers = [head % 500 + b"x" * 500, head % len(ZIPPED) + ZIPPED]

    async def serve(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            await stream.send_all(answers.pop(0))

    async with trio.open_nursery() as nursery:
        (listener, *_) = await nursery.start(trio.serve_tcp, serve, 0)
        origin = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with Wire(rest_door(RestBases(origins=(origin,)))) as wire:
            time = RestRequest(verb="GET", path="/api/v3/time")
            with pytest.raises(OutcomeUnknown, match="cannot be read: it is damaged"):
                await wire.exchange(origin, time, within_s=5)
            assert (await wire.exchange(origin, time, within_s=5)).body == CONTENT
        nursery.cancel_scope.cancel()
