"""Client order ids: legal, reversible, one per origin."""

import re
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.client_order_id import (
    LIFE_MAX,
    SEQUENCE_MAX,
    Series,
    cancel_id,
    is_ours,
    make,
    original_of,
    parse,
)
from dogwatch.actors.spot.origin import Origin

LEGAL = re.compile(r"[a-zA-Z0-9-_]{1,36}")

origins = st.builds(
    Origin,
    strategy=st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=16),
    run=st.text(string.ascii_letters + string.digits, min_size=1, max_size=6),
    life=st.integers(0, LIFE_MAX),
    sequence=st.integers(0, SEQUENCE_MAX),
)


def identify(origin: Origin) -> str:
    return make(strategy=origin.strategy, run=origin.run, life=origin.life, sequence=origin.sequence)


@given(origins)
def test_every_id_is_legal_and_leads_back_to_its_origin(origin: Origin) -> None:
    client_order_id = identify(origin)
    assert LEGAL.fullmatch(client_order_id)
    assert parse(client_order_id) == origin


@given(origins, origins)
def test_two_origins_never_share_an_id(first: Origin, second: Origin) -> None:
    assert (identify(first) == identify(second)) == (first == second)


@given(st.text(max_size=40) | st.from_regex(LEGAL, fullmatch=True))
def test_an_id_that_parses_is_the_one_that_make_would_give(text: str) -> None:
    origin = parse(text)
    assert origin is None or identify(origin) == text


@given(origins, st.integers(1, 130))
def test_a_series_is_what_make_makes_one_after_another(origin: Origin, count: int) -> None:
    first = min(origin.sequence, SEQUENCE_MAX - count)
    series = Series(strategy=origin.strategy, run=origin.run, life=origin.life, sequence=first)
    wanted = [msgspec.structs.replace(origin, sequence=first + number) for number in range(1, count + 1)]
    assert [series.next() for _ in range(count)] == [identify(each) for each in wanted]


def test_a_series_goes_on_behind_what_was_given_out_and_comes_to_an_end() -> None:
    series = Series(strategy="one", run="r", life=1)
    assert series.next() == "dw-one-r-1-1"
    series.advance_to(70)
    series.advance_to(5)
    assert series.next() == "dw-one-r-1-19"
    series.advance_to(SEQUENCE_MAX - 1)
    assert series.next() == "dw-one-r-1-zzzzz"
    for _ in range(2):
        with pytest.raises(ValueError, match="outside of 0 to"):
            series.next()
    with pytest.raises(ValueError, match="does not fit"):
        Series(strategy="much too long a name", run="r", life=1)


@given(origins)
def test_the_name_of_a_canceled_order_is_legal_ours_and_leads_back_to_the_order(origin: Origin) -> None:
    client_order_id = identify(origin)
    renamed = cancel_id(client_order_id)
    assert renamed is not None
    assert LEGAL.fullmatch(renamed)
    assert renamed != client_order_id
    assert original_of(renamed) == client_order_id
    assert is_ours(renamed)
    assert parse(renamed) is None, "no order is ever placed under it"


@given(origins)
def test_an_order_that_was_not_canceled_goes_by_its_own_name(origin: Origin) -> None:
    client_order_id = identify(origin)
    assert original_of(client_order_id) == client_order_id
    assert is_ours(client_order_id)


@given(st.text(max_size=40) | st.from_regex(LEGAL, fullmatch=True) | origins.map(lambda it: "dx" + identify(it)[2:]))
def test_a_name_leads_to_another_one_only_if_that_one_is_ours(text: str) -> None:
    original = original_of(text)
    assert original == text or cancel_id(original) == text
    assert is_ours(text) == (parse(original) is not None)


@given(origins, origins)
def test_two_orders_never_share_the_name_of_their_cancels(first: Origin, second: Origin) -> None:
    assert (cancel_id(identify(first)) == cancel_id(identify(second))) == (first == second)


def test_the_name_of_a_cancel_reads_as_it_is_documented() -> None:
    assert cancel_id("dw-quoter-k3Q9aZ-1-2b") == "dx-quoter-k3Q9aZ-1-2b"


def test_dashes_in_a_name_do_not_confuse_the_parts() -> None:
    first = make(strategy="a-b", run="c", life=1, sequence=1)
    second = make(strategy="a", run="bc", life=1, sequence=1)
    assert first != second
    assert parse(first) == Origin(strategy="a-b", run="c", life=1, sequence=1)


def test_an_id_reads_as_it_is_documented() -> None:
    assert make(strategy="quoter", run="k3Q9aZ", life=1, sequence=161) == "dw-quoter-k3Q9aZ-1-2b"


@pytest.mark.parametrize(
    "foreign",
    ["", "web_1234", "x-ABC-1", "4d96324ff9d44481926157", "dw-a-b-01-2", "dw-a-b-1-2\n", "dx-a-b-01-2", "dx-"],
)
def test_ids_of_others_are_not_ours(foreign: str) -> None:
    assert parse(foreign) is None
    assert cancel_id(foreign) is None
    assert original_of(foreign) == foreign
    assert not is_ours(foreign)


@pytest.mark.parametrize(
    ("strategy", "run", "life", "sequence", "says"),
    [
        ("", "r", 1, 1, "strategy name"),
        ("a" * 17, "r", 1, 1, "1 to 16"),
        ("größe", "r", 1, 1, "letters, digits"),
        ("a\n", "r", 1, 1, "strategy name"),
        ("a", "r-r", 1, 1, "run token"),
        ("a", "", 1, 1, "run token"),
        ("a", "r", -1, 1, "life -1"),
        ("a", "r", LIFE_MAX + 1, 1, "life"),
        ("a", "r", 1, SEQUENCE_MAX + 1, "sequence"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_shortened(
    strategy: str, run: str, life: int, sequence: int, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        make(strategy=strategy, run=run, life=life, sequence=sequence)
