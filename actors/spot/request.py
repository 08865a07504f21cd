"""What a request to the exchange is: a value with typed parameters, and a declaration of all that is known of its
method. The requests themselves stand in families (`market_requests.py`, `order_requests.py`, …) and together in
`requests.py`; how they travel over WebSocket and REST follows from the declaration.
"""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args, get_type_hints

import msgspec

from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.parameters import without_none, writer_of
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.results import decode_result
from dogwatch.actors.spot.weights import Weight
from dogwatch.actors.spot.wire_names import wire_name

__all__ = ["Declaration", "Endpoint", "Request", "ResultT_co"]

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """Where the REST API does the same. The path begins with `/api/v3`."""

    verb: Literal["GET", "POST", "PUT", "DELETE"]
    path: str


class Declaration(msgspec.Struct, frozen=True, kw_only=True, dict=True):
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
    weight: int | Weight
    orders: int = 0
    is_free_on_success: bool = False
    priority: Priority = Priority.QUERY
    endpoint: Endpoint | None = None
    is_bound: bool = False
    decode: Callable[[bytes | msgspec.Raw], Any] | None = None

    # What is asked for every order is worked out once.

    @cached_property
    def is_public(self) -> bool:
        """Whether anybody may ask it, without a key."""
        return self.security is Security.NONE

    @cached_property
    def is_of_an_account(self) -> bool:
        """Whether it is about what an account has and does."""
        return self.security in (Security.TRADE, Security.USER_DATA)

    @cached_property
    def needs_timestamp(self) -> bool:
        return self.security.needs_timestamp

    @cached_property
    def is_about_orders(self) -> bool:
        """Whether its name begins with `order.`."""
        return self.method.startswith("order.")

    @property
    def is_write(self) -> bool:
        """Whether such a request changes something at the exchange, so that nobody may repeat it blindly."""
        return self.security is Security.TRADE and not self.method.endswith(".test")

    def weight_of(self, params: Mapping[str, Any]) -> int:
        """How much a request weighs, by its parameters under the exchange's names."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


class Request(msgspec.Struct, Generic[ResultT_co], frozen=True, kw_only=True, rename=wire_name):
    """One request. Parameters have the exchange's names in snake_case, times with their unit (`start_time_ms`); what is
    None is not sent. The time of sending, the key and the signature are added by whoever sends it.
    """

    declaration: ClassVar[Declaration]

    def params(self) -> Params:
        """The parameters under the exchange's names, decimals as text. Raises TypeError for a value of another type (a
        float is no Decimal), and ValueError for what the exchange would refuse for certain."""
        request = type(self)
        params = (_WRITES.get(request) or _compile(request))(self)
        self.check(params)
        return params

    def check(self, params: Params) -> None:
        """Raises ValueError if the parameters do not fit together. Called by `params`, which has written them."""

    @classmethod
    def prepare(cls) -> None:
        """Do now what the first such request would otherwise wait for: a millisecond or two."""
        if cls not in _WRITES:
            _compile(cls)

    @classmethod
    def decode(cls, result: bytes | msgspec.Raw) -> ResultT_co:
        """Read the raw JSON of a result. Raises MalformedResult if it is none of this request."""
        read = cls.declaration.decode
        if read is None:
            decoded: ResultT_co = decode_result(result, _result_type(cls))
            return decoded
        special: ResultT_co = read(result)
        return special


_Write: TypeAlias = Callable[[Any], Params]
_WRITES: dict[type[Request[Any]], _Write] = {}


def _compile(request: type[Request[Any]]) -> _Write:
    """A function that writes the parameters of such a request, as one would by hand, each with the writer of its type.

    Most parameters of most requests are None: a loop over them costs twice as much, and orders pass here.
    """
    hints = get_type_hints(request, include_extras=True)
    lines, writers = ["def write(request):", " params = {}"], {}
    for name, wire in zip(request.__struct_fields__, request.__struct_encode_fields__, strict=True):
        writers[f"write_{name}"] = writer_of(without_none(hints[name]), name)
        lines += [f" value = request.{name}", f" if value is not None: params[{wire!r}] = write_{name}(value)"]
    namespace: dict[str, Any] = dict(writers)
    exec("\n".join([*lines, " return params"]), namespace)  # noqa: S102 # of names of fields alone
    write: _Write = namespace["write"]
    _WRITES[request] = write
    return write


@cache
def _result_type(request: type[Request[Any]]) -> Any:
    """What `Request[…]` is parametrised with."""
    return get_args(request.__orig_bases__[0])[0]  # type: ignore[attr-defined] # typing sets it
