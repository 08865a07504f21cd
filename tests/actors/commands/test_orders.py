"""`dogwatch orders`: what is live or unknown and on which evidence, of a running process or from a journal."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio

from dogwatch.actors.commands.orders import NOBODY
from dogwatch.actors.commands.tree import default_control_path
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.order import Certainty, Life, Order
from dogwatch.runtime.control import serve_control
from tests.actors.commands.command_line import PAPER, CommandLine, read_until, started

T0 = 1_700_000_000_000
TRADING = """
from decimal import Decimal
await self.first(Quotes("BTCUSDT"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal("30000"))
self.log.warning("has traded")
await trio.sleep_forever()
"""


def order(number: int, *, life: Life = Life.OPEN, evidence: str = "answer to order.place", filled: str = "0") -> Order:
    return Order(
        client_order_id=f"dw-probe-k3Q9aZ-1-{number}",
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        created_ms=T0 + number,
        updated_ms=T0 + number,
        quantity=Decimal("0.00100"),
        price=Decimal(30_000),
        filled_quantity=Decimal(filled),
        order_id=70 + number,
        strategy="probe",
        life=life,
        evidence=evidence,
    )


UNKNOWN = msgspec.structs.replace(
    order(2, life=Life.SENT, evidence="no answer: link lost"),
    certainty=Certainty.UNKNOWN,
    unknown_since_ms=T0,
    order_id=None,
)


@pytest.fixture
def journal(user: CommandLine) -> Iterator[OrderJournal]:
    """The journal of trade.toml, in use: one order open, one unknown, one filled."""
    user.write_config()
    with OrderJournal.open(user.folder / "trade.journal") as journal:
        journal.record_order(order(1, life=Life.SENT, evidence="sent"))
        journal.record_order(order(1))
        journal.record_order(UNKNOWN)
        journal.record_order(order(3, life=Life.SENT, evidence="sent"))
        journal.record_order(order(3, life=Life.FILLED, evidence="executionReport TRADE", filled="0.001"))
        journal.commit()
        yield journal


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("place", [("trade.toml",), ("--journal", "trade.journal")])
def test_without_a_process_the_journal_tells_what_is_live(user: CommandLine, place: tuple[str, ...]) -> None:
    outcome = user.run("orders", *place)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["order", "state", "certainty", "age"]
    assert [line.split()[:3] for line in lines if line.startswith("dw-")] == [
        ["dw-probe-k3Q9aZ-1-1", "OPEN", "known"],
        ["dw-probe-k3Q9aZ-1-2", "SENT", "UNKNOWN"],
    ]
    assert "  BUY 0.001 BTCUSDT at 30000, LIMIT, orderId 71" in lines
    is_asked = [] if "--journal" in place else [NOBODY]  # who names a journal may mean one of a process elsewhere
    assert lines[-3 - len(is_asked) :] == ["", "2 live, 1 of them UNKNOWN", "Source: trade.journal", *is_asked]
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.usefixtures("journal")
def test_those_that_have_ended_are_listed_when_asked_for(user: CommandLine) -> None:
    outcome = user.run("orders", "trade.toml", "--all")
    assert "dw-probe-k3Q9aZ-1-3  FILLED  known" in outcome.out
    assert "2 live, 1 of them UNKNOWN, 1 ended" in outcome.out


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", ["dw-probe-k3Q9aZ-1-3", "dx-probe-k3Q9aZ-1-3", "73"])
@pytest.mark.parametrize("place", [("trade.toml",), ("--journal", "trade.journal")])
def test_the_history_of_one_order_says_what_every_change_rests_on(
    user: CommandLine, place: tuple[str, ...], name: str
) -> None:
    outcome = user.run("orders", *place, name)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "dw-probe-k3Q9aZ-1-3"
    assert [line.split(maxsplit=4)[1:] for line in lines if line.startswith("22:13:20")] == [
        ["SENT", "known", "0", "sent"],
        ["FILLED", "known", "0.001", "executionReport TRADE"],
    ]


@pytest.mark.usefixtures("journal")
def test_as_json_every_field_is_there_and_amounts_are_numbers(user: CommandLine) -> None:
    listed = json.loads(user.run("orders", "trade.toml", "--json").out, parse_float=Decimal)
    assert listed["source"] == "trade.journal"
    first, second = listed["orders"]
    assert (first["quantity"], first["price"], first["life"]) == (Decimal("0.00100"), 30_000, "OPEN")
    assert (second["certainty"], second["evidence"]) == ("UNKNOWN", "no answer: link lost")
    assert first.keys() == second.keys() == set(Order.__struct_fields__)
    history = json.loads(user.run("orders", "trade.toml", "--json", "dw-probe-k3Q9aZ-1-3").out)
    assert [entry["life"] for entry in history["history"]] == ["SENT", "FILLED"]


@pytest.mark.usefixtures("journal")
def test_an_order_that_is_not_there_is_named_and_a_near_one_suggested(user: CommandLine) -> None:
    user.run("orders", "trade.toml", "dw-probe-k3Q9aZ-1-33").assert_wrong_input(
        "there is no order dw-probe-k3Q9aZ-1-33 in trade.journal", "did you mean 'dw-probe-k3Q9aZ-1-3'?"
    )
    user.run("orders", "trade.toml", "xyz").assert_wrong_input("there is no order xyz", "--all lists those")


def json_from_a_process(folder: Path, *, setup: str) -> "subprocess.CompletedProcess[str]":
    """`dogwatch orders --journal many.journal --json > listed`, run by a shell after `setup`."""
    with OrderJournal.open(folder / "many.journal") as journal:
        for number in range(1, 200):
            journal.record_order(order(number))
    command = f"{setup} {sys.executable} -m dogwatch orders --journal many.journal --json"
    return subprocess.run(command, shell=True, cwd=folder, text=True, capture_output=True, check=False)


def test_json_that_does_not_fit_is_an_error_and_not_a_part(user: CommandLine) -> None:
    """A limit on files stands in for a full disk; without a buffer the first write takes what fits."""
    limited = f"exec > {user.folder}/listed; ulimit -f 64; PYTHONUNBUFFERED=1"
    outcome = json_from_a_process(user.folder, setup=limited)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("dogwatch: ")
    assert "Traceback" not in outcome.stderr


def test_json_for_nobody_is_no_failure(user: CommandLine) -> None:
    outcome = json_from_a_process(user.folder, setup="exec >&-;")
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_a_journal_without_orders_is_no_mistake(user: CommandLine) -> None:
    OrderJournal.open(user.folder / "empty.journal").close()
    outcome = user.run("orders", "--journal", "empty.journal")
    assert (outcome.code, outcome.out) == (0, "0 live\nSource: empty.journal\n")


def test_where_nothing_runs_and_nothing_was_left_nobody_can_tell(user: CommandLine) -> None:
    user.write_config()
    outcome = user.run("orders", "trade.toml")
    assert outcome.code == 1
    assert "dogwatch: no process runs this configuration, and there is no journal trade.journal\n" in outcome.err
    assert "hint: the paper exchange in the same process leaves none" in outcome.err
    assert user.run("orders", "trade.toml", "dw-probe-k3Q9aZ-1-3").code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no configuration is named"),
        (("a.toml", "dw-x", "--journal", "b"), "a configuration and a journal are named"),
        (("trade.toml", "--journal", "nowhere"), "a configuration and a journal are named"),
        (("--journal", "nowhere"), "nowhere: there is no such journal"),
        (("--journal", "probe.py"), "probe.py: not a journal, or damaged"),
        (("--journal", "."), "this is not a file"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(user: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    user.write_config()
    user.run("orders", *arguments).assert_wrong_input(words)


@pytest.mark.usefixtures("journal")
def test_a_journal_in_the_place_of_the_configuration_is_recognized(user: CommandLine) -> None:
    user.run("orders", "trade.journal").assert_wrong_input("trade.journal is no configuration", "--journal trade")


@pytest.mark.parametrize("words", [(), ("--all",), ("--json",), ("dw-probe-k3Q9aZ-1-1",)])
def test_damage_that_is_found_while_reading_is_wrong_input_too(user: CommandLine, words: tuple[str, ...]) -> None:
    user.write_config()
    with OrderJournal.open(user.folder / "trade.journal") as journal:
        journal.record_order(order(1))
    with closing(sqlite3.connect(user.folder / "trade.journal")) as file, file:
        file.execute("UPDATE changes SET snapshot = '{'")
    user.run("orders", "trade.toml", *words).assert_wrong_input("trade.journal: not a journal, or damaged", "move it")


def test_a_running_process_without_a_journal_is_asked_itself(user: CommandLine) -> None:
    user.write_config(TRADING)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        live, everything = user.run("orders", "trade.toml"), user.run("orders", "trade.toml", "--all")
        name = live.out.splitlines()[1].split()[0]
        one, number = user.run("orders", "trade.toml", name), user.run("orders", "trade.toml", "1")
    assert (live.code, live.err) == (0, "")
    assert "BUY 0.001 BTCUSDT at 30000, LIMIT, orderId 2\n" in live.out
    assert live.out.endswith("\n1 live\nSource: the running process\n")
    assert everything.out.endswith("\n1 live, 1 ended\nSource: the running process\n")
    assert "FILLED" in everything.out
    assert one.out.startswith(f"{name}\n")
    assert "FILLED" in number.out  # the exchange's number of the first order


def test_a_process_that_does_not_answer_is_told_of_and_its_journal_read(
    user: CommandLine, journal: OrderJournal, runtime_folder: Path
) -> None:
    assert runtime_folder.is_dir()

    async def ask() -> None:
        path = default_control_path(user.folder / "trade.toml")
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, path, {"orders": lambda: 1 / 0})
            outcome = await trio.to_thread.run_sync(user.run, "orders", "trade.toml")
            nursery.cancel_scope.cancel()
        assert outcome.code == 0
        assert "'orders' failed: ZeroDivisionError" in outcome.err
        assert "this is what its journal says" in outcome.err
        assert "Source: trade.journal" in outcome.out

    assert journal.failure is None
    trio.run(ask)


def test_an_answer_of_another_version_is_no_list_of_orders(user: CommandLine) -> None:
    user.write_config(top=PAPER)

    async def ask() -> None:
        async with trio.open_nursery() as nursery:
            path = default_control_path(user.folder / "trade.toml")
            await nursery.start(serve_control, path, {"orders": lambda: [{"order": 1}]})
            outcome = await trio.to_thread.run_sync(user.run, "orders", "trade.toml")
            nursery.cancel_scope.cancel()
        assert outcome.code == 1
        assert "the answer is no list of orders" in outcome.err

    trio.run(ask)
