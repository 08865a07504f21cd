"""What a run did, in figures: the report that `dogwatch run` prints and writes. Counting lives in figures.py."""

import textwrap
from collections.abc import Sequence
from decimal import Decimal

import msgspec

COLUMNS = 80
SHARE_SHOWN_MIN = 0.5
"""Half of one of the exchange's limits was used at some time."""


class RoundTrips(msgspec.Struct, frozen=True, kw_only=True):
    """Order round trips in microseconds of wall time, socket to socket; None without a single one."""

    p50: float | None
    p99: float | None


class AssetReport(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the holding of an asset has changed in this run: what the fills say, and what the ledger says."""

    believed: Decimal
    ledger: Decimal | None  # None: the ledger could not be read


class SymbolReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one symbol. Amounts are exact; `pnl_quote` is marked at the last price seen.

    Fills, volume and what was realised are this run's; the position, and what it would bring, have come to be over all
    runs that the journal knows.
    """

    base_asset: str
    quote_asset: str
    fills: int
    volume_base: Decimal
    pnl_quote: Decimal
    position_base: Decimal
    ledger_position_base: Decimal | None  # None: not read, or the asset is traded in other symbols too


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Base and quote amounts are sums over the symbols of one pair of assets, else None: see `symbols`."""

    orders_placed: int
    orders_filled: int
    orders_canceled: int
    orders_expired: int
    orders_rejected: int
    orders_open: int
    orders_unknown: int
    fills: int
    volume_base: Decimal | None
    pnl_quote: Decimal | None
    position_base: Decimal | None
    ledger_position_base: Decimal | None
    ledger_read: bool
    rejections: dict[str, int]
    """How often the exchange refused an order, by its own words."""
    crashed: dict[str, str]
    """The strategies that were down after a crash when the run ended, each with its last error."""
    halted: str | None
    """Why trading was halted when the run ended, None if it was not."""
    events_received: int
    restarts: int
    rtt_us: RoundTrips
    limits_used: dict[str, float]
    """The highest use of each of the exchange's limits, as a share of it."""
    wall_s: float
    virtual_s: float
    symbols: dict[str, SymbolReport]
    assets: dict[str, AssetReport]

    def to_json(self) -> bytes:
        """The report as JSON, amounts as plain JSON numbers with every digit."""
        return msgspec.json.format(_ENCODER.encode(self), indent=2) + b"\n"

    @property
    def agrees(self) -> bool:
        """Whether the ledger was read and says what the fills say, nothing is open and nothing unknown."""
        equal = all(entry.believed == entry.ledger for entry in self.assets.values())
        return self.ledger_read and equal and not self.orders_open and not self.orders_unknown


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def sole_amounts(symbols: dict[str, SymbolReport]) -> dict[str, Decimal | None]:
    """The amounts that stand at the top of a report: exact for one symbol, None where assets would be mixed."""
    names = ("volume_base", "pnl_quote", "position_base", "ledger_position_base")
    if len(symbols) != 1:
        return dict.fromkeys(names)
    (only,) = symbols.values()
    return {name: getattr(only, name) for name in names}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie (nearest rank), or None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def round_trips(microseconds: Sequence[float]) -> RoundTrips:
    """p50 and p99 of the given round trips."""
    return RoundTrips(p50=percentile(microseconds, 0.50), p99=percentile(microseconds, 0.99))


def render(report: Report) -> str:
    """The report as lines for a person, at most 80 columns wide."""
    closed = f"{report.orders_filled} filled, {report.orders_canceled} canceled"
    others = {"expired": report.orders_expired, "rejected": report.orders_rejected}
    closed += "".join(f", {count} {name}" for name, count in others.items() if count)
    rtt = report.rtt_us
    lines = [
        f"orders      {report.orders_placed} placed: {closed}",
        f"            {report.orders_open} open, {report.orders_unknown} unknown",
        *(line for wording, count in report.rejections.items() for line in _wrapped("rejected", f"{count}: {wording}")),
        *(_symbol_line(name, entry) for name, entry in report.symbols.items()),
        *(_asset_line(name, entry) for name, entry in report.assets.items()),
        *([] if report.ledger_read else ["ledger      not read: nothing above is confirmed by the exchange"]),
        *([] if report.halted is None else _wrapped("halted", report.halted)),
        f"events      {report.events_received} received, {report.restarts} restarts",
        *(line for name, error in report.crashed.items() for line in _wrapped("crashed", f"{name}: {error}")),
        *_limit_lines(report.limits_used),
        "round trip  " + ("no orders" if rtt.p50 is None else f"p50 {rtt.p50:.0f} µs, p99 {rtt.p99:.0f} µs"),
        f"time        {report.virtual_s:.1f} s in {report.wall_s:.1f} s of wall time",
    ]
    return "\n".join(lines)


def _limit_lines(used: dict[str, float]) -> list[str]:
    """The limits of which much was used: those are worth a thought."""
    most = {name: share for name, share in used.items() if share >= SHARE_SHOWN_MIN}
    return _wrapped("limits", ", ".join(f"{share:.0%} of {name}" for name, share in most.items())) if most else []


def _wrapped(heading: str, text: str) -> list[str]:
    """Words from elsewhere, in three lines at most."""
    return textwrap.wrap(
        text, COLUMNS, initial_indent=f"{heading:<12}", subsequent_indent=" " * 12, max_lines=3, placeholder=" …"
    )


def _symbol_line(name: str, entry: SymbolReport) -> str:
    traded = f"{entry.volume_base:f} {entry.base_asset} traded, {entry.fills} fills"
    return f"{name:<11} {traded}, pnl {entry.pnl_quote:+.2f} {entry.quote_asset}"


def _asset_line(name: str, entry: AssetReport) -> str:
    if entry.ledger is None:
        verdict = "ledger not read"
    elif entry.ledger == entry.believed:
        verdict = "ledger agrees"
    else:
        verdict = f"ledger {entry.ledger:+f}: DIFFERENT"
    return f"{name:<11} {entry.believed:+f}, {verdict}"
