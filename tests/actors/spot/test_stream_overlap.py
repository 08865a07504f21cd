"""Two sockets with the same streams: in whatever order they are read and whenever one dies, every event is published
once and in order; what is missing is told, and nothing is told to be missing that is not."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    Quote,
    Trade,
    UnknownStreamEvent,
)
from dogwatch.actors.spot.stream_overlap import HOLE_S, SETTLE_S, Hole, Outcome, Side, StreamOverlap, place
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)

OLD, NEW = Side.OLD, Side.NEW
TRADES, DIFFS, QUOTES, BOOKS, KLINES = "a@trade", "a@depth@100ms", "a@bookTicker", "a@depth5@100ms", "a@kline_1m"
STREAMS = (TRADES, DIFFS, QUOTES, BOOKS, KLINES)
NUMBERED = (TRADES, DIFFS)
ONE = Decimal(1)


def trade(number: int) -> Trade:
    return Trade(
        event_time_ms=1, symbol="A", trade_id=number, price=ONE, quantity=ONE, trade_time_ms=1, is_buyer_maker=True
    )


def diff(first: int, final: int) -> BookDiff:
    return BookDiff(event_time_ms=1, symbol="A", first_update_id=first, final_update_id=final, bids=(), asks=())


def quote(number: int) -> Quote:
    return Quote(update_id=number, symbol="A", bid=ONE, bid_quantity=ONE, ask=ONE, ask_quantity=ONE)


def book(number: int) -> Book:
    return Book(last_update_id=number, bids=(), asks=(), symbol="A")


def kline(minute: int, trades: int, *, is_closed: bool = False) -> Kline:
    return Kline(
        start_time_ms=minute * 60_000,
        close_time_ms=minute * 60_000 + 59_999,
        symbol="A",
        interval="1m",
        first_trade_id=1,
        last_trade_id=1,
        open_price=ONE,
        close_price=ONE,
        high_price=ONE,
        low_price=ONE,
        volume=ONE,
        trade_count=trades,
        is_closed=is_closed,
        quote_volume=ONE,
        taker_buy_volume=ONE,
        taker_buy_quote_volume=ONE,
    )


TIMED: tuple[type[msgspec.Struct], ...] = (
    AggregateTradeEvent,
    BlockTradeEvent,
    MiniTicker,
    Ticker24h,
    HourTicker,
    FourHoursTicker,
    DayTicker,
    AveragePriceEvent,
    ReferencePriceEvent,
)


def read(kind: type[msgspec.Struct], number: int) -> Any:
    """An event of this kind in which every number is `number`."""
    fields = {field.encode_name: str(number) for field in msgspec.structs.fields(kind)}
    return msgspec.convert(fields | {"m": True, "e": kind.__struct_config__.tag}, kind, strict=False)


def unknown(raw: bytes) -> UnknownStreamEvent:
    return UnknownStreamEvent(event_type="new", raw=raw)


class Desk:
    """An overlap and what it has published, by stream."""

    def __init__(self, **last: Any) -> None:
        self.overlap = StreamOverlap(last.get, **({"held_max": last.pop("held_max")} if "held_max" in last else {}))
        self.published: dict[str, list[Any]] = {stream: [] for stream in STREAMS}
        self.now_s = 0.0

    def read(self, side: Side, stream: str, *events: Any) -> list[Any]:
        out = [outcome for event in events for outcome in self.overlap.arrive(side, stream, event, self.now_s)]
        self.published.setdefault(stream, []).extend(out)
        return out

    def join(self) -> Outcome:
        return self._note(self.overlap.join(STREAMS, self.now_s))

    def lose(self, side: Side) -> Outcome:
        return self._note(self.overlap.lose(side, self.now_s))

    def expire(self) -> Outcome:
        return self._note(self.overlap.expire(self.now_s))

    def state(self) -> tuple[int, bool]:
        """How many are held, and whether the new socket has brought anything."""
        return self.overlap.held, self.overlap.has_heard_new

    def _note(self, outcome: Outcome) -> Outcome:
        for stream, event in outcome:
            self.published[stream].append(event)
        return outcome


def trades(*numbers: int) -> list[Trade]:
    return [trade(number) for number in numbers]


# The order of events.


@pytest.mark.parametrize(
    "ascending",
    [
        [trade(1), trade(2)],
        [diff(1, 3), diff(4, 4)],
        [quote(5), quote(9)],
        [book(5), book(6)],
        [kline(0, 0), kline(0, 5), kline(0, 6), kline(0, 6, is_closed=True), kline(1, 0), kline(1, 1)],
        *([read(kind, time_ms) for time_ms in (5, 6)] for kind in TIMED),
        [(), (read(MiniTicker, 5),), (read(MiniTicker, 7), read(MiniTicker, 6)), (read(MiniTicker, 8),)],
    ],
    ids=lambda events: type(events[-1]).__name__,
)
def test_events_of_each_kind_have_an_order(ascending: list[Any]) -> None:
    places = [place(event) for event in ascending]
    assert all(one is not None and other is not None and one[1] < other[1] for one, other in pairwise(places))


def test_other_kinds_have_none_and_come_from_the_socket_that_carries() -> None:
    assert place(unknown(b"1")) is place(None) is None
    desk = Desk()
    one, two = unknown(b"1"), unknown(b"2")
    assert desk.read(OLD, "x", one) == [one]
    assert desk.read(NEW, "x", one) == []
    desk.join()
    assert desk.read(NEW, "x", two) == [two]
    assert desk.read(OLD, "x", two) == []
    desk.lose(NEW)
    assert desk.read(OLD, "x", two) == [two]


# The seam, case by case. O4: the old socket brings number 4; N4: the new one does; J: the join; -O: the old one dies.

CASES = [
    ("the new one is silent", "O4 O5 J O6", "4 5 6"),
    ("the old one is silent", "J N4 N5", "4 5"),
    ("held until the old one is through", "O3 N5 O4 J N6", "4 5 6"),
    ("both at the same pace", "O4 J O5 N5 O6 N6", "4 5 6"),
    ("the old one ahead", "O4 O5 O6 J N5 N6 N7", "4 5 6 7"),
    ("the new one ahead", "O4 N5 N6 J O5 O6 O7", "4 5 6 7"),
    ("they take turns in being ahead", "O4 N5 J O5 O6 O7 N6 N7 N8 O8 N9", "4 5 6 7 8 9"),
    ("one that was published before the overlap", "O3 N3 J N4", "4"),
    ("twice on one socket", "O4 O4 J N5 N5", "4 5"),
    ("the old one goes on after a hole of its own", "O4 O7 O8 J N9", "4 gap5-6 7 8 9"),
    ("the new one has brought some of that", "O4 N6 N7 N8 O8 N9 J N10", "4 gap5-5 6 7 8 9 10"),
    ("the old server is behind the new one", "O4 J N7 O5 N8 O6", "4 5 6 7 8"),
    ("nobody fills the hole", "O4 J N7 N8 wait N9", "4 gap5-6 7 8 9"),
    ("the old one dies before the join, nothing missing", "O4 N5 -O N6", "4 5 6"),
    ("the old one dies before the join, something missing", "O4 N7 -O N8", "4 gap5-6 7 8"),
    ("the old one dies before the new one has brought anything", "O4 -O N6", "4 gap5-5 6"),
    ("the old one dies ahead of the new one", "O4 N5 O5 O6 -O N6 N7", "4 5 6 7"),
    ("the old one dies after the join, ahead", "O4 J O5 O6 -O N5 N6 N7", "4 5 6 7"),
    ("the old one dies after the join, with a hole of its own", "O4 J O7 -O N5 N6 N7", "4 5 6 7"),
    ("the old one dies while the new one waits for it", "O4 J N7 -O N8", "4 gap5-6 7 8"),
    ("the new one dies before the join", "O4 N5 N6 -N O5 O6 O7", "4 5 6 7"),
    ("the new one dies after the join, ahead", "O4 N5 N6 J -N O5 O6 O7", "4 5 6 7"),
    ("the new one dies with a hole before what it brought", "O4 J N7 -N O5 O6 O7 O8", "4 5 6 7 8"),
]


def play(desk: Desk, stream: str, script: str, make: Any) -> None:
    for step in script.split():
        match step[0], step[1:]:
            case "J", _:
                desk.join()
            case "w", _:
                desk.now_s += HOLE_S
                desk.expire()
            case "-", who:
                desk.lose(OLD if who == "O" else NEW)
            case who, number:
                desk.read(OLD if who == "O" else NEW, stream, make(int(number)))


def numbers_told(published: Sequence[Any]) -> str:
    words = []
    for event in published:
        where = place(event)
        words.append(f"gap{event.first_id}-{event.last_id}" if where is None else str(where[1]))
    return " ".join(words)


@pytest.mark.parametrize(("script", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_trades_at_the_seam(script: str, told: str) -> None:
    desk = Desk(**{TRADES: trade(3)})
    play(desk, TRADES, script, trade)
    assert numbers_told(desk.published[TRADES]) == told


@pytest.mark.parametrize(("script", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_changes_of_a_book_at_the_seam(script: str, told: str) -> None:
    desk = Desk(**{DIFFS: diff(1, 3)})
    play(desk, DIFFS, script, lambda number: diff(number, number))
    assert numbers_told(desk.published[DIFFS]) == told


def candle(number: int) -> Kline:
    return kline(number // 3, number % 3)


STATES: dict[str, Callable[[int], Any]] = {QUOTES: quote, BOOKS: book, KLINES: candle}


@pytest.mark.parametrize("stream", STATES)
@pytest.mark.parametrize("script", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_states_only_become_newer_and_none_is_ever_missing(stream: str, script: str) -> None:
    make = STATES[stream]
    desk = Desk(**{stream: make(3)})
    play(desk, stream, script, make)
    placed = [where[1] for where in map(place, desk.published[stream]) if where is not None]
    newest = max(int(step[1:]) for step in script.split() if step[1:].isdigit())
    assert len(placed) == len(desk.published[stream])
    assert sorted(set(placed)) == placed
    assert desk.published[stream][-1] == make(newest)


def test_a_change_of_the_book_that_begins_before_the_last_one_has_ended_is_cut_to_follow_it() -> None:
    desk = Desk()
    assert desk.read(OLD, DIFFS, diff(1, 4)) == [diff(1, 4)]
    desk.read(NEW, DIFFS, diff(3, 6))
    assert desk.join() == [(DIFFS, diff(5, 6))]
    assert desk.read(OLD, DIFFS, diff(5, 8)) == [diff(7, 8)]
    assert desk.read(NEW, DIFFS, diff(7, 8)) == []


def test_the_first_event_of_a_stream_follows_nothing() -> None:
    desk = Desk()
    desk.join()
    assert desk.read(NEW, TRADES, trade(100)) == [trade(100)]
    assert desk.read(OLD, DIFFS, diff(7, 9)) == [diff(7, 9)]
    desk.overlap.forget(DIFFS)
    assert desk.read(NEW, DIFFS, diff(100, 101)) == [diff(100, 101)]


def test_nothing_comes_from_a_socket_that_is_listened_to_no_longer() -> None:
    desk = Desk()
    desk.join()
    desk.lose(NEW)
    assert desk.read(NEW, TRADES, trade(9)) == []
    desk.lose(OLD)  # then nobody is left, and the overlap is over; that is not its own to say
    assert desk.read(OLD, TRADES, trade(1)) == [trade(1)]


def test_what_is_held_is_bounded_and_then_nobody_is_waited_for() -> None:
    desk = Desk(held_max=3, **{TRADES: trade(1)})
    desk.join()
    assert desk.read(NEW, TRADES, *trades(3, 4)) == []
    fullness = [desk.overlap.is_full]
    desk.read(NEW, TRADES, trade(5))
    fullness.append(desk.overlap.is_full)
    assert fullness == [False, True]
    assert desk.read(NEW, TRADES, trade(6)) == [Hole(first_id=2, last_id=2), *trades(3, 4, 5, 6)]
    assert desk.overlap.held == 0


def test_what_the_old_one_has_brought_need_not_be_held() -> None:
    desk = Desk()
    desk.read(NEW, TRADES, *trades(4, 5, 6))
    assert desk.state() == (3, True)
    desk.read(OLD, TRADES, *trades(3, 4, 5))
    assert desk.state() == (1, True)
    assert desk.lose(NEW) == []
    assert desk.state() == (0, True)


# Judging the new socket.


def test_a_new_socket_that_does_not_bring_what_the_old_one_brings_is_late() -> None:
    desk = Desk()
    desk.read(OLD, TRADES, trade(1))
    desk.join()
    desk.read(OLD, TRADES, trade(2))  # may be from before the subscription, on a server that is a little behind
    desk.now_s = SETTLE_S
    assert desk.overlap.late(100) == []
    assert desk.state() == (0, False)
    desk.read(OLD, TRADES, trade(3))
    desk.read(OLD, "new@trade", trade(3))  # followed since the join: nobody knows who was subscribed first
    desk.now_s = 5
    desk.read(OLD, TRADES, trade(4))
    assert desk.overlap.late(SETTLE_S) == []
    assert desk.overlap.late(SETTLE_S + 0.1) == [TRADES]
    desk.read(NEW, TRADES, trade(3))
    assert desk.state() == (0, True)
    assert desk.overlap.late(5) == []
    assert desk.overlap.late(5.1) == [TRADES]
    desk.read(NEW, TRADES, trade(4))
    assert desk.overlap.late(100) == []
    assert desk.overlap.has_brought(NEW, TRADES)
    assert not desk.overlap.has_brought(NEW, DIFFS)


# Whatever is read in whatever order.


@st.composite
def tapes(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """What an exchange tells in some time, on all streams."""
    tape: list[tuple[str, Any]] = []
    update, number, trades_in_candle, minute = 10, 10, 0, 0
    for kind in draw(st.lists(st.sampled_from(["trade", "update", "minute"]), min_size=1, max_size=30)):
        if kind == "trade":
            number += 1
            trades_in_candle += 1
            tape += [(TRADES, trade(number)), (KLINES, kline(minute, trades_in_candle))]
        elif kind == "update":
            first = update + 1
            update += draw(st.integers(1, 4))
            tape += [(DIFFS, diff(first, update)), (QUOTES, quote(update)), (BOOKS, book(update))]
        else:
            tape.append((KLINES, kline(minute, trades_in_candle, is_closed=True)))
            minute, trades_in_candle = minute + 1, 0
    return tape


def of_stream(tape: Sequence[tuple[str, Any]], stream: str) -> list[Any]:
    return [event for name, event in tape if name == stream]


class Reading:
    """Two sockets being read. Each has what the exchange put into it, in order; None in the old one's is the answer to
    the question, which joins."""

    def __init__(self, data: st.DataObject, tape: list[tuple[str, Any]], subscribed: int, asked: int) -> None:
        self.desk = Desk()
        self.data = data
        self.queues: dict[Side, list[tuple[str, Any] | None]] = {
            OLD: [*tape[:asked], None, *tape[asked:]],
            NEW: list(tape[subscribed:]),
        }

    def read_all(self, *, dies: Side | None = None, after: int = 0) -> None:
        """Read in some order; one of them may break off after so many, with all that is in it."""
        read = dict.fromkeys(Side, 0)
        while any(self.queues.values()):
            if dies is not None and read[dies] >= after:
                self.queues[dies].clear()
                self.desk.lose(dies)
                dies = None
                continue
            sides = [side for side, queue in self.queues.items() if queue]
            side = self.data.draw(st.sampled_from(sides)) if len(sides) > 1 else sides[0]
            entry = self.queues[side].pop(0)
            read[side] += 1
            if entry is None:
                self.desk.join()
            else:
                self.desk.read(side, *entry)
        if dies is not None:
            self.desk.lose(dies)


@given(tapes(), st.data())
def test_every_event_is_published_once_and_in_order_however_the_sockets_are_read(
    tape: list[tuple[str, Any]], data: st.DataObject
) -> None:
    subscribed = data.draw(st.integers(0, len(tape)))
    reading = Reading(data, tape, subscribed, asked=data.draw(st.integers(subscribed, len(tape))))
    reading.read_all()
    assert reading.desk.published == {stream: of_stream(tape, stream) for stream in STREAMS}
    assert reading.desk.overlap.held == 0


@given(tapes(), st.data())
def test_the_death_of_the_new_socket_changes_nothing(tape: list[tuple[str, Any]], data: st.DataObject) -> None:
    subscribed = data.draw(st.integers(0, len(tape)))
    reading = Reading(data, tape, subscribed, asked=data.draw(st.integers(subscribed, len(tape))))
    reading.read_all(dies=NEW, after=data.draw(st.integers(0, len(tape))))
    assert reading.desk.published == {stream: of_stream(tape, stream) for stream in STREAMS}


@given(tapes(), st.data())
def test_after_the_death_of_the_old_socket_what_is_missing_is_told_and_nothing_else(
    tape: list[tuple[str, Any]], data: st.DataObject
) -> None:
    subscribed = data.draw(st.integers(0, len(tape)))
    asked = data.draw(st.integers(subscribed, len(tape)))
    reading = Reading(data, tape, subscribed, asked)
    died = data.draw(st.integers(0, len(tape) + 1))
    reading.read_all(dies=OLD, after=died)
    known = [*tape[: died - (died > asked)], *tape[max(subscribed, died - (died > asked)) :]]  # in some socket, read
    for stream in STREAMS:
        published = reading.desk.published[stream]
        assert [event for event in published if not isinstance(event, Hole)] == of_stream(known, stream)
        if died > asked:
            assert published == of_stream(tape, stream)
    for stream in NUMBERED:
        ends = 0
        for event in reading.desk.published[stream]:
            first, last = (event.first_id, event.last_id) if isinstance(event, Hole) else place(event) or (0, 0)
            assert ends in (0, first - 1), "neither a gap that was not told nor one that is none"
            ends = last


@given(tapes(), st.data())
def test_servers_that_are_not_at_the_same_point_lose_nothing_that_is_numbered(
    tape: list[tuple[str, Any]], data: st.DataObject
) -> None:
    """The answer on the old socket then proves less: its server is behind the one of the new socket."""
    asked = data.draw(st.integers(0, len(tape)))
    subscribed = data.draw(st.integers(asked, len(tape)))
    before = {stream: of_stream(tape[:asked], stream) for stream in NUMBERED}
    reading = Reading(data, tape, subscribed, asked)
    reading.read_all()
    for stream in NUMBERED:
        if before[stream]:  # else the first that is known is the first
            assert reading.desk.published[stream] == of_stream(tape, stream)
    for stream in STATES:
        newer = [where[1] for where in map(place, reading.desk.published[stream]) if where is not None]
        assert sorted(set(newer)) == newer
        assert reading.desk.published[stream][-1:] == of_stream(tape, stream)[-1:]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_changes_cut_differently_by_two_servers_still_follow_each_other(widths: list[int], data: st.DataObject) -> None:
    def cut(widths: Sequence[int]) -> list[tuple[str, Any]]:
        ends = [10 + sum(widths[:count]) for count in range(len(widths) + 1)]
        return [(DIFFS, diff(before + 1, end)) for before, end in pairwise(ends)]

    others = data.draw(st.permutations(widths))
    reading = Reading(data, cut(widths), 0, data.draw(st.integers(0, len(widths))))
    reading.queues[NEW] = list(cut(others))
    reading.read_all()
    published = reading.desk.published[DIFFS]
    assert [published[0].first_update_id, published[-1].final_update_id] == [11, 10 + sum(widths)]
    assert all(one.final_update_id + 1 == other.first_update_id for one, other in pairwise(published))
