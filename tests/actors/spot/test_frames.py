"""The fast frame path against wsproto itself: same messages, same events, same errors, in the same order."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage

from dogwatch.actors.spot.frames import FrameReader, encode_pong_frame, encode_text_frame
from dogwatch.actors.spot.oversized import Oversized

MESSAGE_BYTES_MAX = 70_000
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


def frame(
    opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, length_bytes: int | None = None
) -> bytes:
    """One server frame, exactly as asked for, legal or not. `length_bytes`: 0, 2 or 8; None takes the shortest."""
    size = len(payload)
    if length_bytes is None:
        length_bytes = 0 if size <= 125 else 2 if size <= 0xFFFF else 8
    first = (0x80 if final else 0) | reserved | opcode
    second = {0: size, 2: 126, 8: 127}[length_bytes]
    return bytes((first, second)) + (size.to_bytes(length_bytes) if length_bytes else b"") + payload


def masked_frame(payload: bytes) -> bytes:
    return encode_text_frame(payload, b"abcd")


def reader() -> FrameReader[Event]:
    return FrameReader(Connection(ConnectionType.CLIENT), message_bytes_max=MESSAGE_BYTES_MAX)


def split(data: bytes, points: Iterable[int]) -> list[bytes]:
    cuts = [0, *sorted(min(point, len(data)) for point in points), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(cuts)]


def seen(event: Event | Oversized) -> object:
    """An event as something to compare. What wsproto says about bad UTF-8 counts bytes from the last split."""
    if isinstance(event, Oversized):
        return "oversized"
    if isinstance(event, CloseConnection):
        return ("close", event.code, None if event.code == 1007 else event.reason)
    return (type(event).__name__, bytes(getattr(event, "payload", b"")))


def by_the_reader(pieces: Iterable[bytes]) -> list[object]:
    frames = reader()
    result: list[object] = []
    for piece in pieces:
        for item in frames.receive(piece):
            if isinstance(item, list):
                assert all(type(payload) is bytes for payload in item)
                result.extend(item)
            else:
                result.append(seen(item))
    return result


def by_wsproto(data: bytes) -> list[object]:
    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(data)
    result: list[object] = []
    message = b""
    for event in connection.events():
        if not isinstance(event, Message):
            result.append(seen(event))
            continue
        message += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
        if len(message) > MESSAGE_BYTES_MAX:
            return [*result, "oversized"]
        if event.message_finished:
            result.append(message)
            message = b""
    return result


sizes = st.sampled_from([0, 1, 2, 7, 125, 126, 127, 300, 0xFFFF, 0x10000, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1])
texts = st.one_of(
    st.text(max_size=40).map(str.encode),
    sizes.map(lambda size: b"x" * size),
    sizes.map(lambda size: "é".encode() * (size // 2)),
)
payloads = st.one_of(texts, st.binary(max_size=40))
pings = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125))
whole_messages = st.one_of(st.builds(frame, st.just(TEXT), texts), st.builds(frame, st.just(BINARY), payloads))


@st.composite
def fragmented_messages(draw: st.DrawFn) -> bytes:
    """A message in fragments, cut anywhere (also inside a character), with control frames between."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    fragments = split(draw(texts), draw(st.lists(st.integers(0, 60), min_size=1, max_size=3)))
    result = b""
    for index, fragment in enumerate(fragments):
        result += b"".join(draw(st.lists(pings, max_size=2))) if index else b""
        final = index == len(fragments) - 1
        result += frame(CONTINUATION if index else opcode, fragment, final=final)
    return result


good_pieces = st.one_of(whole_messages, whole_messages, pings, fragmented_messages())
closes = st.one_of(
    st.just(frame(CLOSE, b"")),
    st.just(frame(CLOSE, b"\x03")),
    st.builds(lambda code, text: frame(CLOSE, code.to_bytes(2) + text), st.integers(0, 5100), st.binary(max_size=20)),
    st.builds(lambda text: frame(CLOSE, b"\x03\xe8" + text.encode()), st.text(max_size=20)),
)
broken_pieces = st.one_of(
    st.builds(frame, st.just(TEXT), st.binary(max_size=40)),
    st.builds(masked_frame, st.binary(max_size=200)),
    st.builds(
        frame,
        st.integers(0, 15),
        payloads.filter(lambda p: len(p) < 126),
        reserved=st.integers(1, 7).map(lambda bits: bits << 4),
    ),
    st.builds(frame, st.integers(3, 7), st.binary(max_size=10)),
    st.builds(frame, st.integers(11, 15), st.binary(max_size=10)),
    st.builds(frame, st.integers(0, 15), st.binary(max_size=130), length_bytes=st.sampled_from([2, 8])),
    st.builds(frame, st.sampled_from([CLOSE, PING, PONG]), st.binary(max_size=10), final=st.just(False)),
    st.builds(frame, st.just(CONTINUATION), st.binary(max_size=10), final=st.booleans()),
    st.builds(
        lambda opcode: bytes((0x80 | opcode, 127)) + (1 << 63).to_bytes(8) + b"x", st.sampled_from([TEXT, BINARY])
    ),
    st.builds(lambda opcode, text: frame(opcode, b"begun", final=False) + text, st.just(TEXT), whole_messages),
    st.builds(lambda bad: frame(TEXT, b"begun", final=False) + frame(CONTINUATION, bad), st.binary(max_size=20)),
)
cut_points = st.lists(st.one_of(st.integers(0, 30), st.integers(0, 200_000)), max_size=8)


