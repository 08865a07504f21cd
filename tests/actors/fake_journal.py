"""A journal that is a list: it commits when the test lets it, or fails as the test says."""

from collections.abc import Callable

from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Order
from dogwatch.runtime.errors import JournalError

Then = Callable[[JournalError | None], None]


class FakeJournal:
    """`rows` are durable, `pending` only recorded, and of those all that no commit need wait for in `behind` too.

    With `is_slow` a commit waits for `work()`, as a disk does.
    """

    def __init__(self, *, is_slow: bool = False) -> None:
        self.rows: list[object] = []
        self.pending: list[object] = []
        self.behind: list[object] = []
        self.failure: JournalError | None = None
        self.broken: JournalError | None = None
        self.is_slow = is_slow
        self.commits = 0
        self.compacted = 0
        self._waiting: list[tuple[list[object], Then | None]] = []

    def record_order(self, order: Order, *, is_behind: bool = False) -> None:
        self._record(order, is_behind=is_behind)

    def record_fill(self, fill: Fill, *, base_asset: str, quote_asset: str, is_behind: bool = False) -> None:
        assert (base_asset, quote_asset) == ("BTC", "USDT")
        self._record(fill, is_behind=is_behind)

    def record_mark(self, symbol: str, mark: Mark, *, is_behind: bool = False) -> None:
        self._record((symbol, mark), is_behind=is_behind)

    def commit(self, then: Then | None = None) -> None:
        self.commits += 1
        rows, self.pending = self.pending, []
        self._waiting.append((rows, then))
        if not self.is_slow:
            self.work()

    def compact(self, now_ms: int) -> int:
        assert now_ms > 0
        self.compacted += 1
        return 0

    def work(self) -> None:
        """What the disk does in its own time. What it cannot take waits, in its order, for the next commit."""
        waiting, self._waiting = self._waiting, []
        self.failure = self.broken
        if self.failure is None:
            for rows, _ in waiting:
                self.rows += rows
        else:
            self.pending = [row for rows, _ in waiting for row in rows] + self.pending
        for _, then in waiting:
            if then is not None:
                then(self.failure)

    def orders(self) -> list[Order]:
        """Every snapshot that is durable, oldest first."""
        return [row for row in self.rows if isinstance(row, Order)]

    def newest(self, name: str) -> Order | None:
        """The last durable snapshot of an order."""
        return next((order for order in reversed(self.orders()) if order.client_order_id == name), None)

    def _record(self, row: object, *, is_behind: bool) -> None:
        self.pending.append(row)
        if is_behind:
            self.behind.append(row)
