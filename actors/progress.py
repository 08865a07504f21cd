"""What a run shows while it goes on, as one line. Pure; writing it to the terminal is `screen.py`'s work."""

from decimal import Decimal

import msgspec

COLUMNS = 79


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one moment. `price` is the last one seen, of `symbol`; both are of the first symbol traded.

    `notice`: what goes before all figures, such as a link that is down. The assets are "" until the exchange has told
    the symbol's rules.
    """

    elapsed_s: float
    symbol: str
    price: Decimal | None
    placed: int
    live: int
    unknown: int
    fills: int
    position: Decimal
    base_asset: str
    pnl_quote: Decimal
    quote_asset: str
    notice: str = ""


def status_line(now: Snapshot, *, columns: int = COLUMNS) -> str:
    """One line of at most `columns`: the most important first; a figure that finds no room is left out whole."""
    price = "no price yet" if now.price is None else f"{now.price:f}"
    unknown = f", {now.unknown} UNKNOWN" if now.unknown else ""
    parts = [
        elapsed(now.elapsed_s),
        *([now.notice] if now.notice else []),
        *([f"{now.symbol} {price}"] if now.symbol else []),
        f"{now.placed} orders, {now.live} live{unknown}, {now.fills} fills",
        *([f"{now.position:+f} {now.base_asset}"] if now.base_asset else []),
        *([f"{now.pnl_quote:+.2f} {now.quote_asset}"] if now.quote_asset else []),
    ]
    while len(parts) > 1 and len("  ".join(parts)) > columns:
        parts.pop()
    return "  ".join(parts)[:columns]


def elapsed(seconds: float) -> str:
    """Seconds as 00:07, 12:34, 1:02:03 or 2d 03:04:05."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}:{second:02}"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
