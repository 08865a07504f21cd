"""Rules of weights: by what is asked for, and never less than the exchange would count."""

from typing import Any

import pytest

from dogwatch.actors.spot.weights import Weight, by_limit, by_number_of_symbols, by_symbol, per_symbol, with_parameter

STEPS = by_limit((100, 5), (500, 25), (5000, 250), default=100)
NUMBERS = by_number_of_symbols((20, 2), (100, 40), everything=80)


@pytest.mark.parametrize(
    ("weight", "params", "expected"),
    [
        (by_symbol(one=2, otherwise=4), {"symbol": "A"}, 2),
        (by_symbol(one=2, otherwise=4), {"symbols": ["A"]}, 4),
        (by_symbol(one=2, otherwise=4), {}, 4),
        (per_symbol(4, most=200), {"symbol": "A"}, 4),
        (per_symbol(4, most=200), {"symbols": ["A"] * 50}, 200),
        (per_symbol(4, most=200), {"symbols": ["A"] * 51}, 200),
        (per_symbol(2, most=40), {}, 40),
        (per_symbol(2, most=40), {"symbolStatus": "TRADING"}, 40),
        (NUMBERS, {"symbol": "A"}, 2),
        (NUMBERS, {"symbols": ["A"] * 20}, 2),
        (NUMBERS, {"symbols": ["A"] * 21}, 40),
        (NUMBERS, {"symbols": ["A"] * 101}, 80),
        (NUMBERS, {}, 80),
        (STEPS, {}, 5),
        (STEPS, {"limit": 100}, 5),
        (STEPS, {"limit": 101}, 25),
        (STEPS, {"limit": 5000}, 250),
        (STEPS, {"limit": 9999}, 250),
        (with_parameter("orderId", given=5, missing=20), {"orderId": 0}, 5),
        (with_parameter("orderId", given=5, missing=20), {}, 20),
        (with_parameter("computeCommissionRates", given=20, missing=1), {"computeCommissionRates": False}, 1),
        (with_parameter("computeCommissionRates", given=20, missing=1), {"computeCommissionRates": True}, 20),
    ],
)
def test_a_weight_follows_from_what_is_asked_for(weight: Weight, params: dict[str, Any], expected: int) -> None:
    assert weight(params) == expected
