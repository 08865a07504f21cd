"""Watermarks: they rise only over what has lain still for two whole turns, never fall, and wait while frozen."""

from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.mark import NOTHING, Mark
from dogwatch.actors.spot.marks import Marks

SYMBOL = "BTCUSDT"


def marks_from(mark: Mark | None = None) -> Marks:
    marks = Marks()
    marks.raise_to(SYMBOL, Mark() if mark is None else mark)
    return marks


def test_what_was_seen_counts_after_two_whole_turns() -> None:
    marks = marks_from()
    marks.saw(SYMBOL, 7)
    marks.saw(SYMBOL, NOTHING, 70)
    assert marks.rotate() == {}
    marks.saw(SYMBOL, 8)
    assert marks.rotate() == {}
    assert marks.rotate() == {SYMBOL: Mark(order_id=7, trade_id=70)}
    assert marks.rotate() == {SYMBOL: Mark(order_id=8, trade_id=70)}
    assert marks.rotate() == {}
    assert marks.settled(SYMBOL) == Mark(order_id=8, trade_id=70)


def test_a_symbol_without_a_beginning_has_no_mark_whatever_was_seen() -> None:
    marks = Marks()
    marks.saw(SYMBOL, 7)
    assert [marks.rotate() for _ in range(5)] == [{}] * 5
    assert marks.settled(SYMBOL) is None
    assert marks.all_settled() == {}
    marks.raise_to(SYMBOL, Mark(order_id=3))
    assert marks.all_settled() == {SYMBOL: Mark(order_id=3, trade_id=NOTHING)}
    assert marks.rotate() == {SYMBOL: Mark(order_id=7)}


def test_a_frozen_symbol_stays_where_it_is_and_the_others_go_on() -> None:
    marks = marks_from()
    marks.raise_to("ETHUSDT", Mark())
    for symbol in (SYMBOL, "ETHUSDT"):
        marks.saw(symbol, 7)
    turned = [marks.rotate(frozen={SYMBOL}) for _ in range(10)]
    assert turned == [{}, {}, {"ETHUSDT": Mark(order_id=7)}, *[{}] * 7]
    assert [marks.rotate() for _ in range(3)] == [{}, {}, {SYMBOL: Mark(order_id=7)}]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["order", "trade", "raise"]), st.integers(-1, 30)),
            st.tuples(st.just("turn"), st.booleans()),
        )
    )
)
def test_marks_never_fall_and_never_pass_what_was_seen_two_turns_ago(steps: list[tuple[str, int]]) -> None:
    marks = marks_from()
    seen = raised = Mark()
    at_turns = [Mark(), Mark(), Mark()]
    for what, value in steps:
        before = marks.settled(SYMBOL)
        assert before is not None
        if what == "order":
            marks.saw(SYMBOL, value)
            seen = seen.joined(Mark(order_id=value))
        elif what == "trade":
            marks.saw(SYMBOL, NOTHING, value)
            seen = seen.joined(Mark(trade_id=value))
        elif what == "raise":
            mark = Mark(order_id=value, trade_id=value)
            marks.raise_to(SYMBOL, mark)
            raised = raised.joined(mark)
        elif value:
            marks.rotate(frozen={SYMBOL})
        else:
            marks.rotate()
            at_turns.append(seen)
        after = marks.settled(SYMBOL)
        assert after == before.joined(after or before), "it has fallen"
        assert after == at_turns[-3].joined(raised)
