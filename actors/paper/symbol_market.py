"""What the exchange remembers of one symbol's public trades and candles. Bounded. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from dogwatch.actors.paper.decimals import ZERO_TEXT, text
from dogwatch.actors.paper.klines import Klines

TRADES_MAX = 5000

Trade = Mapping[str, Any]
"""As the engine reports it: `t`, `p`, `q`, `T`, `m`."""


class SymbolMarket:
    """`trades` are the newest ones; `aggregates` groups of them, each with its id: what one taker did at one price and
    time.
    """

    def __init__(self, symbol: str) -> None:
        lower = symbol.lower()
        self.symbol = symbol
        self.klines = Klines()
        self.trades: deque[Trade] = deque(maxlen=TRADES_MAX)
        self.aggregates: deque[tuple[int, Sequence[Trade]]] = deque(maxlen=TRADES_MAX)
        self.trade_stream = f"{lower}@trade"
        self.aggregate_stream = f"{lower}@aggTrade"
        self.quote_stream = f"{lower}@bookTicker"
        self._aggregate_id = 0

    @property
    def last_quantity(self) -> str:
        return str(self.trades[-1]["q"]) if self.trades else ZERO_TEXT

    def add_trade(self, trade: Trade, now_ms: int) -> None:
        self.trades.append(trade)
        price, quantity = Decimal(trade["p"]), Decimal(trade["q"])
        self.klines.add_trade(trade["t"], price, quantity, buyer_is_maker=trade["m"], now_ms=now_ms)

    def add_aggregate(self, trades: Sequence[Trade]) -> int:
        """The id of the new group."""
        self._aggregate_id += 1
        self.aggregates.append((self._aggregate_id, trades))
        return self._aggregate_id


def aggregate_row(aggregate_id: int, trades: Sequence[Trade]) -> dict[str, Any]:
    """A row of `trades.aggregate`, and the body of an `aggTrade` event."""
    first, last = trades[0], trades[-1]
    return {
        "a": aggregate_id,
        "p": first["p"],
        "q": first["q"] if len(trades) == 1 else text(sum((Decimal(trade["q"]) for trade in trades), Decimal(0))),
        "f": first["t"],
        "l": last["t"],
        "T": last["T"],
        "m": last["m"],
        "M": True,
    }
