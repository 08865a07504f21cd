"""What the documentation says is so: its programs run, its links lead somewhere, its tables are those of the code."""

import ast
import importlib.util
import re
import runpy
import shutil
import sys
import tomllib
import types
from argparse import ArgumentParser
from argparse import _SubParsersAction as Commands
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin

import msgspec
import pytest
import trio

import dogwatch
import dogwatch.actors.testing
import dogwatch.runtime
from dogwatch.actors.auditor import Audit
from dogwatch.actors.cli import main, parser
from dogwatch.actors.dialler import Door
from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.paper.handlers import Handlers
from dogwatch.actors.paper.keys import make_keys
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.user_streams import UserStreams
from dogwatch.actors.report import Report
from dogwatch.actors.settings import Settings, load_plan
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.strategy import Strategy
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.specs import actor_specs
from dogwatch.runtime.testing import run_virtual
from tests.docs.pages import CODE, DOCS, Page, pages

PAGES = pages()
EVERY_PAGE = pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
SNIPPETS = DOCS / "snippets"


# The programs.


def snippet(name: str) -> types.ModuleType:
    """A file of docs/snippets, imported as if it stood in a folder of its own."""
    spec = importlib.util.spec_from_file_location(f"docs_snippet_{Path(name).stem}", SNIPPETS / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(SNIPPETS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SNIPPETS))
        sys.modules.pop("dip_buyer", None)
    return module


FIRST_TESTS = {name: value for name, value in vars(snippet("test_dip_buyer.py")).items() if name.startswith("test_")}


@pytest.mark.parametrize("test", FIRST_TESTS.values(), ids=list(FIRST_TESTS))
async def test_the_tests_of_the_first_strategy_pass(test: Any, exchange: Any, start: Any) -> None:
    await test(exchange, start)


FAULT_TESTS = snippet("test_with_faults.py")
test_the_first_strategy_buys_once = FAULT_TESTS.test_it_buys_once_whatever_happens_to_its_order
test_the_first_strategy_lives_through_a_bad_day = FAULT_TESTS.test_it_lives_through_a_bad_day


async def test_the_first_strategy_by_events_buys_the_dip_and_sells_higher(exchange: Any, start: Any) -> None:
    strategy = snippet("dip_buyer_by_events.py").DipBuyer
    running = await start(strategy, symbol="BTCUSDT", buy_at="39900", gain="50", size="0.00100")
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(1)
    exchange.trade("BTCUSDT", price="39951")
    await trio.sleep(1)
    assert [(order["side"], order["status"]) for order in exchange.orders()] == [("BUY", "FILLED"), ("SELL", "FILLED")]
    assert running.position("BTCUSDT") == exchange.position("BTC") == Decimal("0.000009")


@pytest.mark.parametrize("price", ["39800", "40000"])
async def test_the_strategy_that_shows_all_outcomes_ends_its_order(exchange: Any, start: Any, price: str) -> None:
    running = await start(snippet("outcomes.py").Careful, symbol="BTCUSDT", size="0.00100")
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39900", ask="39901")
    await trio.sleep(1)
    exchange.trade("BTCUSDT", price=price)
    await running.ended()
    (order,) = exchange.orders()
    assert order["status"] == ("FILLED" if price < "39900" else "CANCELED")


async def test_the_strategy_that_looks_back_buys_above_what_it_has_seen(exchange: Any, start: Any) -> None:
    exchange.trade("BTCUSDT", price="40000")
    running = await start(snippet("breakout.py").Breakout, symbol="BTCUSDT", size="0.00100")
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="40000", ask="40001")
    exchange.trade("BTCUSDT", price="40000")
    await trio.sleep(1)
    assert exchange.orders() == []
    exchange.trade("BTCUSDT", price="40000.5")
    with trio.fail_after(60):
        await running.ended()
    (order,) = exchange.orders()
    assert (order["type"], order["status"]) == ("MARKET", "FILLED")


def test_the_first_configuration_has_no_mistake() -> None:
    plan = load_plan(SNIPPETS / "dip_buyer.toml")
    assert [entry.settings.name for entry in plan.strategies] == ["dip"]


