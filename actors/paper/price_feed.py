"""Where the prices come from: recorded trades, candles, a seeded random walk, or a script, all as iterators of ticks.

Nothing waits here and nothing knows a clock: whoever plays a feed paces it by the ticks' `time_ms` (Unix milliseconds)
and hands each tick to the engine with `apply_tick`.
"""

import csv
import random
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeAlias

import msgspec

from dogwatch.actors.paper.engine import Engine
from dogwatch.runtime.errors import ConfigError


class FeedError(ConfigError):
    """A price file cannot be read: which file, which line and column, and what was expected there."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None, column: str = "", hint: str = "") -> None:
        where = str(path) if line is None else f"{path}:{line}"
        super().__init__(where, f"column {column}: {problem}" if column else problem, hint=hint)
        self.path = path
        self.line = line
        self.column = column


class TradeTick(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The market outside traded. `trade_id` is the recorded one, if there is a record."""

    symbol: str
    time_ms: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    trade_id: int | None = None


class QuoteTick(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The market outside shows a best bid and ask."""

    symbol: str
    time_ms: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


MarketTick: TypeAlias = TradeTick | QuoteTick


def apply_tick(engine: Engine, tick: MarketTick, time_ms: int | None = None) -> None:
    """Let the tick happen, at its own time or at the time that the exchange's clock shows."""
    now_ms = tick.time_ms if time_ms is None else time_ms
    if isinstance(tick, TradeTick):
        engine.apply_trade(
            tick.symbol,
            tick.price,
            tick.quantity,
            now_ms,
            buyer_is_maker=tick.buyer_is_maker,
            trade_id=tick.trade_id,
        )
    else:
        engine.apply_quote(tick.symbol, tick.bid, tick.bid_quantity, tick.ask, tick.ask_quantity, now_ms)


class Script:
    """Ticks that somebody wrote down."""

    def __init__(self, ticks: Iterable[MarketTick]) -> None:
        self._ticks = tuple(ticks)

    def __iter__(self) -> Iterator[MarketTick]:
        return iter(self._ticks)


class TradeDump:
    """Recorded trades in the public dump format, its columns in the order of `COLUMNS`.

    A header row is skipped. Times are milliseconds or microseconds (dumps from 2025 on), told apart by their size. The
    file is read while it is iterated; each iteration starts anew. Raises FeedError at a line that cannot be read, when
    time runs backwards, and for a file without any trade.
    """

    COLUMNS = ("trade id", "price", "quantity", "quote quantity", "time", "is buyer maker", "is best match")

    def __init__(self, path: Path, symbol: str) -> None:
        self.path = path
        self.symbol = symbol

    def __iter__(self) -> Iterator[TradeTick]:
        newest_ms = 0
        for row in _rows(self.path, self.COLUMNS, columns_min=6):
            tick = TradeTick(
                symbol=self.symbol,
                trade_id=row.integer(0),
                price=row.positive(1),
                quantity=row.positive(2),
                time_ms=row.time_ms(4),
                buyer_is_maker=row.flag(5),
            )
            if tick.time_ms < newest_ms:
                raise row.error(4, f"a time not before the line above ({newest_ms} ms)")
            newest_ms = tick.time_ms
            yield tick


class KlineFile:
    """Candles in the public dump format: open time, open, high, low, close, volume, close time, and columns not needed.

    Inside a candle the price goes open, low, high, close when it rises or stands, else open, high, low, close: four
    trades at even distances from open to close time, each with a quarter of the volume, the last with what is left. A
    trade below the one before it is a seller's, any other a buyer's. A candle without volume has no trades. Raises
    FeedError like TradeDump, and for prices that no candle can have.
    """

    COLUMNS = ("open time", "open", "high", "low", "close", "volume", "close time")

    def __init__(self, path: Path, symbol: str) -> None:
        self.path = path
        self.symbol = symbol

    def __iter__(self) -> Iterator[TradeTick]:
        newest_ms = -1
        before: Decimal | None = None
        for row in _rows(self.path, self.COLUMNS, columns_min=7):
            opened_ms, closed_ms = row.time_ms(0), row.time_ms(6)
            opened, high, low, closed = (row.positive(column) for column in (1, 2, 3, 4))
            volume = row.amount(5)
            if opened_ms <= newest_ms:
                raise row.error(0, f"a time after the candle above ({newest_ms} ms)")
            if closed_ms < opened_ms:
                raise row.error(6, "a time not before the open time")
            if high < max(opened, closed, low):
                raise row.error(2, "the highest price of the candle")
            if low > min(opened, closed):
                raise row.error(3, "the lowest price of the candle")
            newest_ms = closed_ms
            path = (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
            for tick in self._ticks(path, volume, opened_ms, closed_ms, before):
                before = tick.price
                yield tick

    def _ticks(
        self, path: tuple[Decimal, ...], volume: Decimal, opened_ms: int, closed_ms: int, before: Decimal | None
    ) -> Iterator[TradeTick]:
        if not volume:
            return
        quarter = (volume / 4).quantize(_UNIT)
        for step, price in enumerate(path):
            quantity = quarter if step < 3 else volume - 3 * quarter
            if quantity > 0:
                yield TradeTick(
                    symbol=self.symbol,
                    time_ms=opened_ms + (closed_ms - opened_ms) * step // 3,
                    price=price,
                    quantity=quantity,
                    buyer_is_maker=before is not None and price < before,
                )
            before = price


class RandomWalk:
    """A seeded walk: every `interval_ms` a quote and a trade on one of its sides, one `step` up or down, or none.

    The walk keeps off zero: at two steps from it, it only rises. The same arguments give the same ticks. `ticks_max`
    counts intervals; None never ends. Raises ValueError for a step, price, quantity or interval that is not positive.
    """

    def __init__(
        self,
        symbol: str,
        *,
        seed: int,
        price: Decimal,
        step: Decimal,
        interval_ms: int,
        start_ms: int = 0,
        quantity: Decimal = Decimal("0.1"),
        half_spread: Decimal | None = None,
        ticks_max: int | None = None,
    ) -> None:
        if min(price, step, quantity) <= 0 or interval_ms <= 0:
            raise ValueError("a random walk needs a positive price, step, quantity and interval_ms")
        self.symbol = symbol
        self._seed = seed
        self._price = price
        self._step = step
        self._interval_ms = interval_ms
        self._start_ms = start_ms
        self._quantity = quantity
        self._half_spread = step if half_spread is None else half_spread
        self._ticks_max = ticks_max

    def __iter__(self) -> Iterator[MarketTick]:
        chance = random.Random(self._seed)
        middle, time_ms, walked = self._price, self._start_ms, 0
        lowest = 2 * self._step + self._half_spread
        while self._ticks_max is None or walked < self._ticks_max:
            middle += self._step * (1 if middle <= lowest else chance.choice((-1, 0, 1)))
            bid, ask = middle - self._half_spread, middle + self._half_spread
            yield QuoteTick(
                symbol=self.symbol,
                time_ms=time_ms,
                bid=bid,
                bid_quantity=self._lots(chance),
                ask=ask,
                ask_quantity=self._lots(chance),
            )
            buyer_is_maker = chance.random() < 0.5
            yield TradeTick(
                symbol=self.symbol,
                time_ms=time_ms,
                price=bid if buyer_is_maker else ask,
                quantity=self._lots(chance),
                buyer_is_maker=buyer_is_maker,
            )
            time_ms += self._interval_ms
            walked += 1

    def _lots(self, chance: random.Random) -> Decimal:
        return self._quantity * chance.randint(1, 10)


_UNIT = Decimal("0.00000001")
# A time in milliseconds stays below this until the year 5138; in microseconds it passed it in 1973.
_MICROSECONDS_FROM = 10**14


class _Row:
    """One line of a file, read column by column with errors that say where."""

    __slots__ = ("_cells", "_columns", "_line", "_path")

    def __init__(self, path: Path, line: int, cells: list[str], columns: tuple[str, ...]) -> None:
        self._path = path
        self._line = line
        self._cells = cells
        self._columns = columns

    def integer(self, column: int) -> int:
        cell = self._cells[column].strip()
        if not (cell.isascii() and cell.isdigit()):
            raise self.error(column, "a whole number")
        return int(cell)

    def time_ms(self, column: int) -> int:
        time = self.integer(column)
        return time // 1000 if time >= _MICROSECONDS_FROM else time

    def amount(self, column: int) -> Decimal:
        """Zero or more."""
        value = self._decimal(column)
        if value is None or value < 0:
            raise self.error(column, "a decimal number, zero or more")
        return value

    def positive(self, column: int) -> Decimal:
        value = self._decimal(column)
        if value is None or value <= 0:
            raise self.error(column, "a decimal number above zero")
        return value

    def flag(self, column: int) -> bool:
        value = self._cells[column].strip().lower()
        if value not in ("true", "false"):
            raise self.error(column, "True or False")
        return value == "true"

    def error(self, column: int, expected: str) -> FeedError:
        return FeedError(
            self._path,
            f"expected {expected}, found {self._cells[column]!r}",
            line=self._line,
            column=f"{column + 1} ({self._columns[column]})",
        )

    def _decimal(self, column: int) -> Decimal | None:
        try:
            value = Decimal(self._cells[column].strip())
        except InvalidOperation:
            return None
        return value if value.is_finite() else None


def _rows(path: Path, columns: tuple[str, ...], *, columns_min: int) -> Iterator[_Row]:
    """The data lines of a comma-separated file. A first line whose first cell is no number is a header."""
    found = False
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for line, cells in enumerate(csv.reader(lines), start=1):
                if not cells or (line == 1 and not cells[0].strip().isdigit() and cells[0].strip()[:1].isalpha()):
                    continue
                if len(cells) < columns_min:
                    raise FeedError(
                        path,
                        f"expected at least {columns_min} columns, found {len(cells)}",
                        line=line,
                        column=str(len(cells) + 1),
                        hint=f"the columns are: {', '.join(columns)}",
                    )
                found = True
                yield _Row(path, line, cells, columns)
    except OSError as error:
        raise FeedError(path, f"cannot be read: {error.strerror or error}", hint="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeedError(path, f"is not a text file of comma-separated values: {error}") from error
    if not found:
        raise FeedError(path, "has no data", hint=f"the columns are: {', '.join(columns)}")
