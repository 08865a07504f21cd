"""Rules by which the weight of a request depends on its parameters (the tables of weights that stand with the methods).

Each returns a Weight: a function of the parameters under the exchange's names.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = ["Weight", "by_limit", "by_number_of_symbols", "by_symbol", "per_symbol", "with_parameter"]

Weight: TypeAlias = Callable[[Mapping[str, Any]], int]
"""How much a request weighs, by its parameters under the exchange's names."""


def by_symbol(*, one: int, otherwise: int) -> Weight:
    """Cheap for a single `symbol`, dear for several or all."""
    return lambda params: one if params.get("symbol") else otherwise


def per_symbol(weight: int, *, most: int) -> Weight:
    """So much for each of `symbol` or `symbols`, up to `most`; which is also what all of them cost."""

    def rule(params: Mapping[str, Any]) -> int:
        if params.get("symbol"):
            return weight
        return min(weight * len(params.get("symbols") or ()), most) or most

    return rule


def by_number_of_symbols(*steps: tuple[int, int], everything: int) -> Weight:
    """By how many symbols are asked for: pairs of a number and the weight up to it, rising; `everything` beyond."""

    def rule(params: Mapping[str, Any]) -> int:
        number = 1 if params.get("symbol") else len(params.get("symbols") or ())
        if number == 0:
            return everything
        return next((weight for most, weight in steps if number <= most), everything)

    return rule


def by_limit(*steps: tuple[int, int], default: int) -> Weight:
    """By how many rows are asked for: pairs of a number and the weight up to it, rising."""

    def rule(params: Mapping[str, Any]) -> int:
        limit = params.get("limit", default)
        return next((weight for most, weight in steps if limit <= most), steps[-1][1])

    return rule


def with_parameter(name: str, *, given: int, missing: int) -> Weight:
    """By whether a parameter is there and not false."""

    def rule(params: Mapping[str, Any]) -> int:
        value = params.get(name)
        return missing if value is None or value is False else given

    return rule
