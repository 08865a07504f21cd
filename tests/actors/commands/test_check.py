"""`dogwatch check` finds every mistake in a configuration, each with its place and what to do about it."""

from pathlib import Path

import pytest

from tests.actors.commands.command_line import PAPER, CommandLine

STRATEGY = '[[strategy]]\nname = "probe"\nuse = "probe.py:Probe"\n'
ACCOUNT = '[account]\napi_key = { env = "KEY" }\nprivate_key = { file = "key.pem" }\n'
FAR = '[venue]\nname = "testnet"\n'
STANDING = '[venue]\nname = "paper"\nws_api = "ws://127.0.0.1:1/ws-api/v3"\nstreams = "ws://127.0.0.1:1"\n'
FEED = '[paper.feed]\nsymbol = "BTCUSDT"\n'
PAPER_ALONE = '[venue]\nname = "paper"\n'


def test_a_right_configuration_is_said_to_be_right(user: CommandLine) -> None:
    user.write_config()
    outcome = user.run("check", "trade.toml")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "trade.toml: no mistakes. Venue paper, strategies: probe.\n"


def test_neither_keys_nor_network_are_needed(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY", raising=False)
    user.write_config(top=FAR + ACCOUNT)
    assert user.run("check", "trade.toml").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("venue: is missing", "add a table [venue]", "strategy: is missing", "add a table [[strategy]]")),
        ("[oops", ("trade.toml, line 1, column 6: this is not TOML",)),
        ("[venue]\nname = paper\n", ("trade.toml, line 2, column 8: this is not TOML",)),
        ("[venue]\nname = 'a'\nname = 'b'\n", ("trade.toml, line 3,", "Cannot overwrite a value")),
        (b"a = 1\nb = \xff\n", ("trade.toml, line 2, column 5: this is not UTF-8", "save the file as UTF-8")),
        (PAPER + STRATEGY.replace("[[strategy]]", "[strategy]"), ("strategy: expected an array", "write [[strategy]]")),
        (PAPER.replace("[paper.feed]", "[paper.fed]") + STRATEGY, ("paper.fed: unknown key", "did you mean 'feed'?")),
        (PAPER.replace('"paper"', '"papre"') + STRATEGY, ("venue.name: this value does", "did you mean 'paper'?")),
        (PAPER.replace('"39440"', "true") + STRATEGY, ("paper.feed.price: expected a number", "got a boolean")),
        (PAPER.replace('"39440"', '"much"') + STRATEGY, ("paper.feed.price: this text is not a number", '"0.001"')),
        (PAPER.replace('"39440"', '"-1"') + STRATEGY, ("paper.feed.price: -1 is not a positive amount",)),
        (PAPER.replace('"39440"', "nan") + STRATEGY, ("paper.feed.price: expected a finite number",)),
        (PAPER.replace('"0.5"', '"-0.5"') + STRATEGY, ("paper.balances.BTC: an account cannot start with -0.5",)),
        (PAPER.replace("random_walk", "walk") + STRATEGY, ("paper.feed.kind: this value", "random_walk")),
        (PAPER.replace("BTCUSDT", "BTCUSD") + STRATEGY, ("paper.feed.symbol: 'BTCUSD' is not traded", "'BTCUSDT'?")),
        (
            PAPER_ALONE + FEED + 'kind = "trades"\nfile = "nowhere.csv"\n' + STRATEGY,
            ("paper.feed.file: there is no file nowhere.csv", "the file's own folder"),
        ),
        (PAPER + "[runtime]\nstop_within_s = 0\n" + STRATEGY, ("runtime.stop_within_s: must be more than 0",)),
        (PAPER + "[runtime]\nstop_within_s = inf\n" + STRATEGY, ("runtime.stop_within_s: expected a finite number",)),
        (PAPER + '[runtime]\nlog_level = "loud"\n' + STRATEGY, ("runtime.log_level: this value", "one of debug, info")),
        (PAPER + '[journal]\nfile = "j"\n' + STRATEGY, ("journal: is not used", "remove the table [journal]")),
        (
            STANDING + ACCOUNT + '[journal]\nfile = "nowhere/j"\n' + STRATEGY,
            ("journal.file: there is no folder nowhere", "a mistyped path should not begin a journal"),
        ),
        (STANDING + ACCOUNT + '[journal]\nfile = "."\n' + STRATEGY, ("journal.file: . is a folder", "name the file")),
        (
            STANDING + ACCOUNT + '[journal]\ndurability = "power"\n' + STRATEGY,
            ("journal.durability: this value does not exist here", "one of process, host"),
        ),
        (
            STANDING + ACCOUNT + "[journal]\nfiel = 'j'\n" + STRATEGY,
            ("journal.fiel: unknown key", "did you mean 'file'?"),
        ),
        (PAPER + "[orders]\nunknown_s_max = 0\n" + STRATEGY, ("orders.unknown_s_max: must be more than 0 seconds",)),
        (PAPER + "[orders]\naudit_every_s = 1\n" + STRATEGY, ("orders.audit_every_s: must be 10 seconds or more",)),
        (PAPER + "[orders]\nverdict_margin_s = -1\n" + STRATEGY, ("orders.verdict_margin_s: must be 0",)),
        (PAPER + "[orders]\nmissing_answers_min = 1\n" + STRATEGY, ("orders.missing_answers_min: must be 2 to 10",)),
        (PAPER + "[orders]\nmissing_spacing_s = 99\n" + STRATEGY, ("orders.missing_spacing_s: must be 0 to 60",)),
        ("strategy = []\n" + PAPER, ("strategy: there is none", "add a table [[strategy]]")),
        (PAPER + STRATEGY + STRATEGY, ("strategy[1].name: 'probe' is taken by an earlier", "names must differ")),
        (
            PAPER + STRATEGY.replace('"probe"', '"a b"'),
            ("strategy[0].name: strategy name 'a b' does not fit", "letters"),
        ),
        (PAPER + STRATEGY.replace('"probe"', '""'), ("strategy[0].name: strategy name '' does not fit",)),
        (PAPER + STRATEGY + 'restart = "always"\n', ("strategy[0].restart: this value", "one of transient, temporary")),
        (PAPER + STRATEGY + 'orders_on_crash = "sell"\n', ("strategy[0].orders_on_crash", "one of cancel, keep")),
        (PAPER + STRATEGY + "config = { symbl = 1 }\n", ("strategy[0].config.symbl: unknown", "mean 'symbol'?")),
        (PAPER + STRATEGY + "config = { symbol = 1 }\n", ("strategy[0].config.symbol: expected a string",)),
        (
            PAPER + STRATEGY + 'config = { symbol = "btcusdt" }\n',
            ("strategy probe: 'btcusdt' is not traded on paper", "did you mean 'BTCUSDT'?"),
        ),
        (PAPER + ACCOUNT + STRATEGY, ("account: is not used", "remove the table [account]")),
        (FAR + STRATEGY, ("account: is missing", "dogwatch keygen")),
        (FAR + ACCOUNT + "[paper]\n" + STRATEGY, ("paper: venue testnet has no paper exchange", "remove the table")),
        (FAR + 'ws_api = "wss://x/"\n' + ACCOUNT + STRATEGY, ("venue.ws_api: the address of testnet is fixed",)),
        (
            FAR + ACCOUNT + 'hmac_secret = { env = "S" }\n' + STRATEGY,
            ("account: needs one thing to sign with", "either"),
        ),
        (FAR + ACCOUNT.replace('{ env = "KEY" }', '"abc"') + STRATEGY, ("account.api_key: a secret does not stand",)),
        (FAR + ACCOUNT.replace("env", "evn") + STRATEGY, ("account.api_key.evn: unknown key", "did you mean 'env'?")),
        (STANDING + STRATEGY, ("account: is missing",)),
        (STANDING + ACCOUNT + "[paper]\n" + STRATEGY, ("paper: is not used", "remove the table [paper]")),
        (
            STANDING.replace("streams", "#") + ACCOUNT + STRATEGY,
            ("venue.streams: is missing", "the ready file of `dogwatch paper` names all"),
        ),
        (
            STANDING + ACCOUNT + '[connection]\napi = "rest"\n' + STRATEGY,
            ("venue.rest: is missing", "the ready file of `dogwatch paper` names all"),
        ),
        (
            STANDING + 'rest = "ws://127.0.0.1:1"\n' + ACCOUNT + STRATEGY,
            ("venue.rest: 'ws://127.0.0.1:1' is not the address of a REST API", "begins with http://"),
        ),
        (FAR + 'rest = "https://x"\n' + ACCOUNT + STRATEGY, ("venue.rest: the address of testnet is fixed",)),
        (PAPER + '[connection]\napi = "fix"\n' + STRATEGY, ("connection.api", "one of websocket, rest")),
        (
            STANDING.replace("ws://127.0.0.1:1/", "http://127.0.0.1/") + ACCOUNT + STRATEGY,
            ("venue.ws_api: 'http://127.0.0.1/ws-api/v3' is not a WebSocket address",),
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(user: CommandLine, text: str | bytes, words: tuple[str, ...]) -> None:
    user.write_config()
    user.write("trade.toml", text)
    user.run("check", "trade.toml").assert_wrong_input(*words)


def test_all_mistakes_are_found_at_once(user: CommandLine) -> None:
    user.write_config()
    user.write("trade.toml", PAPER.replace("[paper]", "[papr]") + STRATEGY.replace("probe.py", "prob.py"))
    outcome = user.run("check", "trade.toml")
    outcome.assert_wrong_input("papr: unknown key", "prob.py", "did you mean 'probe.py'?")
    user.write(
        "trade.toml", PAPER.replace('"39440"', "true") + STRATEGY.replace("Probe", "Prob") + "[runtime]\nx = 1\n"
    )
    user.run("check", "trade.toml").assert_wrong_input(
        "paper.feed.price: expected a number", "runtime.x: unknown key", "has no 'Prob'", "did you mean 'Probe'?"
    )


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("nowhere.py:Probe", ("there is no file", "nowhere.py", "start from the folder of the configuration")),
        ("probe.py:Prob", ("has no 'Prob'", "did you mean 'Probe'?")),
        ("probe.py", ("'probe.py' names no class", "path/to/file.py:Class")),
        ("probe.py:", ("names no class",)),
        (":Probe", ("names no class",)),
        ("", ("there is no plugin ''", "path/to/file.py:Class")),
        ("quoter", ("there is no plugin 'quoter' in 'dogwatch.strategies'", "path/to/file.py:Class")),
        ("no.such.module:Probe", ("there is no module 'no.such.module'", "is 'no' installed")),
        ("a b:Probe", ("'a b' is neither a module nor a file that ends in .py",)),
        ("..:Probe", ("'..' is neither a module nor",)),
        ("json:Probe", ("module 'json' has no 'Probe'",)),
        ("json:loads", ("'json:loads' is no class but a function",)),
        ("collections:OrderedDict", ("is a subclass of dict and not of Strategy",)),
        ("dogwatch:Strategy", ("this is Strategy itself", "name a class of your own")),
    ],
)
def test_a_strategy_that_is_not_there_or_is_none_is_named(user: CommandLine, use: str, words: tuple[str, ...]) -> None:
    user.write_config()
    user.write("trade.toml", PAPER + STRATEGY.replace("probe.py:Probe", use))
    user.run("check", "trade.toml").assert_wrong_input("strategy[0].use: ", *words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise RuntimeError('boom')", ("strategy[0].use", "raised RuntimeError: boom, at", "probe.py:1")),
        ("x = 1\ndef (", ("strategy[0].use", "raised SyntaxError", "probe.py:2")),
        ("import sys\nsys.exit(3)", ("raised SystemExit: 3", "probe.py:2")),
        ("import no_such_module", ("raised ModuleNotFoundError", "no_such_module", "probe.py:1")),
        ("from dogwatch import Strategy\nclass Probe(Strategy): pass", ("Probe does nothing", "override run()")),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    def run(self): pass",
            ("Probe.run() is no async function", "write: async def run(self) -> None"),
        ),
        (
            "from dogwatch import Strategy\n\nclass Probe(Strategy):\n    def on_quote(self, quote): pass",
            ("Probe.on_quote: annotate 'quote'", "probe.py:3"),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    Config = 3\n    async def run(self): pass",
            ("Probe.Config does not derive from Strategy.Config", "write: class Config(Strategy.Config"),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    class Config: 1\n    async def run(self): 0",
            ("Probe.Config does not derive from Strategy.Config",),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    async def run(self): pass\n"
            "    @classmethod\n    def symbols(cls, config): raise ValueError('no')",
            ("Probe.symbols() failed: ValueError: no", "mistake in the strategy's code"),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    async def run(self): pass\n"
            "    @classmethod\n    def symbols(cls, config): return [1]",
            ("Probe.symbols() gives something else than strings",),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    async def run(self): pass\n"
            "    class Config(Strategy.Config, frozen=True):\n        def __post_init__(self): 1 / 0",
            ("strategy[0].config: Probe.Config cannot be used: ZeroDivisionError", "mistake in the strategy's code"),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    async def run(self): pass\n"
            "    class Config(Strategy.Config, frozen=True):\n"
            "        def __post_init__(self): raise ValueError('size must be positive')",
            ("strategy[0].config: size must be positive",),
        ),
        (
            "from dogwatch import Strategy\nclass Probe(Strategy):\n    async def run(self): pass\n"
            "    class Config(Strategy.Config, frozen=True):\n        x: 'Unheard'",
            ("Probe.Config cannot be used: NameError", "Unheard"),
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_with_its_line(
    user: CommandLine, code: str, words: tuple[str, ...]
) -> None:
    user.write_config()
    user.write("probe.py", code + "\n")
    user.run("check", "trade.toml").assert_wrong_input("strategy[0].", *words)


def test_an_installed_strategy_is_found_by_its_name(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write_config()
    (user.folder / "probe.py").rename(user.folder / "installed_probe.py")
    information = user.folder / "probe-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n", encoding="utf-8")
    points = "[dogwatch.strategies]\nprobe = installed_probe:Probe\nbroken = installed_probe:Nothing\n"
    (information / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(user.folder))
    user.write("trade.toml", PAPER + STRATEGY.replace("probe.py:Probe", "probe"))
    assert user.run("check", "trade.toml").code == 0
    user.write("trade.toml", PAPER + STRATEGY.replace("probe.py:Probe", "prob"))
    user.run("check", "trade.toml").assert_wrong_input("there is no plugin 'prob'", "did you mean 'probe'?")
    user.write("trade.toml", PAPER + STRATEGY.replace("probe.py:Probe", "broken"))
    user.run("check", "trade.toml").assert_wrong_input("plugin 'broken'", "AttributeError", "'Nothing'")
    user.write("trade.toml", PAPER + STRATEGY.replace("probe.py:Probe", "installed_probe:Probe"))
    assert user.run("check", "trade.toml").code == 0


def test_a_file_that_may_not_be_read_is_named(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Who runs the tests may be root, who may read everything.
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    user.write_config()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    user.run("check", "trade.toml").assert_wrong_input("trade.toml: may not be read", "check the permissions")
