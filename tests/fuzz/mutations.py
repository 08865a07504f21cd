"""What can be wrong with a frame: its bytes, its JSON, or what the JSON says."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None, True, [], {}, "", "NaN", "sNaN", "-Infinity", "1e999999999", "9" * 5000, "\u0000", "\ud800", "nul", -0.0,
    1e308, 2**63, -(2**70), 10**4000, [[[[]]]], {"e": {"e": {}}}, {"id": {}}, [1, "2", None], "x" * 300,
)  # fmt: skip
"""Values that stand where others are expected."""
NUMBERS = (b"1e99999", b"-", b"0x10", b"01", b"1.", b".5", b"NaN", b"Infinity", b"9" * 5000, b"-0", b"1E+2")
TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"\\ud800", b"null", b"\x00", b"\xff", b"\xc3",
    b"\xed\xa0\x80",
)  # fmt: skip
NAMES = (
    "e", "id", "status", "result", "error", "event", "data", "stream", "subscriptionId", "u", "lastUpdateId", "code",
)  # fmt: skip
DEPTHS = (10, 100, 1_000, 5_000)


def mutated(frame: Any, rng: Random) -> bytes:
    """The frame as bytes with one to three things wrong; sometimes nothing is."""
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        frame = rng.choice(_OF_VALUES)(frame, rng)
    text = _written(frame, rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        text = rng.choice(_OF_BYTES)(text, rng)
    return text


def _written(frame: Any, rng: Random) -> bytes:
    spaced = rng.random() < 0.2
    text = json.dumps(frame, ensure_ascii=rng.random() < 0.5, separators=(", ", ": ") if spaced else (",", ":"))
    return text.encode("utf-8", "surrogatepass")


# Of values.


def _change_somewhere(frame: Any, rng: Random, change: Callable[[Any], Any]) -> Any:
    """The same with one of its parts changed, chosen on a walk from the top."""
    if isinstance(frame, dict) and frame and rng.random() < 0.9:
        name = rng.choice(list(frame))
        return {**frame, name: _change_somewhere(frame[name], rng, change)}
    if isinstance(frame, list) and frame and rng.random() < 0.9:
        place = rng.randrange(len(frame))
        return [*frame[:place], _change_somewhere(frame[place], rng, change), *frame[place + 1 :]]
    return change(frame)


def _with_hostile_value(frame: Any, rng: Random) -> Any:
    return _change_somewhere(frame, rng, lambda _part: rng.choice(HOSTILE))


def _with_other_type(frame: Any, rng: Random) -> Any:
    def other(part: Any) -> Any:
        if isinstance(part, str):
            return len(part)
        return [part] if isinstance(part, dict) else json.dumps(part)

    return _change_somewhere(frame, rng, other)


def _without_a_member(frame: Any, rng: Random) -> Any:
    def shrink(part: Any) -> Any:
        return part

    if not isinstance(frame, dict) or not frame:
        return _change_somewhere(frame, rng, shrink)
    name = rng.choice(list(frame))
    if isinstance(frame[name], dict) and rng.random() < 0.6:
        return {**frame, name: _without_a_member(frame[name], rng)}
    return {other: value for other, value in frame.items() if other != name}


def _with_another_member(frame: Any, rng: Random) -> Any:
    def grow(part: Any) -> Any:
        return {**part, rng.choice(NAMES): rng.choice(HOSTILE)} if isinstance(part, dict) else part

    return grow(frame) if rng.random() < 0.5 else _change_somewhere(frame, rng, grow)


def _in_another_order(frame: Any, rng: Random) -> Any:
    if not isinstance(frame, dict):
        return frame
    members = list(frame.items())
    rng.shuffle(members)
    return dict(members)


_OF_VALUES = (_with_hostile_value, _with_other_type, _without_a_member, _with_another_member, _in_another_order)


# Of bytes.


def _cut_short(text: bytes, rng: Random) -> bytes:
    return text[: rng.randrange(len(text) + 1)]


def _with_token(text: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(TOKENS) + text[place + rng.randrange(2) :]


def _with_noise(text: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.randbytes(rng.randint(1, 4)) + text[place + rng.randrange(5) :]


def _with_number(text: bytes, rng: Random) -> bytes:
    """Another number behind a colon: what JSON allows, and what it does not."""
    start = text.find(b":", rng.randrange(len(text) + 1)) + 1
    if not start:
        return rng.choice(NUMBERS)
    ends = [end for end in (text.find(b",", start), text.find(b"}", start)) if end > 0]
    return text[:start] + rng.choice(NUMBERS) + text[min(ends, default=len(text)) :]


def _with_a_member_twice(text: bytes, rng: Random) -> bytes:
    name = rng.choice(NAMES).encode()
    return b'{"%b":%b,' % (name, rng.choice((b"1", b'"x"', b"{}", b"null"))) + text.removeprefix(b"{")


def _deeply_nested(text: bytes, rng: Random) -> bytes:
    place, depth = rng.randrange(len(text) + 1), rng.choice(DEPTHS)
    return text[:place] + rng.choice((b"[", b'{"e":', b'{"data":', b'{"event":')) * depth + text[place:]


def _something_else(_text: bytes, rng: Random) -> bytes:
    return rng.randbytes(rng.randint(0, 60))


_OF_BYTES = (
    _cut_short, _with_token, _with_noise, _with_number, _with_a_member_twice, _deeply_nested, _something_else,
)  # fmt: skip
