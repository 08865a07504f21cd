"""What a local order book costs: reading a change of 40 levels from JSON, applying it, and showing the book afterwards.

Microseconds of one change, medians over rounds that take turns, in brackets the ratio to the shallowest book. Two of
three changed levels are there already; the others appear or go. Most are near the best price, as in a real market.
"""

from decimal import Decimal
from random import Random

import msgspec
from measuring import Column, Stopwatch, arguments, table

from dogwatch.actors.spot.book import LocalBook, Taken
from dogwatch.actors.spot.stream_events import BookDiff, PriceLevel, StreamEvent
from dogwatch.actors.spot.stream_frames import decode_stream_frame

CENTS = 6_000_000
LEVELS_CHANGED = 20
SHOWN = (20, 100, 1_000)


class Columns:
    """The figures of books of different depths."""

    def __init__(self) -> None:
        self.read = Column("read, us")
        self.applied = Column("applied, us")
        self.shown = [Column(f"{levels:,} levels shown, us") for levels in SHOWN]

    def measure(self, depth: int, changes: int) -> None:
        name, random = f"{depth:,} levels a side", Random(depth)
        frames = [frame(random, number, depth) for number in range(1, changes + 1)]
        watch = Stopwatch()
        events = [decode_stream_frame(payload) for payload in frames]
        self.read.add(name, watch.us() / changes)
        diffs = [event.event for event in events if isinstance(event, StreamEvent)]
        book = a_book(depth)
        watch = Stopwatch()
        outcomes = [book.take_diff(diff) for diff in diffs if isinstance(diff, BookDiff)]
        self.applied.add(name, watch.us() / changes)
        assert outcomes == [Taken.APPLIED] * changes, book.reason
        for column, levels in zip(self.shown, SHOWN, strict=True):
            watch = Stopwatch()
            for _ in range(changes):
                book.view(levels)
            column.add(name, watch.us() / changes)


def frame(random: Random, number: int, depth: int) -> bytes:
    """The change of this number: 20 levels a side."""
    bids, asks = ([change(random, depth, step) for _ in range(LEVELS_CHANGED)] for step in (-2, 2))
    data = {"e": "depthUpdate", "E": number, "s": "BTCUSDT", "U": number, "u": number, "b": bids, "a": asks}
    return msgspec.json.encode({"stream": "btcusdt@depth@100ms", "data": data})


def change(random: Random, depth: int, step: int) -> list[str]:
    away = min(int(random.expovariate(1 / 60)), depth - 2)
    is_there = random.random() < 2 / 3
    cents = CENTS + step * (1 + away) + (0 if is_there else step // 2)
    quantity = 0 if not is_there and random.random() < 1 / 2 else random.randrange(1, 10**6)
    return [f"{cents / 100:.8f}", f"{quantity / 1000:.8f}"]


def a_book(depth: int) -> LocalBook:
    book = LocalBook("BTCUSDT")
    bids, asks = (
        [PriceLevel(price=Decimal(CENTS + step * (1 + away)) / 100, quantity=Decimal(1)) for away in range(depth)]
        for step in (-2, 2)
    )
    assert book.take_snapshot(0, bids, asks, limit=depth) is Taken.APPLIED
    return book


def main() -> None:
    sizes = arguments(__doc__ or "", rounds=5, changes=500)
    columns = Columns()
    for _ in range(sizes.rounds):
        for depth in (100, 1_000, 5_000):
            columns.measure(depth, sizes.changes)
    figures = [columns.read, columns.applied, *columns.shown]
    print(table("a change of 40 levels", figures, base="100 levels a side"))


if __name__ == "__main__":
    main()
