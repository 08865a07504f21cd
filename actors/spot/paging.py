"""Reading a list of the exchange page by page, by rising ids: allOrders from an order id, myTrades from a trade id.

Ids, not times, lead from page to page: any number of rows may share a millisecond. Two rows may share a trade id, where
both sides of a trade are ours, and a page may end between them: so each page begins with the last id of the one before.
A page with fewer rows than asked for is not taken for the last one, only one that brings nothing new. Pure.
"""

from collections.abc import Sequence
from typing import TypeVar

from dogwatch.actors.spot.results import AccountTrade, OrderReport

Row = TypeVar("Row", OrderReport, AccountTrade)


class Paging:
    """Where the next page of a list begins (`next_id`), and whether all is read (`is_complete`).

    What happens while the list is read is told by the stream of events as well: rows younger than `until_ms`, by the
    exchange's clock, end the reading, else a busy account would never be read to the end.
    """

    def __init__(self, *, after_id: int, until_ms: int) -> None:
        self.next_id = after_id + 1
        self.newest_id = after_id
        """The highest id that was read; `after_id` before the first row."""
        self.is_complete = False
        self._until_ms = until_ms
        self._read_of_newest: set[int] = set()

    def add(self, page: Sequence[Row]) -> list[Row]:
        """Take the page that begins at `next_id`. Returns its rows that were not in the one before, by rising id."""
        rows = sorted((row for row in page if self._is_new(row)), key=_id_of)
        if not rows:
            self.is_complete = True
            return rows
        newest_id = _id_of(rows[-1])
        if newest_id != self.newest_id:
            self._read_of_newest.clear()
        self._read_of_newest.update(row.order_id for row in rows if _id_of(row) == newest_id)
        self.next_id = self.newest_id = newest_id
        self.is_complete = _time_ms_of(rows[-1]) >= self._until_ms
        return rows

    def _is_new(self, row: OrderReport | AccountTrade) -> bool:
        row_id = _id_of(row)
        return row_id > self.newest_id or (row_id == self.newest_id and row.order_id not in self._read_of_newest)


def _id_of(row: OrderReport | AccountTrade) -> int:
    return row.trade_id if isinstance(row, AccountTrade) else row.order_id


def _time_ms_of(row: OrderReport | AccountTrade) -> int:
    return row.time_ms if isinstance(row, AccountTrade) else row.creation_time_ms or 0
