"""`dogwatch run`: from the configuration to the report, in virtual time, in this process."""

import json
from decimal import Decimal

import pytest

from dogwatch.actors.report import COLUMNS
from tests.actors.commands.command_line import PAPER, CommandLine

REPORT_KEYS = {
    *("orders_placed", "orders_filled", "orders_canceled", "orders_open", "orders_unknown", "fills", "volume_base"),
    *("pnl_quote", "position_base", "ledger_position_base", "events_received", "restarts", "rtt_us", "wall_s"),
    "virtual_s",
}
BUY_AND_REST = """
from decimal import Decimal
await self.first(Quotes("BTCUSDT"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal("30000"))
await trio.sleep_forever()
"""
TRADES = "".join(f"{n},{39440 + n}.5,0.01,394.4,{1610064000000 + 200 * n},True,True\n" for n in range(20))
BAD_LINE = "99,abc,0.01,394.4,1610064009000,True,True\n"


def report_of(user: CommandLine, *arguments: str, code: int = 0) -> dict[str, object]:
    outcome = user.run("run", "trade.toml", "--virtual", "--report", "r.json", *arguments)
    assert outcome.code == code, outcome
    document: dict[str, object] = json.loads((user.folder / "r.json").read_text(encoding="utf-8"), parse_float=Decimal)
    return document


# What a good run leaves


def test_the_report_has_every_figure_and_the_positions_agree(user: CommandLine) -> None:
    user.write_config(BUY_AND_REST)
    report = report_of(user, "--seconds", "5")
    assert report.keys() >= REPORT_KEYS
    assert report["orders_placed"] == 2
    assert report["orders_filled"] == report["fills"] == 1
    assert report["orders_canceled"] == 1  # at the stop
    assert report["orders_open"] == report["orders_unknown"] == report["restarts"] == 0
    assert report["volume_base"] == Decimal("0.001")
    assert report["position_base"] == report["ledger_position_base"] == Decimal("0.000999")
    assert report["virtual_s"] == Decimal("5.0")
    assert report["ledger_read"] is True
    rtt = report["rtt_us"]
    assert isinstance(rtt, dict)
    assert rtt["p99"] >= rtt["p50"] > 0


@pytest.mark.parametrize(
    "connection",
    ['api = "rest"', 'time_unit = "microsecond"', 'api = "rest"\nmarket = "rest"\ntime_unit = "microsecond"'],
)
def test_over_rest_and_in_microseconds_a_run_comes_to_the_same(user: CommandLine, connection: str) -> None:
    user.write_config(BUY_AND_REST, top=f"{PAPER}[connection]\n{connection}\n")
    report = report_of(user, "--seconds", "5")
    assert report["orders_placed"] == 2
    assert report["orders_filled"] == report["fills"] == report["orders_canceled"] == 1
    assert report["position_base"] == report["ledger_position_base"] == Decimal("0.000999")


def test_the_printed_report_fits_a_terminal_and_nothing_else_is_shown(user: CommandLine) -> None:
    user.write_config(BUY_AND_REST)
    outcome = user.run("run", "trade.toml", "--virtual", "--seconds", "5")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "orders      2 placed: 1 filled, 1 canceled"
    assert "BTC         +0.000999, ledger agrees" in lines
    assert max(map(len, lines)) <= COLUMNS


def test_a_run_ends_by_itself_when_its_strategies_have(user: CommandLine) -> None:
    user.write_config("await trio.sleep(7)")
    assert report_of(user)["virtual_s"] == Decimal("7.0")


def test_the_same_seed_gives_the_same_run_and_another_one_another(user: CommandLine) -> None:
    user.write_config(BUY_AND_REST)

    def figures(seed: int) -> dict[str, object]:
        report = report_of(user, "--seconds", "20", "--seed", str(seed))
        return {name: value for name, value in report.items() if name not in ("wall_s", "rtt_us")}

    assert figures(1) == figures(1) != figures(2)


def test_recorded_trades_feed_the_exchange_and_end_the_run(user: CommandLine) -> None:
    user.write("trades.csv", TRADES)
    user.write_config(BUY_AND_REST, top='[venue]\nname = "paper"\n')  # no feed of its own
    report = report_of(user, "--trades", "trades.csv")
    assert report["fills"] == 1
    assert report["virtual_s"] == Decimal("3.8")


def test_two_symbols_are_never_added_up(user: CommandLine) -> None:
    user.write_config("await trio.sleep(1)", extra='config = { symbol = "BTCUSDT" }\n')
    trade = (user.folder / "trade.toml").read_text(encoding="utf-8")
    code = (user.folder / "probe.py").read_text(encoding="utf-8")
    user.write("probe.py", code.replace('symbol: str = "BTCUSDT"', "symbols: tuple[str, ...]"))
    user.write("trade.toml", trade.replace('symbol = "BTCUSDT" }', 'symbols = ["BTCUSDT", "ETHUSDT"] }'))
    report = report_of(user)
    assert report["position_base"] is None
    symbols = report["symbols"]
    assert isinstance(symbols, dict)
    assert symbols.keys() == {"BTCUSDT", "ETHUSDT"}


