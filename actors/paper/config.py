"""How a paper exchange is set up, and what may be wrong with that. Nothing is opened here but to see that it exists.

The same words as in the TOML table `[paper]`.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from dogwatch.actors.paper.fault_rates import FaultRates
from dogwatch.actors.paper.parameters import DECIMAL_MAX
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import FILTER_TYPES, SYMBOLS, SymbolDefinition, with_filters
from dogwatch.runtime.errors import ConfigError

LIFE_H_MAX = 1_000_000
PRECISION = 8
SETTING_KINDS = {
    Decimal: ("no amount", 'amounts are given as text: "0.01"'),
    int: ("no whole number", "write it without quotes and without a fraction"),
    bool: ("neither true nor false", "write true or false without quotes"),
}
"""For a value of another type than its setting: what it is not, and what to do."""


class TradesFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="trades"):
    """Recorded trades: a file in the exchange's public dump format."""

    symbol: str
    file: Path


class KlinesFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="klines"):
    """Recorded candles: a file in the exchange's public dump format."""

    symbol: str
    file: Path


class RandomWalkFeed(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="random_walk"
):
    """Made-up trades: the price starts at `price` and moves by about `step` every `interval_ms`, for ever."""

    symbol: str
    price: Decimal
    step: Decimal
    interval_ms: int = 1000


Feed = TradesFeed | KlinesFeed | RandomWalkFeed


class Commission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fraction of what an order receives that the exchange keeps."""

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")


def _starting_balances() -> dict[str, Decimal]:
    return {"BTC": Decimal(1), "USDT": Decimal(100_000)}


class PaperConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One paper exchange with one account.

    `symbols`: which of the built-in ones trade; all when empty. `balances`: what the account starts with, by asset.
    `speed`: how many seconds of the feed pass in a second. `latency_ms`: how long everything takes that the exchange
    sends. `events_before_replies`: the other order of a reply and the events that it causes.
    `connection_life_h`: after how many hours the exchange ends a connection. `fill_credit_delay_ms`: how long after its
    first fill an order is taken off the count of unfilled ones. `queued_bytes_max`: what may wait for a client that
    does not read before it is cut off. `faults`: what goes wrong by chance, as the exchange's seed decides.
    `filters`: symbol → what differs from its built-in `SymbolFilters`.
    """

    symbols: tuple[str, ...] = ()
    balances: dict[str, Decimal] = msgspec.field(default_factory=_starting_balances)
    feed: Feed | None = None
    commission: Commission = Commission()
    speed: float = 1.0
    latency_ms: float = 0.0
    events_before_replies: bool = False
    connection_life_h: float = 24.0
    fill_credit_delay_ms: float = 0.0
    queued_bytes_max: int = 4 << 20
    rate_limits: RateLimitRules = RateLimitRules()
    faults: FaultRates = FaultRates()
    filters: dict[str, dict[str, Any]] = {}
    exchange_filters: ExchangeFilters = ExchangeFilters()

    @property
    def traded_symbols(self) -> tuple[str, ...]:
        return self.symbols or tuple(SYMBOLS)

    @property
    def definitions(self) -> list[SymbolDefinition]:
        """The symbols that trade, as they are to be. Only for a configuration in which there is no mistake."""
        return [with_filters(SYMBOLS[symbol], self.filters.get(symbol, {})) for symbol in self.traded_symbols]


def check_config(config: PaperConfig, *, where: str = "paper") -> list[ConfigError]:
    """Every mistake in it, each with its place. Empty when the exchange can be set up."""
    return [ConfigError(f"{where}.{place}", problem, hint=hint) for place, problem, hint in _mistakes(config)]


Mistake = tuple[str, str, str]


def _mistakes(config: PaperConfig) -> Iterator[Mistake]:
    for index, symbol in enumerate(config.symbols):
        if symbol not in SYMBOLS:
            yield f"symbols[{index}]", f"the exchange has no symbol {symbol!r}", _suggest(symbol, SYMBOLS)
    for asset, amount in config.balances.items():
        if not amount.is_finite() or amount < 0:
            yield f"balances.{asset}", f"an account cannot start with {amount}", "give zero or a positive amount"
    yield from _number_mistakes(config)
    yield from _filter_mistakes(config)
    for name, problem, hint in config.faults.mistakes():
        yield f"faults.{name}", problem, hint
    if config.feed is not None:
        for place, problem, hint in _feed_mistakes(config.feed, config.traded_symbols):
            yield f"feed.{place}", problem, hint