@settings(max_examples=300)
@given(st.lists(good_pieces, max_size=8), cut_points)
def test_any_payloads_at_any_split_points_read_as_wsproto_reads_them(pieces: list[bytes], points: list[int]) -> None:
    data = b"".join(pieces)
    assert by_the_reader(split(data, points)) == by_wsproto(data)


@given(
    st.lists(good_pieces, max_size=3), st.one_of(broken_pieces, closes), st.lists(good_pieces, max_size=2), cut_points
)
def test_a_broken_rule_or_a_close_ends_the_stream_as_in_wsproto(
    before: list[bytes], end: bytes, after: list[bytes], points: list[int]
) -> None:
    data = b"".join([*before, end, *after])
    assert by_the_reader(split(data, points)) == by_wsproto(data)


BEGUN = frame(TEXT, b"begun", final=False)
BROKEN = {
    "masked": masked_frame(b"masked"),
    "masked empty": masked_frame(b""),
    "reserved bit 1": frame(TEXT, b"x", reserved=0x40),
    "reserved bit 2": frame(BINARY, b"x", reserved=0x20),
    "reserved bit 3": frame(PING, b"x", reserved=0x10),
    "2 bytes of length for 125": frame(TEXT, b"x" * 125, length_bytes=2),
    "8 bytes of length for 125": frame(BINARY, b"x" * 125, length_bytes=8),
    "8 bytes of length for 65535": frame(TEXT, b"x" * 0xFFFF, length_bytes=8),
    "length with its highest bit set": bytes((0x81, 127)) + (1 << 63).to_bytes(8),
    "unknown data opcode": frame(3, b"x"),
    "unknown control opcode": frame(11, b"x"),
    "ping in fragments": frame(PING, b"x", final=False),
    "ping of 126 bytes": frame(PING, b"x" * 126),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "message within a message": BEGUN + frame(TEXT, b"another"),
    "message within a message, too big together": BEGUN + frame(TEXT, b"x" * MESSAGE_BYTES_MAX),
    "bad UTF-8": frame(TEXT, b"good \xff bad"),
    "bad UTF-8 in a continuation": BEGUN + frame(CONTINUATION, b"\xff"),
    "half a character at the end": frame(TEXT, "π".encode()[:1]),
    "close of 1 byte": frame(CLOSE, b"\x03"),
    "close with a code of its own making": frame(CLOSE, (1005).to_bytes(2)),
    "close with bad UTF-8": frame(CLOSE, b"\x03\xe8\xff"),
}


@pytest.mark.parametrize("piece_bytes", [1, 3, 1_000_000])
@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_refused_in_wsprotos_words(name: str, piece_bytes: int) -> None:
    data = frame(TEXT, b"before") + BROKEN[name] + frame(TEXT, b"after")
    theirs = by_wsproto(data)
    assert len(theirs) == 2, "the message before, then the end"
    assert by_the_reader(split(data, range(0, len(data), piece_bytes))) == theirs


@given(st.lists(st.one_of(good_pieces, broken_pieces, closes), max_size=4), st.integers(0, 300), cut_points)
def test_a_stream_cut_anywhere_gives_what_was_complete(pieces: list[bytes], kept: int, points: list[int]) -> None:
    data = b"".join(pieces)[:kept]
    ours, theirs = by_the_reader(split(data, points)), by_wsproto(data)
    # An incomplete last frame: bad UTF-8 shows once it is complete, an oversize as soon as it is announced.
    assert ours == theirs or theirs == [*ours, ("close", 1007, None)] or ours == [*theirs, "oversized"]


@given(st.binary(max_size=400), cut_points)
@example(data=b"\x81", points=[])
@example(data=b"\x81\x7e\x00", points=[1, 2])
def test_noise_is_refused_as_wsproto_refuses_it(data: bytes, points: list[int]) -> None:
    ours, theirs = by_the_reader(split(data, points)), by_wsproto(data)
    assert ours == theirs or theirs == [*ours, ("close", 1007, None)] or ours == [*theirs, "oversized"]


@given(st.lists(good_pieces, max_size=3))
def test_one_byte_at_a_time_reads_the_same(pieces: list[bytes]) -> None:
    data = b"".join(pieces)[:2000]
    ours = by_the_reader(data[index : index + 1] for index in range(len(data)))
    assert ours == by_the_reader([data])


