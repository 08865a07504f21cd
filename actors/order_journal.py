"""The journal of orders: every snapshot of every order, every fill, the watermarks and the halts, kept on disk.

What a durable file is lives in `runtime/journal.py`, what the rows look like in `order_journal_rows.py`, how the file
stays small over months in `order_journal_upkeep.py`. What is recorded when is the tracker's business.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple, Self

from dogwatch.actors.folded_position import Positions
from dogwatch.actors.halt import Halt
from dogwatch.actors.order_journal_rows import (
    INSERT_CHANGE,
    INSERT_FILL,
    REPLACE_FACT,
    REPLACE_MARK,
    SCHEMA,
    SELECT_FILLS,
    Row,
    counted_of,
    fold,
    folded_of,
    mark_of,
    order_of,
    row_of_fill,
    understood,
)
from dogwatch.actors.order_journal_upkeep import FOLDED_THROUGH, Upkeep
from dogwatch.actors.run_token import run_number, token_of
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.fills import FillLedger
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import CLOSED, ZERO, Order
from dogwatch.runtime.errors import ConfigError, JournalError
from dogwatch.runtime.journal import Durability, Journal, JournalReader
from dogwatch.runtime.journal_file import damaged

CLOSED_LOADED = 10_000
"""How many ended orders are read back, the newest; all live ones are."""
KEEP_DAYS = 7
"""How long an order that has ended can be looked up."""
DAY_MS = 86_400_000

ENDING_KEPT = 256
"""So many ends may be remembered that the database has."""
ROWS_AT_ONCE = 20_000
NAMES_AT_ONCE = 500

ACCOUNT, VENUE = "account", "venue"
BANNED_UNTIL, BANNED_FOR = "banned_until_ms", "banned_for_ms"

# An order is live if no row ends it after its last one. One that had ended may come back to life, on evidence.
SELECT_LIVE = """
    SELECT max(sequence), client_order_id FROM changes AS opened WHERE NOT is_closed AND NOT EXISTS (
        SELECT 1 FROM changes AS ended
        WHERE ended.is_closed AND ended.client_order_id = opened.client_order_id AND ended.sequence > opened.sequence
    ) GROUP BY client_order_id ORDER BY 1
"""
SELECT_CLOSED = """
    SELECT max(sequence) AS newest, client_order_id FROM changes WHERE is_closed
    GROUP BY client_order_id ORDER BY newest DESC LIMIT ?
"""
SELECT_COUNTED = """
    SELECT sequence, strategy, symbol, side, trade_id, execution_id, client_order_id, quantity
    FROM fills WHERE sequence > ? ORDER BY sequence LIMIT ?
"""


class Change(NamedTuple):
    """One step of an order's history: when, what it rests on, what the order was then."""

    at_ms: int
    cause: str
    order: Order


class Recorded(NamedTuple):
    """What earlier runs have left."""

    orders: tuple[Order, ...]
    """All live orders and the last ended ones, by the time of their newest change."""
    ledgers: dict[str, FillLedger]
    """Strategy → its fills of all runs."""
    booked: dict[str, Decimal]
    """Client order id → the quantity that the recorded fills explain, for `orders`."""
    marks: dict[str, Mark]
    halt: Halt | None


