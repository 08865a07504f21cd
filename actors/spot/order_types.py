"""Which parameters each type of order needs and which it takes (Place new order; the same for the legs of order lists).

What holds for symbols, prices and quantities is the filters' business: filter_checks.py.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dogwatch.actors.spot.enums import OrderType, PegPriceType, TimeInForce
from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.wire_names import field_name

__all__ = ["Leg"]

# By the names that order.place has. A quantity is named only where the leg has one of its own.
_PEGS = ("pegPriceType", "pegOffsetType", "pegOffsetValue")
_REQUIRED: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("timeInForce", "price", "quantity"),
    OrderType.LIMIT_MAKER: ("price", "quantity"),
    OrderType.MARKET: (),
    OrderType.STOP_LOSS: ("quantity",),
    OrderType.TAKE_PROFIT: ("quantity",),
    OrderType.STOP_LOSS_LIMIT: ("timeInForce", "price", "quantity"),
    OrderType.TAKE_PROFIT_LIMIT: ("timeInForce", "price", "quantity"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("icebergQty", *_PEGS),
    OrderType.LIMIT_MAKER: ("icebergQty", *_PEGS),
    OrderType.MARKET: ("quantity", "quoteOrderQty"),
    OrderType.STOP_LOSS: ("stopPrice", "trailingDelta"),
    OrderType.TAKE_PROFIT: ("stopPrice", "trailingDelta"),
    OrderType.STOP_LOSS_LIMIT: ("stopPrice", "trailingDelta", "icebergQty", *_PEGS),
    OrderType.TAKE_PROFIT_LIMIT: ("stopPrice", "trailingDelta", "icebergQty", *_PEGS),
}
_TYPE_DEPENDENT = frozenset(name for names in (*_REQUIRED.values(), *_OPTIONAL.values()) for name in names)


class _Rule(msgspec.Struct, frozen=True):
    """What one type needs and does not take, under the names of one leg."""

    required: frozenset[str]
    refused: frozenset[str]
    is_triggered: bool


class Leg:
    """One order, or one leg of a list whose parameters begin with `prefix`: `Leg("pendingAbove", …)`.

    `types` are those that it may have. `has_quantity`: whether it has a quantity of its own; the legs of a list may
    share one.
    """

    def __init__(self, prefix: str = "", types: Iterable[OrderType] = OrderType, *, has_quantity: bool = True) -> None:
        self._names = {name: self._named(prefix, name) for name in ("type", *_TYPE_DEPENDENT)}
        self._type = self._names["type"]
        self._peg, self._iceberg = self._names["pegPriceType"], self._names["icebergQty"]
        self._offsets = self._names["pegOffsetType"], self._names["pegOffsetValue"]
        dependent = _TYPE_DEPENDENT if has_quantity else _TYPE_DEPENDENT - {"quantity", "quoteOrderQty"}
        self._rules = {str(kind.value): self._rule(kind, dependent) for kind in types}

    def check(self, params: Params) -> None:
        """Raises ValueError if the type misses a parameter or does not take one. A leg without a type is not there."""
        kind: Any = params.get(self._type)
        if kind is None:
            return
        rule = self._rules.get(kind)
        if rule is None:
            raise ValueError(f"{field_name(self._type)} cannot be {kind}: use one of {', '.join(self._rules)}")
        given = params.keys()
        if self._peg in params:
            self._check_peg(kind, params)
        elif not rule.required <= given:
            self._miss(kind, rule.required - given)
        elif not given.isdisjoint(self._offsets):
            raise ValueError(f"a {kind} order with an offset needs {field_name(self._peg)}: to what is it pegged?")
        if not rule.refused.isdisjoint(given):
            name = field_name(min(rule.refused & given))
            raise ValueError(f"a {kind} order does not take {name}: leave it out")
        if rule.is_triggered and self._names["stopPrice"] not in given and self._names["trailingDelta"] not in given:
            stop, trailing = field_name(self._names["stopPrice"]), field_name(self._names["trailingDelta"])
            raise ValueError(f"a {kind} order needs {stop}, {trailing} or both")
        if self._iceberg in params:
            self._check_iceberg(params)

    def _check_peg(self, kind: str, params: Params) -> None:
        """The price of a pegged order is found by the exchange, so it need not be given."""
        names, given = self._names, params.keys()
        rule = self._rules[kind]
        if not rule.required <= given | {names["price"]}:
            self._miss(kind, rule.required - given - {names["price"]})
        if sum(name in params for name in self._offsets) == 1:
            wanted = " and ".join(map(field_name, self._offsets))
            raise ValueError(f"{wanted} go together: give both or none of them")
        peg, lasts = params[self._peg], params.get(names["timeInForce"])
        if kind == OrderType.LIMIT_MAKER and peg == PegPriceType.MARKET_PEG:
            raise ValueError("a LIMIT_MAKER order pegged to the other side would take: use PRIMARY_PEG")
        if kind == OrderType.LIMIT and peg == PegPriceType.PRIMARY_PEG and lasts != TimeInForce.GTC:
            raise ValueError(f"a LIMIT order pegged to its own side rests on the book: use GTC, not {lasts}")

    def _check_iceberg(self, params: Params) -> None:
        lasts = params.get(self._names["timeInForce"], TimeInForce.GTC)
        if lasts != TimeInForce.GTC:
            raise ValueError(f"an iceberg order rests on the book: use GTC, not {lasts}")

    def _miss(self, kind: str, missing: Iterable[str]) -> None:
        raise ValueError(f"a {kind} order needs {', '.join(sorted(map(field_name, missing)))}")

    def _rule(self, kind: OrderType, dependent: Iterable[str]) -> _Rule:
        required = set(_REQUIRED[kind]).intersection(dependent)
        refused = set(_TYPE_DEPENDENT).difference(_REQUIRED[kind], _OPTIONAL[kind])
        return _Rule(
            required=frozenset(self._names[name] for name in required),
            refused=frozenset(self._names[name] for name in refused),
            is_triggered="stopPrice" in _OPTIONAL[kind],
        )

    @staticmethod
    def _named(prefix: str, name: str) -> str:
        return prefix + name[0].upper() + name[1:] if prefix else name
