"""What keeps the journal of orders small over months: fills become positions, and what ended long ago is dropped.

It works in steps of bounded size between the writes of the tracker, and only drops what no recovery and no question can
bring up again. What stands in the journal is `order_journal.py`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from dogwatch.actors.closing import Closing
from dogwatch.actors.folded_position import FoldedPosition, Positions
from dogwatch.actors.order_journal_rows import (
    REPLACE_FACT,
    REPLACE_POSITION,
    SELECT_FILLS,
    Row,
    closing_of,
    fill_of,
    fold,
    row_of_position,
    understood,
)
from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.position import Position
from dogwatch.runtime.journal import Journal

FOLDED_THROUGH = "folded_through"
FOLDS_PER_STEP = 250
ROWS_PER_STEP = 250

SELECT_OLD_CHANGES = "SELECT sequence, client_order_id, at_ms FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?"
SELECT_CLOSING = """
    SELECT at_ms, snapshot FROM changes WHERE is_closed AND client_order_id = ? ORDER BY sequence DESC LIMIT 1
"""
DELETE_CHANGE = "DELETE FROM changes WHERE sequence = ?"
DELETE_FILL = "DELETE FROM fills WHERE sequence = ?"


class Upkeep:
    """Folds and drops. `live` and `marks` are the journal's own, and change with it.

    `positions`: (strategy, symbol) → position after all fills up to the row `through` of the table of fills. What is
    here may be ahead of the file by what is not committed yet, as everything that is written is.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        positions: Positions,
        through: int,
        live: Collection[str],
        marks: Mapping[str, Mark],
    ) -> None:
        self.positions = positions
        self.through = through
        self._journal = journal
        self._live = live
        self._marks = marks
        self._ending: Collection[str] = ()
        self._changes_cursor = 0
        self._fills_cursor = 0

    def follow(self, strategy: str, symbol: str, base_asset: str, quote_asset: str) -> None:
        """Begin a position from nothing, unless there is one."""
        key = strategy, symbol
        if key not in self.positions:
            position = Position(symbol=symbol, base_asset=base_asset, quote_asset=quote_asset)
            self.positions[key] = FoldedPosition(position=position)
            self._write_positions([key])

    def step(self, cutoff_ms: int, ending: Collection[str] = ()) -> int:
        """Fold some fills, and drop some rows of what ended before `cutoff_ms`. Returns how many rows were dropped.

        `ending`: orders that have ended just now, which the file may not know yet. Raises JournalError if the file
        cannot be read.
        """
        self._ending = ending
        self.fold()
        return self._drop_changes(cutoff_ms) + self._drop_fills(cutoff_ms)

    def fold(self) -> bool:
        """Move the next fills into their positions. False when there are none."""
        rows = self._journal.read(SELECT_FILLS, (self.through, FOLDS_PER_STEP))
        if rows:
            fills = [understood(self._journal.path, partial(fold, self.positions), row) for row in rows]
            self.through = rows[-1][0]
            self._write_positions((fill.strategy, fill.symbol) for fill in fills)
            self._journal.write(REPLACE_FACT, (FOLDED_THROUGH, str(self.through)))
        return bool(rows)

    def _drop_changes(self, cutoff_ms: int) -> int:
        """Rows of an order that ended long ago. Its last row goes last, so an order is whole or not there."""
        old = self._old_rows(SELECT_OLD_CHANGES, self._changes_cursor, cutoff_ms)
        self._changes_cursor = old[-1][0] if old else 0
        gone = {name for name in {row[1] for row in old} if self._is_droppable(name, cutoff_ms)}
        dropped = [sequence for sequence, name, _ in old if name in gone]
        for sequence in dropped:
            self._journal.write(DELETE_CHANGE, (sequence,))
        return len(dropped)

    def _is_droppable(self, name: str, cutoff_ms: int) -> bool:
        closing = None if self._is_needed(name) else self._closing(name)
        if closing is None:
            return False
        at_ms, ended = closing
        # Above the mark the next recovery would find it again, and take it for one that was never known.
        return at_ms < cutoff_ms and (ended.order_id is None or ended.order_id <= self._mark(ended.symbol).order_id)

    def _drop_fills(self, cutoff_ms: int) -> int:
        """Fills of orders that are no longer there. They are in the positions, and below the marks."""
        # The row `through` stays: were the table empty, its numbers would begin anew.
        old = [row for row in self._old_rows(SELECT_FILLS, self._fills_cursor, cutoff_ms) if row[0] < self.through]
        self._fills_cursor = old[-1][0] if old else 0
        gone = {name for name in {row[7] for row in old} if not self._is_needed(name) and self._closing(name) is None}
        dropped = [row for row in old if row[7] in gone and row[4] <= self._mark(row[2]).trade_id]
        for row in dropped:
            self._journal.write(DELETE_FILL, (row[0],))
        self._raise_marks([understood(self._journal.path, fill_of, row) for row in dropped])
        return len(dropped)

    def _is_needed(self, name: str) -> bool:
        return name in self._live or name in self._ending

    def _old_rows(self, statement: str, cursor: int, cutoff_ms: int) -> list[Row]:
        """The next rows from before `cutoff_ms`, which is compared with their last column. None when the first is not.

        Rows are nearly in the order of time, so that first one is looked at before the others are read.
        """
        first = self._journal.read(statement, (cursor, 1))
        if not first or first[0][-1] >= cutoff_ms:
            return []
        return [row for row in self._journal.read(statement, (cursor, ROWS_PER_STEP)) if row[-1] < cutoff_ms]

    def _raise_marks(self, fills: Sequence[Fill]) -> None:
        """Their rows are gone, and still they must not count again."""
        for fill in fills:
            folded = self.positions[fill.strategy, fill.symbol]
            if fill.side is Side.BUY:
                folded.bought_mark = max(folded.bought_mark, fill.trade_id)
            else:
                folded.sold_mark = max(folded.sold_mark, fill.trade_id)
        self._write_positions((fill.strategy, fill.symbol) for fill in fills)

    def _write_positions(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in dict.fromkeys(keys):
            self._journal.write(REPLACE_POSITION, row_of_position(key[0], self.positions[key]))

    def _closing(self, name: str) -> tuple[int, Closing] | None:
        """When an order ended, and what it was; None if no row says that it did."""
        rows = self._journal.read(SELECT_CLOSING, (name,))
        return (rows[0][0], understood(self._journal.path, closing_of, rows[0][1])) if rows else None

    def _mark(self, symbol: str) -> Mark:
        return self._marks.get(symbol) or Mark()
