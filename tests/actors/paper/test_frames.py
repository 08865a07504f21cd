"""The fast way to read frames says what wsproto alone says, whatever the frames and however they arrive."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from dogwatch.actors.paper.frames import FrameIntake


def connected() -> tuple[WSConnection, WSConnection]:
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="h", target="/")))
    list(server.events())
    client.receive_data(server.send(AcceptConnection()))
    list(client.events())
    return client, server


def told(events: Iterable[str | Event]) -> list[tuple[object, ...]]:
    """Events as plain values; the pieces of one message put together as far as they have come."""
    values: list[tuple[object, ...]] = []
    text = ""
    for event in events:
        match event:
            case str():
                values.append(("text", event))
            case TextMessage():
                text += event.data
                if event.message_finished:
                    values.append(("text", text))
                    text = ""
            case BytesMessage():
                if event.message_finished:
                    values.append(("bytes",))
            case Ping() | Pong():
                values.append((type(event).__name__, bytes(event.payload)))
            case CloseConnection():
                values.append(("close", int(event.code)))
                break
            case _:
                values.append((type(event).__name__,))
    return values


def read(data: bytes, cuts: list[int], *, fast: bool) -> list[tuple[object, ...]]:
    _, server = connected()
    intake = FrameIntake(server)
    events: list[str | Event] = []
    bounds = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    for start, end in pairwise(bounds):
        if start == end:
            continue
        if fast:
            events.extend(intake.take(data[start:end]))
        else:
            server.receive_data(data[start:end])
            events.extend(server.events())
        if any(isinstance(event, CloseConnection) for event in events):
            break
    return told(events)


frames: st.SearchStrategy[Event] = st.one_of(
    st.text(max_size=40).map(lambda text: TextMessage(data=text)),
    st.sampled_from([120, 125, 126, 127, 65_535, 65_536]).map(lambda size: TextMessage(data="x" * size)),
    st.text(max_size=5).map(lambda text: TextMessage(data=text, message_finished=False)),
    st.binary(max_size=20).map(lambda payload: Ping(payload=payload)),
    st.binary(max_size=20).map(lambda payload: Pong(payload=payload)),
)
cuts = st.lists(st.integers(0, 200_000), max_size=8)


@given(sent=st.lists(frames, max_size=6), cuts=cuts)
def test_every_frame_reads_as_wsproto_reads_it(sent: list[Event], cuts: list[int]) -> None:
    client, _ = connected()
    data = b"".join(client.send(event) for event in sent)
    assert read(data, cuts, fast=True) == read(data, cuts, fast=False)


@given(data=st.binary(max_size=60), cuts=cuts)
@example(data=b"\x81\x02hi", cuts=[])
@example(data=b"\x81\xfe\x00\x01\0\0\0\0a", cuts=[])
@example(data=b"\x81\x82\0\0\0\0\xff\xff", cuts=[3])
@example(data=b"\xc1\x81\0\0\0\0a", cuts=[])
@example(data=b"\x81\xff" + b"\xff" * 8, cuts=[])
@example(data=b"\x82\x82\0\0\0\0\0", cuts=[])
@example(data=b"\x89\xfe\x00\x7e" + bytes(4) + b"x" * 126, cuts=[])
def test_garbage_reads_as_wsproto_reads_it(data: bytes, cuts: list[int]) -> None:
    fast, slow = read(data, cuts, fast=True), read(data, cuts, fast=False)
    # A frame that is not whole yet may be refused earlier by wsproto, which looks at its first bytes at once.
    assert fast in (slow, slow[:-1] if slow and slow[-1][0] == "close" else slow)


def test_a_whole_refusal_is_told_the_same() -> None:
    for data in (b"\x81\x02hi", b"\x81\x82\0\0\0\0\xff\xff", b"\x83\x80\0\0\0\0", b"\xc1\x81\0\0\0\0a"):
        assert read(data, [], fast=True) == read(data, [], fast=False)
        assert read(data, [], fast=True)[-1][0] == "close"
