"""What a request to the exchange is: a value with typed parameters, and a declaration of all that is known of its
method. The requests themselves stand in families (`market_requests.py`, `order_requests.py`, …) and together in
`requests.py`; how they travel over WebSocket and REST follows from the declaration.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec

from dogwatch.actors.spot.methods import Method, Params, ParamValue, Security, decimal_text
from dogwatch.actors.spot.request_costs import Priority
from dogwatch.actors.spot.results import decode_result

__all__ = ["Declaration", "Endpoint", "Request", "ResultT_co", "Weight", "fixed"]

ResultT_co = TypeVar("ResultT_co", covariant=True)

Weight: TypeAlias = Callable[[Mapping[str, Any]], int]
"""How much a request weighs, by its parameters under the exchange's names."""


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """Where the REST API does the same. The path begins with `/api/v3`."""

    verb: Literal["GET", "POST", "PUT", "DELETE"]
    path: str


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a method, besides its parameters and its result.

    `weight` of a failure, or of a success that is not free; `orders`: how much it adds to the count of unfilled orders;
    `endpoint` is None where REST has no such thing (sessions, subscriptions). `is_bound`: it is about the connection
    over which it goes, and of no use on another. `section` is where the API's documentation describes it. `decode`
    reads results that are not told apart by their type alone; the others are decoded as what the request is
    parametrised with.
    """

    method: Method
    section: str
    security: Security = Security.NONE
    weight: Weight
    orders: int = 0
    is_free_on_success: bool = False
    priority: Priority = Priority.QUERY
    endpoint: Endpoint | None = None
    is_bound: bool = False
    decode: Callable[[bytes | msgspec.Raw], Any] | None = None


class Request(msgspec.Struct, Generic[ResultT_co], frozen=True, kw_only=True, rename=lambda name: wire_name(name)):
    """One request. Parameters have the exchange's names in snake_case, times with their unit (`start_time_ms`); what is
    None is not sent. The time of sending, the key and the signature are added by whoever sends it.
    """

    declaration: ClassVar[Declaration]

    def params(self) -> Params:
        """The parameters under the exchange's names, decimals as text. Raises TypeError for a float, and ValueError for
        what the exchange could not read."""
        params: Params = {}
        for name, wire in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, name)
            if value is not None:
                params[wire] = _param(value, name)
        return params

    @classmethod
    def decode(cls, result: bytes | msgspec.Raw) -> ResultT_co:
        """Read the raw JSON of a result. Raises MalformedResult if it is none of this request."""
        read = cls.declaration.decode
        if read is None:
            decoded: ResultT_co = decode_result(result, _result_type(cls))
            return decoded
        special: ResultT_co = read(result)
        return special


def wire_name(name: str) -> str:
    """The exchange's name of a parameter: `new_client_order_id` → `newClientOrderId`, `start_time_ms` → `startTime`."""
    first, *others = name.removesuffix("_ms").split("_")
    return first + "".join(word.capitalize() for word in others)


def fixed(weight: int) -> Weight:
    """The same whatever the parameters are."""
    return lambda _params: weight


def _param(value: Any, name: str) -> ParamValue:
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal | float):
        return decimal_text(value, name)  # type: ignore[arg-type] # a float is refused there, with a hint
    if isinstance(value, tuple | list):
        return [str(item) for item in value]
    raise TypeError(f"{name} cannot be sent: it is a {type(value).__name__}")


def _result_type(request: type[Request[Any]]) -> Any:
    """What `Request[…]` is parametrised with."""
    return get_args(request.__orig_bases__[0])[0]  # type: ignore[attr-defined] # typing sets it