# What goes wrong on the way


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mainnet"], ("--mainnet: the venue is paper", "leave the option out")),
        (["--report", "no/where/r.json"], ("--report: no/where/r.json cannot be written: there is no folder",)),
        (["--report", "."], ("--report: . cannot be written: it is a folder",)),
        (["--report", "./trade.toml"], ("--report: trade.toml cannot be written: this run reads it",)),
        (["--trades", "none.csv"], ("--trades: there is no file none.csv", "a CSV file of spot trades")),
        (["--trades", "."], ("--trades: there is no file .",)),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_runs(
    user: CommandLine, options: list[str], words: tuple[str, ...]
) -> None:
    user.write_config("raise SystemExit('it ran')")
    outcome = user.run("run", "trade.toml", "--virtual", *options)
    outcome.assert_wrong_input(*words)
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("venue", "options", "words"),
    [
        ("mainnet", [], ("venue.name: mainnet trades real money", "add --mainnet")),
        ("testnet", ["--virtual"], ("--virtual: works only with the paper exchange", 'venue.name = "paper"')),
        ("demo", ["--trades", "none.csv"], ("--trades: works only with the paper exchange",)),
        ("testnet", ["--mainnet"], ("--mainnet: the venue is testnet",)),
        ("testnet", [], ("account.api_key: environment variable DOGWATCH_TEST_NONE is not set", "export")),
    ],
)
def test_a_far_venue_is_not_dialled_with_wrong_options_or_keys(
    user: CommandLine, venue: str, options: list[str], words: tuple[str, ...]
) -> None:
    account = '[account]\napi_key = { env = "DOGWATCH_TEST_NONE" }\nprivate_key = { file = "key.pem" }\n'
    user.write_config(top=f'[venue]\nname = "{venue}"\n{account}')
    user.run("run", "trade.toml", *options).assert_wrong_input(*words)


def test_a_report_of_an_earlier_run_outlives_a_run_that_cannot_begin(user: CommandLine) -> None:
    user.write_config(top='[venue]\nname = "paper"\n')
    user.write("r.json", "precious")
    user.run("run", "trade.toml", "--report", "r.json").assert_wrong_input(
        "paper.feed: is missing", "--trades FILE.csv"
    )
    assert (user.folder / "r.json").read_text(encoding="utf-8") == "precious"


def test_a_strategy_that_could_never_see_a_price_is_refused(user: CommandLine) -> None:
    user.write_config(extra='config = { symbol = "ETHUSDT" }\n')
    user.run("run", "trade.toml", "--virtual").assert_wrong_input(
        "strategy probe: trades ETHUSDT, but the feed has prices of BTCUSDT only", "let paper.feed.symbol be"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "trades.csv: has no data"),
        ("id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch\n", "trades.csv: has no data"),
        (BAD_LINE, "trades.csv:1: column 2 (price): expected a decimal number above zero, found 'abc'"),
        ("1;2;3\n", "trades.csv:1: column 2: expected at least 6 columns, found 1"),
        (b"\xff\xfe\x00", "trades.csv: is not a text file of comma-separated values"),
    ],
)
def test_a_dump_that_cannot_be_read_is_wrong_input(user: CommandLine, content: str | bytes, words: str) -> None:
    user.write("trades.csv", content)
    user.write_config()
    user.run("run", "trade.toml", "--virtual", "--trades", "trades.csv").assert_wrong_input(words)


def test_a_bad_line_in_the_middle_ends_the_run_in_order_and_what_was_done_is_reported(user: CommandLine) -> None:
    user.write("trades.csv", TRADES + BAD_LINE)
    user.write_config(BUY_AND_REST)
    outcome = user.run("run", "trade.toml", "--virtual", "--trades", "trades.csv", "--report", "r.json")
    outcome.assert_wrong_input("dogwatch: trades.csv:21: column 2 (price): expected a decimal number above zero")
    assert "orders      2 placed: 1 filled, 1 canceled" in outcome.out
    assert json.loads((user.folder / "r.json").read_text(encoding="utf-8"))["orders_open"] == 0


def test_a_kline_file_that_is_none_is_named_with_its_column(user: CommandLine) -> None:
    user.write("klines.csv", TRADES)
    feed = '[venue]\nname = "paper"\n[paper.feed]\nkind = "klines"\nsymbol = "BTCUSDT"\nfile = "klines.csv"\n'
    user.write_config(top=feed)
    user.run("run", "trade.toml", "--virtual").assert_wrong_input("klines.csv:1: column 7 (close time): expected")


