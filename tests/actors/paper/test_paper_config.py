"""What may be wrong with a paper exchange's configuration, each mistake with its place and a hint."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from dogwatch.actors.paper.config import (
    Commission,
    KlinesFeed,
    PaperConfig,
    RandomWalkFeed,
    TradesFeed,
    check_config,
)
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import BTCUSDT, ETHUSDT, FILTER_TYPES

TOML = b"""
symbols = ["BTCUSDT"]
balances = { BTC = "0.5", USDT = "20000" }
speed = 2.0
commission = { maker = "0", taker = "0.00075" }

[feed]
kind = "random_walk"
symbol = "BTCUSDT"
price = "40000"
step = "0.5"
interval_ms = 250
"""


def test_a_table_of_toml_says_it_all() -> None:
    config = msgspec.toml.decode(TOML, type=PaperConfig)
    assert config == PaperConfig(
        symbols=("BTCUSDT",),
        balances={"BTC": Decimal("0.5"), "USDT": Decimal(20_000)},
        speed=2.0,
        commission=Commission(maker=Decimal(0), taker=Decimal("0.00075")),
        feed=RandomWalkFeed(symbol="BTCUSDT", price=Decimal(40_000), step=Decimal("0.5"), interval_ms=250),
    )
    assert check_config(config) == []


@pytest.mark.parametrize("kind", ["trades", "klines"])
def test_a_file_feed_names_its_file(kind: str) -> None:
    text = f'feed = {{ kind = "{kind}", symbol = "BTCUSDT", file = "x.csv" }}'
    feed = msgspec.toml.decode(text, type=PaperConfig, dec_hook=lambda _, value: Path(value)).feed
    assert feed == {"trades": TradesFeed, "klines": KlinesFeed}[kind](symbol="BTCUSDT", file=Path("x.csv"))


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="sped"):
        msgspec.toml.decode("sped = 2.0", type=PaperConfig)


def test_the_defaults_are_right() -> None:
    assert check_config(PaperConfig()) == []


WALK = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(100), step=Decimal(1))


@pytest.mark.parametrize(
    ("config", "where", "hint"),
    [
        (PaperConfig(symbols=("BTCUSDT", "BTCUSD")), "paper.symbols[1]", "did you mean 'BTCUSDT'?"),
        (PaperConfig(symbols=("btcusdt",)), "paper.symbols[0]", "did you mean 'BTCUSDT'?"),
        (PaperConfig(symbols=("QQQ",)), "paper.symbols[0]", "known: BNBUSDT"),
        (PaperConfig(balances={"BTC": Decimal(-1)}), "paper.balances.BTC", "zero or a positive"),
        (PaperConfig(balances={"BTC": Decimal("NaN")}), "paper.balances.BTC", "zero or a positive"),
        (PaperConfig(commission=Commission(maker=Decimal(1))), "paper.commission.maker", "0.001"),
        (PaperConfig(commission=Commission(taker=Decimal("-0.1"))), "paper.commission.taker", "0.001"),
        (PaperConfig(speed=0.0), "paper.speed", "1 is real time"),
        (PaperConfig(speed=float("inf")), "paper.speed", "1 is real time"),
        (PaperConfig(speed=float("nan")), "paper.speed", "1 is real time"),
        (PaperConfig(latency_ms=-1.0), "paper.latency_ms", "0 or more"),
        (PaperConfig(fill_credit_delay_ms=-1.0), "paper.fill_credit_delay_ms", "0 or more"),
        (PaperConfig(connection_life_h=0.0), "paper.connection_life_h", "more than 0"),
        (PaperConfig(connection_life_h=float("inf")), "paper.connection_life_h", "more than 0"),
        (PaperConfig(queued_bytes_max=1), "paper.queued_bytes_max", "65536"),
        (PaperConfig(rate_limits=RateLimitRules(orders_per_day=0)), "paper.rate_limits.orders_per_day", "at least 1"),
        (PaperConfig(symbols=("ETHUSDT",), feed=WALK), "paper.feed.symbol", "did you mean 'ETHUSDT'?"),
        (PaperConfig(feed=TradesFeed(symbol="BTCUSDT", file=Path("no/such.csv"))), "paper.feed.file", "own folder"),
        (PaperConfig(feed=msgspec.structs.replace(WALK, interval_ms=0)), "paper.feed.interval_ms", "1 or more"),
        (PaperConfig(feed=msgspec.structs.replace(WALK, step=Decimal(0))), "paper.feed.step", "quote asset"),
        (PaperConfig(feed=msgspec.structs.replace(WALK, price=Decimal("NaN"))), "paper.feed.price", "quote asset"),
    ],
)
def test_each_mistake_has_its_place_and_a_hint(config: PaperConfig, where: str, hint: str) -> None:
    (mistake,) = check_config(config)
    assert mistake.where == where
    assert hint in mistake.hint


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    config = PaperConfig(symbols=("A",), speed=-1.0, feed=KlinesFeed(symbol="B", file=tmp_path))
    places = [mistake.where for mistake in check_config(config, where="exchange")]
    assert places == ["exchange.symbols[0]", "exchange.speed", "exchange.feed.symbol", "exchange.feed.file"]


FILTERS = b"""
symbols = ["BTCUSDT", "ETHUSDT"]