class OrderRecord:
    """A journal of orders to be read. `OrderJournal.read_only` makes it for a file that others write, or have left.

    Methods raise JournalError when the file cannot be read.
    """

    def __init__(self, journal: Journal | JournalReader) -> None:
        self.path = journal.path
        self._read = journal.read
        self._file = journal
        self._halt = self._read_halt()

    @property
    def halted(self) -> Halt | None:
        """Whether trading is halted, and why."""
        return self._halt

    def orders(self, *, closed_max: int = 0) -> tuple[Order, ...]:
        """The live orders and the last `closed_max` ended ones, by the time of their newest change."""
        live = self._read(SELECT_LIVE)
        names = {name for _, name in live}
        closed = self._read(SELECT_CLOSED, (closed_max + len(live),)) if closed_max else []
        ended = [row for row in closed if row[1] not in names][:closed_max]
        return tuple(self._snapshots(sorted(sequence for sequence, _ in (*live, *ended))))

    def history(self, client_order_id: str) -> tuple[Change, ...]:
        """Every snapshot of one order, oldest first; none for an order that is not known or was dropped long ago.

        Looks through the whole file: not for the process that trades.
        """
        rows = self._read(
            "SELECT snapshot FROM changes WHERE client_order_id = ? ORDER BY sequence", (client_order_id,)
        )
        orders = [self._order(snapshot) for (snapshot,) in rows]
        return tuple(Change(order.updated_ms, order.evidence, order) for order in orders)

    def load(self) -> Recorded:
        """What a new process goes on from. Raises JournalError when a row cannot be read or understood."""
        self._read("BEGIN")  # the rows of one moment, while another process may be writing
        try:
            positions = self._read_positions()
            for row in self._rows(SELECT_FILLS, self._folded_through()):
                understood(self.path, partial(fold, positions), row)
            return self._recorded(positions)
        finally:
            self._read("ROLLBACK")

    def close(self) -> None:
        """Close the file. What was recorded and not committed is committed first."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _recorded(self, positions: Positions) -> Recorded:
        orders = self.orders(closed_max=CLOSED_LOADED)
        names = {order.client_order_id for order in orders}
        booked: dict[str, Decimal] = {}
        ledgers: dict[str, FillLedger] = {}
        for (strategy, _), folded in positions.items():
            ledger = ledgers.setdefault(strategy, FillLedger())
            ledger.restore(folded.position, bought_mark=folded.bought_mark, sold_mark=folded.sold_mark)
        for row in self._rows(SELECT_COUNTED, 0):
            _, strategy, symbol, side, trade_id, execution_id, name, quantity = understood(self.path, counted_of, row)
            if strategy not in ledgers:
                raise damaged(self.path, f"{strategy} has fills and no position")
            ledgers[strategy].remember(symbol, side, trade_id=trade_id, execution_id=execution_id)
            if name in names:
                booked[name] = booked.get(name, ZERO) + quantity
        return Recorded(orders=orders, ledgers=ledgers, booked=booked, marks=self._read_marks(), halt=self._halt)

    def _folded_through(self) -> int:
        return understood(self.path, int, self._fact(FOLDED_THROUGH) or 0)

    def _read_positions(self) -> Positions:
        rows = self._read("SELECT strategy, symbol, position, bought_mark, sold_mark FROM positions")
        return {(strategy, symbol): understood(self.path, folded_of, (*row,)) for strategy, symbol, *row in rows}

    def _read_marks(self) -> dict[str, Mark]:
        rows = self._read("SELECT symbol, order_id, trade_id FROM marks")
        return dict(understood(self.path, mark_of, row) for row in rows)

    def _rows(self, statement: str, after: int) -> Iterator[Row]:
        """All rows of a table above a sequence number, which is their first column, some at a time."""
        while rows := self._read(statement, (after, ROWS_AT_ONCE)):
            yield from rows
            after = rows[-1][0]

    def _fact(self, name: str) -> str | None:
        rows = self._read("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def _read_halt(self) -> Halt | None:
        rows = self._read("SELECT at_ms, reason FROM halts ORDER BY sequence DESC LIMIT 1")
        return Halt(reason=rows[0][1], at_ms=rows[0][0]) if rows and rows[0][1] is not None else None

    def _snapshots(self, sequences: list[int]) -> Iterator[Order]:
        for first in range(0, len(sequences), NAMES_AT_ONCE):
            some = tuple(sequences[first : first + NAMES_AT_ONCE])
            places = ",".join("?" * len(some))
            statement = f"SELECT snapshot FROM changes WHERE sequence IN ({places}) ORDER BY sequence"  # noqa: S608
            yield from (self._order(snapshot) for (snapshot,) in self._read(statement, some))

    def _order(self, snapshot: str) -> Order:
        return understood(self.path, order_of, snapshot)


class OrderJournal(OrderRecord):
    """A journal of orders to be written, by this process alone.

    What is recorded becomes durable, in order, with the next `commit`; until then it costs a few microseconds and
    never fails. With `is_behind` no commit is needed: it is durable a moment later. `failure` says why rows wait that
    were to be committed; until it is None again nothing new may be sent.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._journal = journal
        self._write, self._write_behind = journal.write, journal.write_behind
        ((newest,),) = self._read("SELECT max(number) FROM runs")
        self._newest_run: int = newest or 0
        self._ending: deque[tuple[int, str]] = deque()  # (row, order) of ends that may not be in the database yet
        self._compacted = 0  # the last row of the newest step of compaction
        self._live: set[str] = {name for _, name in self._read(SELECT_LIVE)}
        self._marks = self._read_marks()
        self._owner = {name: value for name in (VENUE, ACCOUNT) if (value := self._fact(name)) is not None}
        self._banned_until_ms = understood(self.path, int, self._fact(BANNED_UNTIL) or 0)
        self._banned_for_ms = understood(self.path, int, self._fact(BANNED_FOR) or 0)
        self._upkeep = Upkeep(
            journal,
            positions=self._read_positions(),
            through=self._folded_through(),
            live=self._live,
            marks=self._marks,
        )

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, durability: Durability = Durability.PROCESS, in_thread: bool = True
    ) -> Self:
        """Open or make the file, for this process alone; its folder must exist. Raises JournalError.

        `in_thread=False`: no threads, everything happens at the call (virtual time). See `runtime.journal.Journal`.
        """
        journal = Journal.open(path, SCHEMA, durability=durability, in_thread=in_thread)
        try:
            return cls(journal)
        except BaseException:
            journal.close()
            raise

    @staticmethod
    def read_only(path: str | os.PathLike[str]) -> OrderRecord:
        """Read a file that another process may be writing, or that a dead one has left. Raises JournalError."""
        reader = Journal.read_only(path, SCHEMA)
        try:
            return OrderRecord(reader)
        except BaseException:
            reader.close()
            raise

    @property
    def failure(self) -> JournalError | None:
        """Why what is recorded cannot be committed, or None. It is tried again by every commit."""
        return self._journal.failure

    def load(self) -> Recorded:
        return self._recorded(self._folded_positions())

    def begin_run(self, unix_ms: int) -> str:
        """The mark of a run that begins now, for its client order ids: no earlier run had it, whatever the clock says.

        Raises JournalError when it cannot be recorded.
        """
        number = self._newest_run = max(run_number(unix_ms), self._newest_run + 1)
        self._journal.write("INSERT INTO runs (number, began_ms) VALUES (?, ?)", (number, unix_ms))
        self._journal.commit()
        failure = self.failure
        if failure is not None:
            raise JournalError(failure.message, hint=failure.hint)
        return token_of(number)

    def bind_account(self, *, uid: int, venue: str) -> None:
        """From the first time on the file is for this account at this venue only.

        Raises ConfigError when it is another's: orders of another account would be missing here, and called lost.
        """
        owner = {VENUE: venue, ACCOUNT: str(uid)}
        for name, value in owner.items():
            recorded = self._owner.get(name, value)
            if recorded != value:
                raise ConfigError(
                    "journal.file",
                    f"{self.path} is the journal of {name} {recorded}, and this is {name} {value}",
                    hint="name another journal.file, or move this one away: each account has its own, and a paper "
                    "exchange that begins anew is a new account",
                )
        if self._owner != owner:
            self._owner = owner
            for fact in owner.items():
                self._journal.write(REPLACE_FACT, fact)
            self._journal.commit()

    @property
    def banned_until_ms(self) -> int:
        """When the newest ban of this machine's address ends or ended, in wall clock milliseconds; 0 for none."""
        return self._banned_until_ms

    @property
    def banned_for_ms(self) -> int:
        """How long that ban was to last when it was recorded, in milliseconds; 0 for none."""
        return self._banned_for_ms

    def record_ban(self, until_ms: int, for_ms: int) -> None:
        """The exchange refuses all that comes from this address until then, for so long, in later runs too."""
        self._banned_until_ms, self._banned_for_ms = until_ms, for_ms
        self._journal.write(REPLACE_FACT, (BANNED_UNTIL, str(until_ms)))
        self._journal.write(REPLACE_FACT, (BANNED_FOR, str(for_ms)))
        self._journal.commit()

    def record_order(self, order: Order, *, is_behind: bool = False) -> None:
        """Add a snapshot to the order's history."""
        name, is_closed = order.client_order_id, order.life in CLOSED
        write = self._write_behind if is_behind else self._write
        write(INSERT_CHANGE, (name, order.updated_ms, 1 if is_closed else 0, order))
        if is_closed:
            self._live.discard(name)
            self._ending.append((self._journal.written, name))
            if len(self._ending) > ENDING_KEPT:
                self._forget_ends()
        else:
            self._live.add(name)

    def record_fill(self, fill: Fill, *, base_asset: str, quote_asset: str, is_behind: bool = False) -> None:
        """Add a fill that counts, and that was not recorded before. The assets are its symbol's."""
        self._upkeep.follow(fill.strategy, fill.symbol, base_asset, quote_asset)
        (self._write_behind if is_behind else self._write)(INSERT_FILL, row_of_fill(fill))

    def record_mark(self, symbol: str, mark: Mark, *, is_behind: bool = False) -> None:
        """The record of a symbol is complete up to this mark."""
        self._marks[symbol] = mark
        (self._write_behind if is_behind else self._write)(REPLACE_MARK, (symbol, mark.order_id, mark.trade_id))

    def halt(self, reason: str, at_ms: int) -> None:
        """Trading is halted, in later runs too, until `resume`."""
        self._record_halt(Halt(reason=reason, at_ms=at_ms), at_ms)

    def resume(self, at_ms: int) -> None:
        """Trading goes on."""
        self._record_halt(None, at_ms)

    def commit(self, then: Callable[[JournalError | None], None] | None = None) -> None:
        """Make durable what was recorded, then call `then` with None or with what went wrong. See `runtime.journal`."""
        self._journal.commit(then)

    def compact(self, now_ms: int, keep_days: float = KEEP_DAYS) -> int:
        """One bounded step, some milliseconds, of keeping the file small; returns how many rows were dropped.

        Call it every half minute or so. Orders that ended more than `keep_days` ago go, with their fills, unless they
        are above a mark; what their fills amount to stays. Does nothing while the last step is not in the database, or
        it would do the same again. Raises JournalError if the file cannot be read.
        """
        dropped = 0
        if self._journal.stored >= self._compacted:
            self._forget_ends()
            dropped = self._upkeep.step(now_ms - int(keep_days * DAY_MS), {name for _, name in self._ending})
            self._compacted = self._journal.written
        self._journal.commit()
        return dropped

    def statistics(self) -> dict[str, int | float]:
        """The figures of the file; `live` orders are in it that are not known to have ended."""
        return {"live": len(self._live), **self._journal.statistics()}

    def _forget_ends(self) -> None:
        while self._ending and self._ending[0][0] <= self._journal.stored:
            self._ending.popleft()

    def _folded_positions(self) -> Positions:
        """What all fills amount to, moved into the positions for good."""
        while self._upkeep.fold():
            pass
        self._journal.commit()
        return self._upkeep.positions

    def _record_halt(self, halt: Halt | None, at_ms: int) -> None:
        self._halt = halt
        self._journal.write(
            "INSERT INTO halts (at_ms, reason) VALUES (?, ?)", (at_ms, None if halt is None else halt.reason)
        )
        self._journal.commit()