def test_the_configuration_to_be_killed_has_no_mistake(tmp_path: Path) -> None:
    (block,) = [block.body for block in PAGES["first_strategy"].blocks if block.body.startswith("[venue]")]
    shutil.copy(DOCS.parent / "examples" / "quoter.py", tmp_path)
    (tmp_path / "kill.toml").write_text(block, encoding="utf-8")
    plan = load_plan(tmp_path / "kill.toml")
    assert plan.journal_file == tmp_path / "kill.journal"
    assert plan.settings.endpoints.ws_api.port == 8765


SHOWN_RUNS = [
    (folder, line.removeprefix("$ "), output)
    for folder, page in ((DOCS.parent, "commands"), (SNIPPETS, "first_strategy"))
    for block in PAGES[page].blocks
    for line, output in re.findall(
        r"^\$ dogwatch ((?:run|check) \S*(?:twap|dip_buyer)\.toml.*)\n([^$]*)", block.body, re.MULTILINE
    )
]


@pytest.mark.parametrize(("folder", "command", "shown"), SHOWN_RUNS, ids=[command for _, command, _ in SHOWN_RUNS])
def test_a_command_says_what_the_page_shows(
    folder: Path, command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(command.split()) == 0
    assert _what_repeats(capsys.readouterr().out) == _what_repeats(shown), "paste the new output into the page"


def _what_repeats(output: str) -> list[str]:
    """All but what depends on the machine, and the number of events, which says little."""
    return [line for line in output.splitlines() if not line.startswith(("events", "round trip", "time"))]


def test_the_boiler_room_says_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    module = runpy.run_path(str(SNIPPETS / "boiler.py"))
    run_virtual(module["main"])
    shown = next(block.body for block in PAGES["runtime"].blocks if "boiler.py" in block.body and "$" in block.body)
    assert capsys.readouterr().out == shown.partition("\n")[2]


@EVERY_PAGE
def test_pieces_of_code_can_be_read_and_import_what_exists(page: Page) -> None:
    for block in page.blocks:
        if block.language == "python":
            tree = compile(block.body, page.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            assert isinstance(tree, ast.Module)
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    module = import_module(node.module or "")
                    assert all(hasattr(module, alias.name) for alias in node.names)
        elif block.language == "toml":
            tomllib.loads(block.body)


# Links and files.


@EVERY_PAGE
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page: Page) -> None:
    for target in page.links:
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        assert not file or (DOCS / file).is_file(), target
        linked = PAGES[Path(file).stem] if file else page
        assert not anchor or anchor in linked.anchors, target


@EVERY_PAGE
def test_every_included_file_exists(page: Page) -> None:
    for block in page.blocks:
        if block.language.startswith("{literalinclude}"):
            assert (DOCS / block.language.split()[1]).is_file()


def test_every_page_stands_in_the_index() -> None:
    listed = [line for block in PAGES["index"].blocks if "toctree" in block.language for line in block.body.split("\n")]
    assert {line for line in listed if line and not line.startswith(":")} == PAGES.keys() - {"index"}


def test_every_snippet_is_shown_on_a_page() -> None:
    shown = {
        block.language.split()[1] for page in PAGES.values() for block in page.blocks if "include" in block.language
    }
    assert {f"snippets/{path.name}" for path in SNIPPETS.iterdir() if path.is_file()} == shown


@EVERY_PAGE
def test_no_page_knows_the_machine_it_was_written_on(page: Page) -> None:
    assert not re.search(r"/(work|root|tmp|home)/", page.text)


# Names.


@EVERY_PAGE
def test_every_module_and_name_that_a_page_mentions_exists(page: Page) -> None:
    for code in page.codes:
        dotted = re.fullmatch(r"dogwatch(\.\w+)+", code)
        if dotted and code != "dogwatch.strategies":  # the group of entry points
            parent, _, last = code.rpartition(".")
            assert importlib.util.find_spec(code) or hasattr(import_module(parent), last), code


def test_every_word_of_the_authors_vocabulary_is_explained() -> None:
    words = set(re.findall(r"\w+", " ".join(PAGES["strategies"].codes)))
    assert not set(dogwatch.__all__) - words


def test_everything_that_an_author_may_call_is_explained() -> None:
    words = set(re.findall(r"\w+", " ".join(PAGES["strategies"].codes)))
    assert not {name for name in vars(Strategy) if not name.startswith("_")} - words - {"Config", "handlers"}


def test_every_public_name_of_the_runtime_is_explained() -> None:
    words = set(re.findall(r"\w+", " ".join(PAGES["runtime"].codes) + (SNIPPETS / "boiler.py").read_text("utf-8")))
    assert not set(dogwatch.runtime.__all__) - words


def test_every_fault_is_explained_with_each_of_its_fields() -> None:
    words = set(re.findall(r"\w+", " ".join(PAGES["faults"].codes)))
    offered = [getattr(dogwatch.actors.testing, name) for name in dogwatch.actors.testing.__all__]
    faults = [word for word in offered if isinstance(word, type) and issubclass(word, Fault)]
    assert {fault.__name__ for fault in faults} > {"LoseAnswer", "LoseEvent", "HideOrder", "Cut"}
    for fault in faults:
        assert not {fault.__name__, *fault.__struct_fields__} - words


def test_the_table_of_overflow_policies_is_complete() -> None:
    listed = [cells[0] for cells in PAGES["runtime"].rows() if cells[0].startswith("`Overflow.")]
    assert listed == [f"`Overflow.{policy.name}`" for policy in Overflow]


def test_the_methods_of_the_paper_exchange_are_listed() -> None:
    listed = PAGES["paper_exchange"].section("What it plays").partition("- **User data**")[0]
    assert {match["text"] for match in CODE.finditer(listed)} == set(_paper_methods())


def _paper_methods() -> list[str]:
    """What an exchange that nobody connects to would answer."""
    nobody = cast("Any", None)
    limits = RateLimitRules()
    handlers = Handlers(
        Engine([]), user_streams=UserStreams(), markets={}, limits_of=lambda _account: nobody, rules=limits
    )
    return list(handlers.table())


# Tables of the code.


def test_the_order_tables_are_drawn_as_they_are() -> None:
    drawing = runpy.run_path(str(DOCS / "order_tables.py"))
    assert drawing["with_tables"](PAGES["order_truth"].text) == PAGES["order_truth"].text, (
        "run: python docs/order_tables.py"
    )


def test_the_table_of_methods_is_as_declared() -> None:
    table = runpy.run_path(str(DOCS / "api_table.py"))
    assert table["with_table"](PAGES["api"].text) == PAGES["api"].text, "run: python docs/api_table.py"


def test_the_tree_is_shown_as_it_is() -> None:
    (shown,) = [block.body for block in PAGES["architecture"].blocks if block.language == "text"]
    assert list(_paths_of(shown)) == trio.run(_paths_of_the_quoter)


def _paths_of(shown: str) -> Iterator[str]:
    """The actors in the text of a tree: supervisors are those with something below."""
    lines = [line for line in shown.splitlines()[1:] if line]
    depths = [(re.search(r"\w", line) or re.match("", line)) for line in lines]
    places = [
        (match.start() // 3 if match else 0, line.split("─ ")[-1].split()[0])
        for match, line in zip(depths, lines, strict=True)
    ]
    above: list[str] = []
    for number, (depth, name) in enumerate(places):
        above = [*above[:depth], name]
        if number + 1 == len(places) or places[number + 1][0] <= depth:
            yield "/".join(above)


async def _paths_of_the_quoter() -> list[str]:
    async def dial() -> trio.abc.Stream:
        raise OSError("nobody is dialled here")

    material, _keys = make_keys("anybody", seed=0)
    (entry,) = load_plan(DOCS.parent / "examples" / "quoter.toml").strategies
    tree = build(
        api=Door(dial, "api", "/ws-api/v3"),
        streams=Door(dial, "streams", "/stream"),
        clock=Clock.system(),
        signer=Ed25519Signer("key", load_ed25519_private_key(material.private_key_pem)),
        strategies=[StrategyEntry(name=entry.settings.name, strategy=entry.strategy, config=entry.config)],
        audit=Audit(),
    )
    return [path for path, _spec in actor_specs(tree.spec)]


# Configuration.


def test_the_table_of_settings_is_complete_and_has_the_right_defaults() -> None:
    tables = tuple(f"{field.encode_name}." for field in msgspec.structs.fields(Settings))
    rows = [cells for cells in PAGES["configuration"].rows() if cells[0].strip("`").startswith(tables)]
    shown = {cells[0].strip("`"): cells[2].strip("`") for cells in rows}
    actual = dict(_settings(Settings, ""))
    assert shown.keys() == actual.keys()
    for key, value in actual.items():
        if shown[key] != "see below":
            assert _as_toml(shown[key]) == value, key


def _settings(struct: Any, place: str) -> Iterator[tuple[str, object]]:
    """Every key that may be written, with its default: REQUIRED, None, or the value as TOML has it."""
    for field in msgspec.structs.fields(struct):
        key = f"{place}{field.encode_name}"
        inner = list(_structs_in(field.type))
        if place:
            yield key, _default(field)
        for kind in inner:
            tag = kind.__struct_config__.tag_field
            if tag:
                yield f"{key}.{tag}", "required"
            yield from _settings(kind, f"{key}.")


def _structs_in(into: Any) -> Iterator[Any]:
    if isinstance(into, type) and issubclass(into, msgspec.Struct):
        if into is not SecretReference:
            yield into
    elif get_origin(into) in {Union, types.UnionType, tuple}:
        for member in get_args(into):
            yield from _structs_in(member)


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.required:
        return "required"
    made = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "none" if made is None else msgspec.json.decode(msgspec.json.encode(made))


def _as_toml(shown: str) -> object:
    return shown if shown in {"required", "none"} else tomllib.loads(f"value = {shown}")["value"]


def test_the_configuration_on_the_page_has_no_mistake() -> None:
    blocks = [block.body for block in PAGES["configuration"].blocks if block.body.startswith("[venue]")]
    assert blocks
    for block in blocks:
        msgspec.convert(tomllib.loads(block), Settings, dec_hook=lambda into, value: into(value))


# Commands.


def commands() -> dict[str, ArgumentParser]:
    """Every command with its parser."""
    (action,) = [action for action in parser()._actions if isinstance(action, Commands)]
    return dict(action.choices)


@pytest.mark.parametrize("name", commands())
def test_the_options_of_a_command_are_exactly_those_on_the_page(name: str) -> None:
    text = PAGES["commands"].section(f"`dogwatch {name}`")
    actions = [action for action in commands()[name]._actions if "--help" not in action.option_strings]
    actual = {" ".join([*action.option_strings, str(action.metavar or "")]).strip() for action in actions}
    codes = {match["text"] for match in CODE.finditer(text)}
    assert {code.removeprefix(f"dogwatch {name} ") for code in codes} >= actual
    assert (
        not {word for code in codes for word in re.findall(r"--[a-z-]+", code)}
        - {option for action in actions for option in action.option_strings}
        - {"--mainnet"}
    )


def test_every_command_has_a_section() -> None:
    sections = re.findall(r"^## `dogwatch (\w+)`$", PAGES["commands"].prose, re.MULTILINE)
    assert sections == list(commands())


def test_every_field_of_the_report_is_explained() -> None:
    text = PAGES["commands"].section("`dogwatch run`")
    codes = {match["text"] for match in CODE.finditer(text)}
    assert not set(Report.__struct_fields__) - codes


@pytest.mark.parametrize("field", ["ws_api", "streams", "api_key", "private_key_file", "hmac_api_key", "hmac_secret"])
def test_every_field_of_the_ready_file_is_explained(field: str) -> None:
    assert f"| `{field}` |" in PAGES["commands"].section("`dogwatch paper`")
