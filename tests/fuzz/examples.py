"""Good frames made from the types themselves: whatever is decoded anywhere, there is something to mutate."""

import types
from decimal import Decimal
from enum import Enum
from functools import cache
from random import Random
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from dogwatch.actors.spot.stream_events import AnyStreamEvent
from dogwatch.actors.spot.stream_frames import kind_of_stream
from dogwatch.actors.spot.user_events import AnyUserEvent

TIMES = (1_735_689_600_003, 1_735_689_600_003_217, 0, -1)
AMOUNTS = ("0.00000000", "1.50000000", "61000.10", "-1.00000000", "100")
TOLD = frozenset({"update_id", "first_trade_id", "last_trade_id"})
"""What streams always tell, also where the type has None for the same asked for over REST."""
TEXTS = ("BTCUSDT", "x", "", "币安人生", "a-b_c.1")


def example(kind: Any, rng: Random) -> Any:
    """JSON that decodes as `kind`; fields that the exchange may leave out are there half of the time."""
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return example(rng.choice([part for part in get_args(kind) if not _is_made_here(part)]), rng)
    if origin is tuple:
        item = get_args(kind)[0]
        return [example(item, rng) for _ in range(rng.randint(0, 3))]
    if origin is dict:
        return {rng.choice(TEXTS): example(get_args(kind)[1], rng) for _ in range(rng.randint(0, 2))}
    if origin is Literal:
        return rng.choice(get_args(kind))
    if isinstance(kind, TypeVar):
        return {}
    if hasattr(origin or kind, "__struct_config__"):
        return _struct(kind, rng)
    return _plain(kind, rng)


def _struct(kind: Any, rng: Random) -> Any:
    fields = _fields_of(kind)
    config = (get_origin(kind) or kind).__struct_config__
    if config.array_like:
        return [_field(field, rng) for field in fields]
    wire = {config.tag_field: config.tag} if config.tag_field else {}
    for field in fields:
        if field.required or rng.random() < 0.5:
            wire[field.encode_name] = _field(field, rng)
    return wire


_fields_of = cache(msgspec.structs.fields)


def _field(field: Any, rng: Random) -> Any:
    if field.name.endswith("_ms"):
        return rng.choice(TIMES)
    if field.name in TOLD:
        return example(int, rng)
    return example(field.type, rng)


def _plain(kind: Any, rng: Random) -> Any:
    if kind is msgspec.Raw:
        return {"a": [1, "b"]}
    if issubclass(kind, Enum):
        return rng.choice(list(kind)).value
    if kind is bool:
        return rng.random() < 0.5
    makers: dict[Any, Any] = {Decimal: AMOUNTS, str: TEXTS, int: (0, 1, -1, 9007199254740993), types.NoneType: (None,)}
    return rng.choice(makers[kind])


def _is_made_here(kind: Any) -> bool:
    """Whether the exchange never sends such a thing: what stands for the unknown, or for an absent member."""
    return kind is msgspec.UnsetType or getattr(kind, "__name__", "").startswith("Unknown")


def api_frame(rng: Random) -> Any:
    """What comes over the WebSocket API: an answer, a refusal, an event."""
    if rng.random() < 0.5:
        return {"subscriptionId": rng.randint(0, 2), "event": example(AnyUserEvent, rng)}
    answer: dict[str, Any] = {"id": rng.choice([rng.randint(0, 40), "x", None]), "status": 200}
    if rng.random() < 0.7:
        answer["result"] = {"serverTime": 1_735_689_600_003}
    else:
        answer |= {"status": rng.choice([400, 401, 418, 429, 500]), "error": {"code": -1000, "msg": "no"}}
    limit = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 1}
    return answer | {"rateLimits": [limit]}


STREAMS = ("btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms", "!miniTicker@arr", "btcusdt@invented")


def stream_frame(rng: Random, streams: tuple[str, ...] = STREAMS) -> Any:
    """What comes over a stream connection: an event, raw or combined, or an answer."""
    choice = rng.random()
    if choice < 0.1:
        return {"result": rng.choice([None, ["btcusdt@trade"], True]), "id": rng.randint(0, 20)}
    if choice < 0.3:
        return example(AnyStreamEvent, rng)
    stream = rng.choice(streams)
    return {"stream": stream, "data": example(kind_of_stream(stream) or AnyStreamEvent, rng)}


def misplaced(rng: Random, streams: tuple[str, ...] = STREAMS) -> Any:
    """An event under the name of a stream that need not bring it."""
    return {"stream": rng.choice(streams), "data": example(AnyStreamEvent, rng)}
