"""Two sockets that tell of the same events: nothing lost, nothing doubled, whenever either of them dies."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.overlap import EVENTS_MAX, Overlap, identity
from dogwatch.actors.spot.user_events import AnyUserEvent
from tests.actors.spot.orders_made import a_report


@dataclass
class Play:
    """What happened, in order, and two sockets that bring it: the old one all of it, the new one from `begins` on."""

    truth: list[str]
    begins: int

    def __post_init__(self) -> None:
        self.overlap: Overlap[str] = Overlap(key=str)
        self.passed_on: list[str] = []
        self.old_at = 0
        self.new_at = self.begins

    def old_brings(self) -> None:
        if self.old_at < len(self.truth):
            event = self.truth[self.old_at]
            self.old_at += 1
            if self.overlap.from_old(event, now_s=0.0):
                self.passed_on.append(event)

    def new_brings(self) -> None:
        if self.new_at < len(self.truth):
            event = self.truth[self.new_at]
            self.new_at += 1
            if self.overlap.from_new(event):
                self.passed_on.append(event)

    def take(self, moves: str) -> None:
        for move in moves:
            if move == "o":
                self.old_brings()
            else:
                self.new_brings()

    def join(self) -> None:
        """The old one has answered: it has brought all that was before the new one's first."""
        while self.old_at < self.begins:
            self.old_brings()
        self.passed_on += self.overlap.join()


moves = st.text("on", max_size=40)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """Events of which some are alike. Those around the new one's first are not: nothing could tell them apart."""
    truth = [f"event {number}" for number in range(draw(st.integers(0, 20)))]
    begins = draw(st.integers(0, len(truth)))
    return Play(truth + draw(st.lists(st.sampled_from(["twin", "triplet"]), max_size=10)), begins)


@given(plays(), moves, moves, st.sampled_from(["old", "new", "none"]), moves)
def test_nothing_is_lost_or_doubled_and_the_order_is_kept_whoever_dies_after_the_join(
    play: Play, before: str, between: str, dies: str, after: str
) -> None:
    play.take(before)
    play.join()
    play.take(between)
    assert play.passed_on == play.truth[: max(play.old_at, play.new_at)]
    play.take({"old": after.replace("o", ""), "new": after.replace("n", ""), "none": after}[dies])
    for _ in play.truth:
        if dies != "old":
            play.old_brings()
        if dies != "new":
            play.new_brings()
    assert play.passed_on == play.truth
    if dies == "none":
        assert play.overlap.awaited_s(now_s=100.0) == 0
        assert play.overlap.seen_on_both == len(play.truth) - play.begins


@given(plays(), moves, moves)
def test_a_new_socket_that_dies_before_the_join_has_changed_nothing(play: Play, before: str, after: str) -> None:
    play.take(before)
    play.take(after.replace("n", ""))
    assert play.passed_on == play.truth[: play.old_at]


@given(plays(), moves)
def test_an_old_socket_that_dies_before_the_join_leaves_a_hole_at_most_and_no_double(play: Play, before: str) -> None:
    play.take(before)
    seen = play.old_at
    play.passed_on += play.overlap.join()
    play.take("n" * len(play.truth))
    assert play.passed_on == play.truth[:seen] + play.truth[max(seen, play.begins) :]


def test_an_event_that_only_the_old_one_brings_is_awaited_from_then_on() -> None:
    overlap: Overlap[str] = Overlap(key=str)
    overlap.from_old("from before", 1.0)
    overlap.join()
    assert overlap.awaited_s(50.0) == 0, "nobody knows whether it was before the subscription"
    assert overlap.from_old("first", 60.0)
    assert overlap.from_old("second", 62.0)
    assert overlap.awaited_s(65.0) == 5
    assert not overlap.from_new("first")
    assert overlap.awaited_s(65.0) == 3
    assert not overlap.from_new("second")
    assert (overlap.awaited_s(65.0), overlap.seen_on_both) == (0, 2)


@pytest.mark.parametrize("side", ["old", "new", "new, joined"])
def test_there_is_an_end_to_what_is_held_and_remembered(side: str) -> None:
    overlap: Overlap[int] = Overlap(key=int)
    if side == "new, joined":
        overlap.join()
    for number in range(EVENTS_MAX):
        assert not overlap.is_full
        if side == "old":
            overlap.from_old(number, 0.0)
        else:
            overlap.from_new(number)
    assert overlap.is_full


# What makes an event the one it is.


def event_of(value: dict[str, object]) -> AnyUserEvent:
    frame = decode_frame(msgspec.json.encode({"subscriptionId": 0, "event": value}))
    assert isinstance(frame, UserEvent)
    return frame.event


POSITION = {"e": "outboundAccountPosition", "E": 1, "u": 5, "B": [{"a": "BTC", "f": "1.0", "l": "0.0"}]}
DEPOSIT = {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "1.0", "T": 1}
NEWS = {"e": "tokenBurnt", "E": 1, "what": ["a", {"b": 1}]}
LIST = {
    "e": "listStatus",
    "E": 1,
    "s": "BTCUSDT",
    "g": 2,
    "c": "OCO",
    "l": "EXEC_STARTED",
    "L": "EXECUTING",
    "r": "NONE",
    "C": "mine",
    "T": 3,
    "O": [{"s": "BTCUSDT", "i": 1, "c": "a"}],
}


@pytest.mark.parametrize(
    ("value", "another"),
    [
        (POSITION, {**POSITION, "B": [{"a": "BTC", "f": "2.0", "l": "0.0"}]}),
        (POSITION, {**POSITION, "u": 6}),
        (DEPOSIT, {**DEPOSIT, "T": 2}),
        (LIST, {**LIST, "l": "ALL_DONE", "L": "ALL_DONE"}),
        (NEWS, {**NEWS, "what": []}),
    ],
)
def test_an_event_is_the_same_whenever_it_was_sent_and_another_one_is_another(
    value: dict[str, object], another: dict[str, object]
) -> None:
    first, again, other = (identity(event_of(event)) for event in (value, {**value, "E": 2}, another))
    assert first == again
    assert hash(first) == hash(again)
    assert first != other


def test_an_execution_is_known_by_its_number() -> None:
    report = a_report()
    later = msgspec.structs.replace(report, event_time_ms=report.event_time_ms + 1)
    next_one = msgspec.structs.replace(report, execution_id=report.execution_id + 1)
    elsewhere = msgspec.structs.replace(report, symbol="ETHUSDT")
    assert identity(report) == identity(later)
    assert len({identity(event) for event in (report, later, next_one, elsewhere)}) == 3