def test_all_messages_of_one_recv_are_one_batch() -> None:
    data = b"".join(frame(TEXT, b'{"id":%d}' % number) for number in range(50))
    assert reader().receive(data) == [[b'{"id":%d}' % number for number in range(50)]]


def test_a_ping_between_messages_keeps_its_place() -> None:
    data = frame(TEXT, b"1") + frame(PING, b"now") + frame(TEXT, b"2")
    before, ping, after = reader().receive(data)
    assert (before, after) == ([b"1"], [b"2"])
    assert isinstance(ping, Ping)
    assert bytes(ping.payload) == b"now"


def test_after_a_ping_or_a_fragmented_message_the_fast_path_goes_on() -> None:
    class Watched:
        """wsproto, and what it was given."""

        def __init__(self) -> None:
            self.received = b""
            self._inner = Connection(ConnectionType.CLIENT)

        def receive_data(self, data: bytes, /) -> None:
            self.received += data
            self._inner.receive_data(data)

        def events(self) -> Iterable[Event]:
            return self._inner.events()

    delegate = Watched()
    frames: FrameReader[Event] = FrameReader(delegate, message_bytes_max=MESSAGE_BYTES_MAX)
    fragments = frame(TEXT, b"in ", final=False) + frame(CONTINUATION, b"two")
    items = frames.receive(frame(PING, b"") + frame(TEXT, b"one") + fragments + frame(TEXT, b"three"))
    assert [item for item in items if isinstance(item, list)] == [[b"one", b"in two"], [b"three"]]
    assert delegate.received == frame(PING, b"") + fragments


def test_bytearrays_come_out_as_bytes() -> None:
    (batch,) = reader().receive(bytearray(frame(TEXT, b"text")))
    assert batch == [b"text"]
    assert isinstance(batch, list)
    assert type(batch[0]) is bytes


def test_a_message_of_several_megabytes_is_joined_once_from_its_pieces() -> None:
    payload = b"0123456789" * 400_000
    frames: FrameReader[Event] = FrameReader(Connection(ConnectionType.CLIENT), message_bytes_max=8_000_000)
    pieces = split(frame(TEXT, payload), range(0, 4_000_000, 65_536))
    items = [item for piece in pieces for item in frames.receive(piece)]
    assert items == [[payload]]


@pytest.mark.parametrize("announced", [MESSAGE_BYTES_MAX + 1, 1 << 40])
def test_an_oversized_message_is_refused_when_it_is_announced_before_it_fills_the_memory(announced: int) -> None:
    frames = reader()
    header = bytes((0x81, 127)) + announced.to_bytes(8)
    assert frames.receive(header) == [Oversized(size_bytes=announced, size_bytes_max=MESSAGE_BYTES_MAX)]
    assert frames.receive(b"x" * 100) == []


def test_fragments_that_add_up_to_too_much_are_refused() -> None:
    half = b"x" * (MESSAGE_BYTES_MAX // 2 + 1)
    data = frame(TEXT, half, final=False) + frame(CONTINUATION, half)
    assert reader().receive(data) == [Oversized(size_bytes=2 * len(half), size_bytes_max=MESSAGE_BYTES_MAX)]


def test_whatever_a_delegate_with_extensions_accepts_is_accepted() -> None:
    """A reserved bit hands the stream over for good; the delegate may know what it means."""

    class Knowing:
        def __init__(self) -> None:
            self.received = b""

        def receive_data(self, data: bytes, /) -> None:
            self.received += data

        def events(self) -> list[Event]:
            return [TextMessage(data="inflated")]

    delegate = Knowing()
    frames: FrameReader[Event] = FrameReader(delegate, message_bytes_max=100)
    first, second = frame(TEXT, b"deflated", reserved=0x40), frame(TEXT, b"plain")
    assert frames.receive(first) == [[b"inflated"]]
    assert frames.receive(second) == [[b"inflated"]]
    assert delegate.received == first + second


@settings(max_examples=60)
@given(texts, st.binary(min_size=4, max_size=4))
def test_encoded_text_frames_are_read_by_a_server(text: bytes, masking_key: bytes) -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(encode_text_frame(text, masking_key))
    parts = [event for event in server.events() if isinstance(event, TextMessage)]
    assert "".join(part.data for part in parts).encode() == text
    assert parts[-1].message_finished


@given(st.binary(max_size=125), st.binary(min_size=4, max_size=4))
def test_encoded_pongs_are_read_by_a_server(payload: bytes, masking_key: bytes) -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(encode_pong_frame(payload, masking_key))
    (pong,) = server.events()
    assert seen(pong) == ("Pong", payload)


def test_a_pong_too_long_for_a_control_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 125 bytes, got 126"):
        encode_pong_frame(b"x" * 126, b"abcd")


def test_binary_messages_need_not_be_utf8() -> None:
    server = Connection(ConnectionType.SERVER)
    assert reader().receive(server.send(BytesMessage(data=b"\xff\xfe"))) == [[b"\xff\xfe"]]
