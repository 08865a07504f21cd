"""One order as the exchange keeps it, and an account's side of a trade. Data only: the engine changes it."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from dogwatch.actors.paper.decimals import ZERO, ZERO_TEXT

OPEN_STATUSES = frozenset({"NEW", "PARTIALLY_FILLED"})


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's side of one trade. Amounts in base or quote asset as named; times in Unix milliseconds."""

    account: str
    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int


class Prevention(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A match between two orders of one account that self-trade prevention did not let happen."""

    prevented_match_id: int
    maker_order_id: int
    taker_order_id: int
    price: Decimal
    quantity: Decimal
    taker_prevented: Decimal
    maker_prevented: Decimal
    mode: str
    time_ms: int


class Amendment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One amend of an order: its name and quantity before and after. Times in Unix milliseconds."""

    execution_id: int
    old_name: str
    new_name: str
    old_quantity: Decimal
    new_quantity: Decimal
    time_ms: int


@dataclass(slots=True, eq=False, kw_only=True)
class PaperOrder:
    """An order of one account on one symbol. The texts are kept because every report repeats them.

    `original_client_order_id` is what a canceled order was called before; empty for any other. `least_taken` and
    `greatest_taken` bound the prices at which it executes as a taker (PRICE_RANGE); None for no bound.
    """

    account: str
    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    self_trade_prevention: str
    strategy_id: int | None
    strategy_type: int | None
    created_ms: int
    updated_ms: int
    working_ms: int
    price_text: str = ZERO_TEXT
    quantity_text: str = ZERO_TEXT
    quote_quantity_text: str = ZERO_TEXT
    status: str = "NEW"
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    prevented: Decimal = ZERO
    prevented_match_id: int | None = None
    locked: Decimal = ZERO
    expiry_reason: str | None = None
    original_client_order_id: str = ""
    least_taken: Decimal | None = None
    greatest_taken: Decimal | None = None
    fills: list[Fill] = field(default_factory=list)
    preventions: list[Prevention] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed - self.prevented

    @property
    def amends(self) -> int:
        return len(self.amendments)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_buy(self) -> bool:
        return self.side == "BUY"

    def accepts(self, price: Decimal) -> bool:
        """Whether the price is no worse than the order's own limit."""
        return self.type == "MARKET" or (price <= self.price if self.is_buy else price >= self.price)

    def is_out_of_range(self, price: Decimal) -> bool:
        """Whether an execution rule forbids to take at this price."""
        least, greatest = self.least_taken, self.greatest_taken
        return (least is not None and price < least) or (greatest is not None and price > greatest)

    @property
    def can_rest(self) -> bool:
        return self.type != "MARKET" and self.time_in_force == "GTC"
