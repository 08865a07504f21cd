"""Client order ids that say where an order came from: strategy, run, life, sequence.

The exchange allows 36 characters of `[a-zA-Z0-9-_]` (WebSocket API, Place new order). Ours look like
`dw-quoter-k3Q9aZ-1-2b`: a mark, the strategy's name, a token of the process run, the life of the strategy's actor and
its order number in that life, the last two in base 62. The same four always give the same id, and different ones never
do. Where the run token comes from and who counts is not this file's business.

A canceled order is renamed by the exchange to the id that its cancel carried. So our cancels carry the order's own id
under another mark (`dx-quoter-k3Q9aZ-1-2b`), and either name leads back to the order.
"""

import re
from typing import Final

from dogwatch.actors.spot.origin import Origin

MARK: Final = "dw"
CANCEL_MARK: Final = "dx"
LENGTH_MAX: Final = 36
STRATEGY_LENGTH_MAX: Final = 16
RUN_LENGTH_MAX: Final = 6
LIFE_MAX: Final = 62**3 - 1
SEQUENCE_MAX: Final = 62**5 - 1

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_STRATEGY: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{STRATEGY_LENGTH_MAX}}}")
_RUN: Final = re.compile(rf"[A-Za-z0-9]{{1,{RUN_LENGTH_MAX}}}")
# Numbers have no leading zero, so that one origin has one id only.
_NUMBER: Final = "(?:0|[1-9A-Za-z][0-9A-Za-z]{0,%d})"
_ORIGIN: Final = (
    rf"-(?P<strategy>{_STRATEGY.pattern})-(?P<run>{_RUN.pattern})-(?P<life>{_NUMBER % 2})-(?P<sequence>{_NUMBER % 4})"
)
_ORDER: Final = re.compile(MARK + _ORIGIN)
_CANCEL: Final = re.compile(CANCEL_MARK + _ORIGIN)


class Series:
    """The client order ids of one life of a strategy, one after another, as `make` would make them. What they all begin
    with is checked and written once: 0.3 instead of 2.3 µs an order.

    `sequence` is the last number that was given out. Raises ValueError as `make`.
    """

    __slots__ = ("_head", "_prefix", "sequence")

    def __init__(self, *, strategy: str, run: str, life: int, sequence: int = 0) -> None:
        self._prefix = make(strategy=strategy, run=run, life=life, sequence=0)[:-1]
        self._head = self._prefix
        self.sequence = -1
        self.advance_to(sequence)

    def next(self) -> str:
        """The next one. Raises ValueError when there is none."""
        sequence = self.sequence + 1
        if not sequence % 62:  # the last digit alone has changed otherwise
            self.advance_to(sequence)
        self.sequence = sequence
        return self._head + _DIGITS[sequence % 62]

    def advance_to(self, sequence: int) -> None:
        """Go on behind this number, unless it lies behind already."""
        if sequence > SEQUENCE_MAX:
            raise ValueError(f"sequence {sequence} is outside of 0 to {SEQUENCE_MAX}")
        if sequence > self.sequence:
            self.sequence = sequence
            self._head = self._prefix + _base62(sequence // 62) if sequence >= 62 else self._prefix


def make(*, strategy: str, run: str, life: int, sequence: int) -> str:
    """Return the client order id of the `sequence`-th order in the `life`-th life of a strategy.

    `strategy` is 1 to 16 characters of `[A-Za-z0-9_-]`, `run` 1 to 6 of `[A-Za-z0-9]`, the numbers are not negative.
    Raises ValueError for anything else: a shortened name would make two strategies share their orders.
    """
    if not _STRATEGY.fullmatch(strategy):
        raise ValueError(
            f"strategy name {strategy!r} does not fit into a client order id: "
            f"use 1 to {STRATEGY_LENGTH_MAX} letters, digits, '-' or '_'"
        )
    if not _RUN.fullmatch(run):
        raise ValueError(f"run token {run!r}: use 1 to {RUN_LENGTH_MAX} letters or digits")
    if not 0 <= life <= LIFE_MAX:
        raise ValueError(f"life {life} is outside of 0 to {LIFE_MAX}")
    if not 0 <= sequence <= SEQUENCE_MAX:
        raise ValueError(f"sequence {sequence} is outside of 0 to {SEQUENCE_MAX}")
    return f"{MARK}-{strategy}-{run}-{_base62(life)}-{_base62(sequence)}"


def parse(client_order_id: str) -> Origin | None:
    """Return what `make` was given, or None for an id that `make` did not make (a cancel's, another program's)."""
    match = _ORDER.fullmatch(client_order_id)
    if match is None:
        return None
    return Origin(
        strategy=match["strategy"],
        run=match["run"],
        life=_number(match["life"]),
        sequence=_number(match["sequence"]),
    )


def cancel_id(client_order_id: str) -> str | None:
    """Return the id that a cancel of this order carries, and that the order has once it is canceled.

    None for an order whose id `make` did not make: its cancel carries no id, and the exchange makes one up.
    """
    if not _ORDER.fullmatch(client_order_id):
        return None
    return CANCEL_MARK + client_order_id.removeprefix(MARK)


def original_of(client_order_id: str) -> str:
    """Return the id that the order was placed with: the other way of `cancel_id`. Every other id comes back as it is.

    Cheap for what is no cancel's id: it may be asked of every event.
    """
    if client_order_id.startswith(CANCEL_MARK) and _CANCEL.fullmatch(client_order_id):
        return MARK + client_order_id.removeprefix(CANCEL_MARK)
    return client_order_id


def is_ours(client_order_id: str) -> bool:
    """Whether an order with this id was placed by us, also when a cancel of ours has renamed it."""
    return _ORDER.fullmatch(original_of(client_order_id)) is not None


def _base62(number: int) -> str:
    digits = _DIGITS[number % 62]
    while number := number // 62:
        digits = _DIGITS[number % 62] + digits
    return digits


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 62 + _VALUES[digit]
    return number