def _number_mistakes(config: PaperConfig) -> Iterator[Mistake]:
    for role, rate in (("maker", config.commission.maker), ("taker", config.commission.taker)):
        if not 0 <= rate < 1:
            yield f"commission.{role}", f"{rate} is not a fraction", 'one tenth of a percent is "0.001"'
    if not 0 < config.speed < float("inf"):
        yield "speed", f"time cannot pass {config.speed} times as fast", "give a positive number; 1 is real time"
    if not 0 <= config.latency_ms < 60_000:
        yield "latency_ms", f"{config.latency_ms} ms is no latency", "give milliseconds, 0 or more, below a minute"
    if not 0 <= config.fill_credit_delay_ms < 60_000:
        problem = f"{config.fill_credit_delay_ms} ms is no short delay"
        yield "fill_credit_delay_ms", problem, "give milliseconds, 0 or more, below a minute"
    if not 0 < config.connection_life_h <= LIFE_H_MAX:
        problem = f"no connection lives {config.connection_life_h} hours"
        yield "connection_life_h", problem, f"give hours, more than 0, at most {LIFE_H_MAX}; the real exchange's are 24"
    if config.queued_bytes_max < 65_536:
        yield "queued_bytes_max", f"{config.queued_bytes_max} bytes are too few", "give at least 65536"
    for name, limit in msgspec.structs.asdict(config.rate_limits).items():
        if limit < 1:
            yield f"rate_limits.{name}", f"a limit of {limit} lets nothing through", "give at least 1"


def _filter_mistakes(config: PaperConfig) -> Iterator[Mistake]:
    for symbol, changes in config.filters.items():
        if symbol not in config.traded_symbols:
            yield f"filters.{symbol}", f"{symbol!r} is not traded here", _suggest(symbol, config.traded_symbols)
        for name, value in changes.items():
            for problem, hint in _setting_mistakes(name, value) or _range_mistakes(name, changes):
                yield f"filters.{symbol}.{name}", problem, hint
    exchange = config.exchange_filters
    limits = {name: limit for name, limit in msgspec.structs.asdict(exchange).items() if name != "asset_max"}
    for name, limit in (*limits.items(), *((f"asset_max.{asset}", most) for asset, most in exchange.asset_max.items())):
        if not _is_limit(limit):
            yield f"exchange_filters.{name}", f"{limit} is no limit", "give a positive number, 0 for no limit"


def _setting_mistakes(name: str, value: object) -> list[tuple[str, str]]:
    kind = FILTER_TYPES.get(name)
    if kind is None:
        return [("no filter has such a setting", _suggest_setting(name))]
    try:
        setting = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        what, hint = SETTING_KINDS[kind]
        return [(f"{value!r} is {what}", hint)]
    if not _is_limit(setting):
        return [(f"{setting} is no limit", "give a positive number, 0 for no limit")]
    if name in {"tick_size", "step_size"} and not setting:
        return [("the book here needs steps", 'give a positive amount, such as "0.01"')]
    if isinstance(setting, Decimal) and round(setting, PRECISION) != setting:
        return [(f"{setting} has more than {PRECISION} decimals", "no asset here can express so little")]
    return []


def _range_mistakes(name: str, changes: Mapping[str, object]) -> list[tuple[str, str]]:
    """For the lower end of a range of which both ends are given. Neither has a mistake of its own, or that is told."""
    upper = name.removesuffix("_min") + "_max"
    if upper not in changes or _setting_mistakes(upper, changes[upper]):
        return []
    least, most = (msgspec.convert(changes[end], FILTER_TYPES[end]) for end in (name, upper))
    return [(f"{least} is above {upper}, {most}", "no order would pass")] if 0 < most < least else []


def _is_limit(number: Decimal | int) -> bool:
    return Decimal(number).is_finite() and 0 <= number < DECIMAL_MAX


def _suggest_setting(name: str) -> str:
    close = difflib.get_close_matches(name, FILTER_TYPES, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(FILTER_TYPES)}"


def _feed_mistakes(feed: Feed, symbols: Collection[str]) -> Iterator[Mistake]:
    if feed.symbol not in symbols:
        yield "symbol", f"{feed.symbol!r} is not traded here", _suggest(feed.symbol, symbols)
    if not isinstance(feed, RandomWalkFeed):
        if not feed.file.is_file():
            yield "file", f"there is no file {feed.file}", "in a configuration, paths start from the file's own folder"
        return
    if feed.interval_ms < 1:
        yield "interval_ms", f"a step every {feed.interval_ms} ms", "give milliseconds, 1 or more"
    for name, amount in (("price", feed.price), ("step", feed.step)):
        if not amount.is_finite() or amount <= 0:
            yield name, f"{amount} is not a positive amount", "give an amount in the quote asset"


def _suggest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
