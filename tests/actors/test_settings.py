"""Settings: what a right file comes to. What is said of a wrong one is tried through `dogwatch check`."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from dogwatch.actors.paper.config import RandomWalkFeed
from dogwatch.actors.settings import load_control_path, load_journal_path, load_plan
from dogwatch.runtime.config import ConfigErrors

PROBE = """
from decimal import Decimal
from pathlib import Path
from dogwatch import Quote, Quotes, Side, Strategy

class Probe(Strategy):
    class Config(Strategy.Config, frozen=True):
        symbol: str
        size: Decimal = Decimal("0.1")
        side: Side = Side.BUY
        levels: tuple[int, ...] = ()
        notes: Path | None = None

    def feeds(self):
        return [Quotes(self.config.symbol)]

    def on_quote(self, quote: Quote) -> None: ...
"""
STRATEGY = """
[[strategy]]
name = "probe"
use = "code/probe.py:Probe"
config = { symbol = "BTCUSDT", size = 0.30, side = "SELL", levels = [1, 2], notes = "notes.txt" }
"""
ACCOUNT = '[account]\napi_key = { env = "KEY" }\nhmac_secret = { file = "~/secret" }\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "probe.py").write_text(PROBE, encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "trade.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_strategy_s_settings_are_of_its_own_type_with_every_digit(folder: Path) -> None:
    plan = load_plan(written(folder, '[venue]\nname = "paper"\n' + STRATEGY))
    (entry,) = plan.strategies
    assert entry.strategy.__name__ == "Probe"
    assert isinstance(entry.config, entry.strategy.Config)
    values = {name: getattr(entry.config, name) for name in ("symbol", "size", "side", "levels", "notes")}
    notes = folder / "notes.txt"
    assert values == {"symbol": "BTCUSDT", "size": Decimal("0.30"), "side": "SELL", "levels": (1, 2), "notes": notes}
    assert entry.symbols == ("BTCUSDT",)
    assert (entry.settings.orders_on_crash, entry.settings.restart) == ("cancel", "transient")


def test_paths_start_from_the_folder_of_the_file_whatever_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "trades.csv").touch()
    monkeypatch.chdir("/")
    feed = '[venue]\nname = "paper"\n[paper.feed]\nkind = "trades"\nsymbol = "BTCUSDT"\nfile = "trades.csv"\n'
    paper = load_plan(written(folder, feed + STRATEGY)).settings.paper
    assert paper is not None
    assert paper.feed is not None
    assert getattr(paper.feed, "file", None) == folder / "trades.csv"


def test_what_is_left_out_has_a_default(folder: Path) -> None:
    settings = load_plan(written(folder, '[venue]\nname = "paper"\n' + STRATEGY)).settings
    assert (settings.runtime.log_level, settings.runtime.stop_within_s, settings.runtime.control) == (
        "warning",
        30,
        None,
    )
    assert settings.account is None
    assert settings.paper is None


@pytest.mark.parametrize(
    ("venue", "is_own", "is_live", "url"),
    [
        ('name = "paper"', True, False, "ws://127.0.0.1:0/ws-api/v3"),
        ('name = "testnet"', False, False, "wss://ws-api.testnet.binance.vision:443/ws-api/v3"),
        ('name = "demo"', False, False, "wss://demo-ws-api.binance.com:443/ws-api/v3"),
        ('name = "mainnet"', False, True, "wss://ws-api.binance.com:443/ws-api/v3"),
        (
            'name = "paper"\nws_api = "ws://[::1]:99/ws-api/v3"\nstreams = "ws://[::1]:99"',
            False,
            False,
            "ws://::1:99/ws-api/v3",
        ),
    ],
)
def test_each_venue_has_its_place_and_only_mainnet_is_live(
    folder: Path, venue: str, is_own: bool, is_live: bool, url: str
) -> None:
    settings = load_plan(written(folder, f"[venue]\n{venue}\n" + ("" if is_own else ACCOUNT) + STRATEGY)).settings
    assert settings.brings_its_exchange is is_own
    assert settings.endpoints.is_live is is_live
    assert settings.endpoints.ws_api.url == url
    assert settings.endpoints.streams.resource == "/stream"  # an address without a path gets the stream's own


def test_the_rest_api_of_a_standing_exchange_has_an_address_of_its_own(folder: Path) -> None:
    standing = 'ws_api = "ws://h:1/ws-api/v3"\nstreams = "ws://h:1"\nrest = "http://h:2/"\n'
    settings = load_plan(written(folder, f'[venue]\nname = "paper"\n{standing}' + ACCOUNT + STRATEGY)).settings
    assert settings.endpoints.rest.origins == ("http://h:2",)


def test_a_secret_s_file_may_be_in_the_home_folder_and_is_not_read(folder: Path) -> None:
    account = load_plan(written(folder, '[venue]\nname = "testnet"\n' + ACCOUNT + STRATEGY)).settings.account
    assert account is not None
    assert account.hmac_secret is not None
    assert account.hmac_secret.file == Path("~/secret").expanduser()


def test_a_plugin_s_file_is_loaded_once_however_often_it_is_named(folder: Path) -> None:
    second = STRATEGY.replace('"probe"', '"second"').replace("code/probe.py", "./code/../code/probe.py")
    plan = load_plan(written(folder, '[venue]\nname = "paper"\n' + STRATEGY + second))
    assert plan.strategies[0].strategy is plan.strategies[1].strategy
    assert sum(name.startswith("dogwatch_plugin_probe_") for name in sys.modules) >= 1


def test_an_inline_feed_is_of_its_kind(folder: Path) -> None:
    feed = 'feed = { kind = "random_walk", symbol = "BTCUSDT", price = 100, step = 0.5 }\n'
    paper = load_plan(written(folder, '[venue]\nname = "paper"\n[paper]\n' + feed + STRATEGY)).settings.paper
    assert paper is not None
    assert paper.feed == RandomWalkFeed(symbol="BTCUSDT", price=Decimal(100), step=Decimal("0.5"))


def test_where_a_run_is_asked_is_read_without_its_plugins(folder: Path) -> None:
    path = written(folder, '[[strategy]]\nuse = "gone.py:Gone"\n[runtime]\ncontrol = "own.sock"\n')
    assert load_control_path(path) == folder / "own.sock"
    assert load_control_path(written(folder, "")) is None
    with pytest.raises(ConfigErrors, match=r"runtime\.contrl: unknown key \(did you mean 'control'"):
        load_control_path(written(folder, '[runtime]\ncontrl = "own.sock"\n'))


def test_every_venue_outside_of_the_process_has_a_journal_beside_the_configuration(folder: Path) -> None:
    far = load_plan(written(folder, '[venue]\nname = "testnet"\n' + ACCOUNT + STRATEGY))
    assert far.journal_file == folder / "trade.journal"
    own = load_plan(written(folder, '[venue]\nname = "paper"\n' + STRATEGY))
    assert own.journal_file is None


def test_a_journal_may_have_another_name_and_survive_more(folder: Path) -> None:
    journal = '[journal]\nfile = "kept/orders.db"\ndurability = "host"\n'
    (folder / "kept").mkdir()
    plan = load_plan(written(folder, '[venue]\nname = "testnet"\n' + ACCOUNT + journal + STRATEGY))
    assert plan.journal_file == folder / "kept" / "orders.db"
    assert plan.settings.journal is not None
    assert plan.settings.journal.durability == "host"


def test_where_a_journal_is_is_read_without_anything_else(folder: Path) -> None:
    path = written(folder, '[[strategy]]\nuse = "gone.py:Gone"\n[journal]\nfile = "own.db"\n')
    assert load_journal_path(path) == folder / "own.db"
    assert load_journal_path(written(folder, "")) == folder / "trade.journal"
    with pytest.raises(ConfigErrors, match=r"journal\.fiel: unknown key \(did you mean 'file'"):
        load_journal_path(written(folder, '[journal]\nfiel = "own.db"\n'))


def test_the_care_taken_of_orders_has_safe_defaults_and_can_be_set(folder: Path) -> None:
    settings = load_plan(written(folder, '[venue]\nname = "paper"\n' + STRATEGY)).settings
    assert (settings.orders.verdict_margin_s, settings.orders.unknown_s_max) == (65, 120)
    own = "[orders]\nverdict_margin_s = 2.5\naudit_every_s = 0\n"
    settings = load_plan(written(folder, '[venue]\nname = "paper"\n' + own + STRATEGY)).settings
    assert (settings.orders.verdict_margin_s, settings.orders.audit_every_s) == (2.5, 0)