[filters.BTCUSDT]
tick_size = "0.5"
orders_max = 3
notional_min = 25
notional_min_applies_to_market = false

[exchange_filters]
orders_max = 4
asset_max = { USDT = "5000" }
"""


def test_filters_are_those_of_the_symbol_but_for_what_is_said_otherwise() -> None:
    config = msgspec.toml.decode(FILTERS, type=PaperConfig)
    assert check_config(config) == []
    changed, untouched = config.definitions
    assert (changed.tick_size, changed.orders_max, changed.notional_min) == (Decimal("0.5"), 3, Decimal(25))
    assert not changed.notional_min_applies_to_market
    assert (changed.step_size, changed.base_asset) == (BTCUSDT.step_size, "BTC")
    assert untouched == ETHUSDT
    assert config.exchange_filters == ExchangeFilters(orders_max=4, asset_max={"USDT": Decimal(5000)})


@pytest.mark.parametrize(
    ("changes", "problem", "hint"),
    [
        ({"tik_size": "1"}, "no filter has such a setting", "did you mean 'tick_size'?"),
        ({"tick_size": "-1"}, "-1 is no limit", "0 for no limit"),
        ({"tick_size": "NaN"}, "NaN is no limit", "0 for no limit"),
        ({"tick_size": "0"}, "needs steps", "positive amount"),
        ({"price_min": "0.000000001"}, "more than 8 decimals", "no asset"),
        ({"orders_max": "many"}, "'many' is no whole number", "without quotes"),
        ({"price_min": "a lot"}, "'a lot' is no amount", "given as text"),
        ({"notional_min_applies_to_market": "yes"}, "neither true nor false", "without quotes"),
        ({"price_min": "10", "price_max": "5"}, "10 is above price_max, 5", "no order would pass"),
        ({"trailing_above_min": 10, "trailing_above_max": 5}, "10 is above trailing_above_max, 5", "no order"),
        ({"orders_max": -1}, "-1 is no limit", "0 for no limit"),
    ],
)
def test_a_mistake_in_a_filter_is_told_with_its_place(changes: dict[str, object], problem: str, hint: str) -> None:
    (mistake,) = check_config(PaperConfig(filters={"BTCUSDT": changes}))
    assert mistake.where == f"paper.filters.BTCUSDT.{next(iter(changes))}"
    assert problem in mistake.problem
    assert hint in mistake.hint


def test_filters_of_a_symbol_or_an_exchange_that_is_not_there_are_mistakes() -> None:
    (mistake,) = check_config(PaperConfig(filters={"BTCUSD": {}}))
    assert (mistake.where, mistake.hint) == ("paper.filters.BTCUSD", "did you mean 'BTCUSDT'?")
    senseless = ExchangeFilters(orders_max=-1, asset_max={"BTC": Decimal("NaN")})
    places = [mistake.where for mistake in check_config(PaperConfig(exchange_filters=senseless))]
    assert places == ["paper.exchange_filters.orders_max", "paper.exchange_filters.asset_max.BTC"]


def test_every_setting_of_a_filter_is_in_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in FILTER_TYPES if f"`{name}`" not in page] == []
