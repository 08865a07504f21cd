"""The marks of runs: different for different runs, and short enough for a client order id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.run_token import run_number, run_token, token_of
from dogwatch.actors.spot import client_order_id


@given(st.integers(1_500_000_000_000, 4_600_000_000_000), st.integers(100, 10**12))
def test_two_runs_have_different_tokens_that_fit(began_ms: int, later_ms: int) -> None:
    tokens = run_token(began_ms), run_token(began_ms + later_ms)
    assert tokens[0] != tokens[1]
    assert all(len(token) <= client_order_id.RUN_LENGTH_MAX for token in tokens)


@given(st.lists(st.integers(0, 62**6 - 1), unique=True, min_size=2, max_size=50))
def test_every_number_has_a_token_of_its_own(numbers: list[int]) -> None:
    assert len({token_of(number) for number in numbers}) == len(numbers)


@pytest.mark.parametrize(("unix_ms", "number"), [(0, 0), (99, 0), (100, 1), (1_767_225_600_000, 17_672_256_000)])
def test_a_run_is_numbered_by_tenths_of_seconds(unix_ms: int, number: int) -> None:
    assert run_number(unix_ms) == number
    assert run_token(unix_ms) == token_of(number)
