"""The tables of the journal of orders, and how its values become rows and rows its values. Nothing is read or written.

Amounts are text, so that they stay exact; snapshots are JSON, so that any program can read them. Fields that a newer
version has added are ignored.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from dogwatch.actors.closing import Closing
from dogwatch.actors.folded_position import FoldedPosition, Positions
from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.fills import with_fill
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.position import Position
from dogwatch.runtime.encoding import plain
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Schema
from dogwatch.runtime.journal_ahead import store_as_json
from dogwatch.runtime.journal_file import damaged

SCHEMA = Schema(
    application_id=0x444F4757,  # "DOGW"
    versions=(
        # Intents have to be fast, so only the rows that end an order are in an index.
        """
        CREATE TABLE changes (
            sequence INTEGER PRIMARY KEY,
            client_order_id TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            is_closed INTEGER NOT NULL,
            snapshot TEXT NOT NULL
        );
        CREATE INDEX closings ON changes (client_order_id) WHERE is_closed;
        CREATE TABLE fills (
            sequence INTEGER PRIMARY KEY,
            strategy TEXT NOT NULL,
            symbol TEXT NOT NULL,
            side TEXT NOT NULL,
            trade_id INTEGER NOT NULL,
            execution_id INTEGER NOT NULL,
            order_id INTEGER NOT NULL,
            client_order_id TEXT NOT NULL,
            price TEXT NOT NULL,
            quantity TEXT NOT NULL,
            quote_quantity TEXT NOT NULL,
            commission TEXT NOT NULL,
            commission_asset TEXT,
            is_maker INTEGER NOT NULL,
            is_recovered INTEGER NOT NULL,
            traded_ms INTEGER NOT NULL
        );
        CREATE TABLE positions (
            strategy TEXT NOT NULL,
            symbol TEXT NOT NULL,
            position TEXT NOT NULL,
            bought_mark INTEGER NOT NULL,
            sold_mark INTEGER NOT NULL,
            PRIMARY KEY (strategy, symbol)
        ) WITHOUT ROWID;
        CREATE TABLE marks (
            symbol TEXT PRIMARY KEY,
            order_id INTEGER NOT NULL,
            trade_id INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE halts (sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT);
        CREATE TABLE runs (number INTEGER PRIMARY KEY, began_ms INTEGER NOT NULL);
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        """,
    ),
)

INSERT_CHANGE = "INSERT INTO changes (client_order_id, at_ms, is_closed, snapshot) VALUES (?, ?, ?, ?)"
INSERT_FILL = """
    INSERT INTO fills (strategy, symbol, side, trade_id, execution_id, order_id, client_order_id, price, quantity,
    quote_quantity, commission, commission_asset, is_maker, is_recovered, traded_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE_POSITION = "REPLACE INTO positions (strategy, symbol, position, bought_mark, sold_mark) VALUES (?, ?, ?, ?, ?)"
REPLACE_MARK = "REPLACE INTO marks (symbol, order_id, trade_id) VALUES (?, ?, ?)"
REPLACE_FACT = "REPLACE INTO facts (name, value) VALUES (?, ?)"

SELECT_FILLS = """
    SELECT sequence, strategy, symbol, side, trade_id, execution_id, order_id, client_order_id, price, quantity,
    quote_quantity, commission, commission_asset, is_maker, is_recovered, traded_ms
    FROM fills WHERE sequence > ? ORDER BY sequence LIMIT ?
"""

Row = tuple[Any, ...]
V = TypeVar("V")

SIDES = {side.value: side for side in Side}
store_as_json(Order)  # in the thread: 0.6 instead of 5 us where an order or its answer waits for it
_encode = msgspec.json.Encoder(enc_hook=plain).encode
_decode_order = msgspec.json.Decoder(Order).decode
_decode_closing = msgspec.json.Decoder(Closing).decode
_decode_position = msgspec.json.Decoder(Position).decode


def understood(path: Path, read: Callable[[Any], V], value: Any) -> V:
    """What `read`, a function of this file, makes of a row. Raises JournalError for one that makes no sense."""
    try:
        return read(value)
    except msgspec.ValidationError as problem:
        hint = "run the newer Dogwatch that wrote it; if none did, it is damaged: move it and its -wal away"
        raise JournalError(f"{path}: a row cannot be understood: {problem}", hint=hint) from problem
    except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
        raise damaged(path, f"a row makes no sense: {type(problem).__name__}") from problem


def fold(positions: Positions, row: Row) -> Fill:
    """Count the fill of a row of `SELECT_FILLS` in its position, whose row is always older than the first fill's."""
    fill = fill_of(row)
    folded = positions[fill.strategy, fill.symbol]
    folded.position = with_fill(folded.position, fill)
    return fill


def order_of(snapshot: str) -> Order:
    """Raises msgspec.ValidationError for one that was written by a version whose words are not known here."""
    return _decode_order(snapshot)


def closing_of(snapshot: str) -> Closing:
    return _decode_closing(snapshot)


def row_of_fill(fill: Fill) -> Row:
    # Numbers for what is true or not: for a bool SQLite looks for an adapter first (1.8 instead of 2.6 us a row).
    return (
        fill.strategy,
        fill.symbol,
        fill.side._value_,
        fill.trade_id,
        fill.execution_id,
        fill.order_id,
        fill.client_order_id,
        str(fill.price),
        str(fill.quantity),
        str(fill.quote_quantity),
        str(fill.commission),
        fill.commission_asset,
        1 if fill.is_maker else 0,
        1 if fill.is_recovered else 0,
        fill.traded_ms,
    )


def fill_of(row: Row) -> Fill:
    """The fill of a row of `SELECT_FILLS`."""
    _, strategy, symbol, side, trade_id, execution_id, order_id, name, price, quantity, quote, commission = row[:12]
    asset, is_maker, is_recovered, traded_ms = row[12:]
    return Fill(
        symbol=symbol,
        trade_id=int(trade_id),
        order_id=int(order_id),
        client_order_id=name,
        side=SIDES[side],
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quote),
        commission=Decimal(commission),
        commission_asset=asset,
        is_maker=bool(is_maker),
        traded_ms=int(traded_ms),
        execution_id=int(execution_id),
        strategy=strategy,
        is_recovered=bool(is_recovered),
    )


class Counted(NamedTuple):
    """As much of a fill as is needed to know it again, and what it explains."""

    sequence: int
    strategy: str
    symbol: str
    side: Side
    trade_id: int
    execution_id: int
    client_order_id: str
    quantity: Decimal


def counted_of(row: Row) -> Counted:
    """The same of a row of `SELECT_COUNTED`."""
    sequence, strategy, symbol, side, trade_id, execution_id, name, quantity = row
    return Counted(sequence, strategy, symbol, SIDES[side], int(trade_id), int(execution_id), name, Decimal(quantity))


def mark_of(row: Row) -> tuple[str, Mark]:
    """Symbol and mark of a row (symbol, order_id, trade_id)."""
    symbol, order_id, trade_id = row
    return symbol, Mark(order_id=int(order_id), trade_id=int(trade_id))


def row_of_position(strategy: str, folded: FoldedPosition) -> Row:
    position = folded.position
    return strategy, position.symbol, _encode(position).decode(), folded.bought_mark, folded.sold_mark


def folded_of(row: Row) -> FoldedPosition:
    """The position of a row (position, bought_mark, sold_mark)."""
    position, bought_mark, sold_mark = row
    return FoldedPosition(position=_decode_position(position), bought_mark=bought_mark, sold_mark=sold_mark)