# Strategies that fail


def test_a_strategy_that_raises_at_once_is_restarted_with_pauses_and_the_run_goes_on(user: CommandLine) -> None:
    user.write_config("raise RuntimeError('boom')", extra="[[strategy]]\nname = 'calm'\nuse = 'calm.py:Calm'\n")
    user.write("calm.py", "from dogwatch import Strategy\nclass Calm(Strategy):\n    async def on_start(self): pass\n")
    outcome = user.run("run", "trade.toml", "--virtual", "--seconds", "60", "--report", "r.json")
    assert outcome.code == 1
    assert "error   dogwatch/strategies/probe crashed life=1 error='RuntimeError: boom'" in outcome.err
    assert "warning dogwatch/strategies/probe restarts in_s=" in outcome.err
    assert "crashed     probe: RuntimeError: boom" in outcome.out
    report = json.loads((user.folder / "r.json").read_text(encoding="utf-8"))
    assert 5 <= report["restarts"] <= 10  # the pauses double
    assert report["crashed"] == {"probe": "RuntimeError: boom"}
    assert report["virtual_s"] == 60


def test_a_strategy_that_wants_to_exit_the_process_is_a_crash_like_any_other(user: CommandLine) -> None:
    user.write_config("import sys\nsys.exit(3)", extra="[[strategy]]\nname = 'calm'\nuse = 'calm.py:Calm'\n")
    user.write("calm.py", "from dogwatch import Strategy\nclass Calm(Strategy):\n    async def on_start(self): pass\n")
    report = report_of(user, "--seconds", "10", code=1)
    assert report["virtual_s"] == 10
    assert report["crashed"] == {"probe": "RuntimeError: the strategy called sys.exit(): to end it, return from run()"}


def test_a_strategy_that_has_recovered_is_no_failure_of_the_run(user: CommandLine) -> None:
    user.write_config("if self.life == 1:\n    raise RuntimeError('boom')\nawait trio.sleep_forever()")
    report = report_of(user, "--seconds", "30")
    assert report["restarts"] == 1
    assert report["crashed"] == {}


def test_a_temporary_strategy_that_crashed_is_a_failure_of_the_run(user: CommandLine) -> None:
    user.write_config("raise RuntimeError('boom')", extra='restart = "temporary"\n')
    report = report_of(user, code=1)
    assert report["restarts"] == 0
    assert report["crashed"] == {"probe": "RuntimeError: boom"}


def test_a_rejection_is_told_once_in_the_exchange_s_words_and_counted(user: CommandLine) -> None:
    body = """
from decimal import Decimal
from dogwatch import Rejected
await self.first(Quotes("BTCUSDT"))
for _ in range(5):
    try:
        await self.buy("BTCUSDT", quantity=Decimal(1), price=Decimal(39000))
    except Rejected:
        pass
"""
    user.write_config(body)
    outcome = user.run("run", "trade.toml", "--virtual")
    wording = "Account has insufficient balance for requested action. [-2010]"
    assert outcome.code == 0  # the strategy has dealt with it
    assert outcome.err.count(wording) == 2  # in the order and as the reason, in one line
    assert len(outcome.err.splitlines()) == 1
    assert f"rejected    5: {wording}" in outcome.out


def test_post_only_orders_that_would_match_are_counted_but_no_warning(user: CommandLine) -> None:
    body = """
from decimal import Decimal
from dogwatch import Rejected
await self.first(Quotes("BTCUSDT"))
try:
    await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal(40000), post_only=True)
except Rejected:
    pass
"""
    user.write_config(body)
    outcome = user.run("run", "trade.toml", "--virtual")
    assert (outcome.code, outcome.err) == (0, "")
    assert "rejected    1: Order would immediately match and take. [-2010]" in outcome.out


def test_a_mistake_in_a_strategy_s_feeds_ends_the_run_with_one_line(user: CommandLine) -> None:
    user.write_config()
    user.write(
        "probe.py",
        "from dogwatch import Quote, Strategy\nclass Probe(Strategy):\n    def on_quote(self, quote: Quote): pass\n",
    )
    outcome = user.run("run", "trade.toml", "--virtual")
    outcome.assert_wrong_input("Probe.feeds(): Quote is handled, but no feed yields it", "return the feed from feeds()")
    assert len(outcome.err.splitlines()) == 2


def test_what_was_logged_at_info_is_not_shown_by_default(user: CommandLine) -> None:
    body = "self.log.info('quiet')\nself.log.warning('loud')"
    user.write_config(body)
    outcome = user.run("run", "trade.toml", "--virtual")
    assert "loud" in outcome.err
    assert "quiet" not in outcome.err
    user.write_config(body, top=PAPER + '[runtime]\nlog_level = "info"\n')
    assert "quiet" in user.run("run", "trade.toml", "--virtual").err
