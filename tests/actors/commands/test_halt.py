"""`dogwatch halt` and `resume`: of a running process, of one that was killed, and where there is nobody at all."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from dogwatch.actors.commands import halt as command
from dogwatch.actors.halting import HaltNow
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.runtime.control import Instruction, serve_control
from tests.actors.commands.command_line import CommandLine, Outcome, read_until, started
from tests.actors.commands.test_run_live import TRADE, ed25519_account, venue

GOES_ON = """
from dogwatch import NotSent
while True:
    try:
        await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal("30000"))
        self.log.warning("placed once more")
        await trio.sleep_forever()
    except NotSent as refusal:
        self.log.warning("refused", reason=refusal.message)
        await self.sleep(0.05)
"""
RESTS = TRADE + "await self.closed(self.orders[0])\n" + GOES_ON


@pytest.fixture
def top(standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration up to its strategies, for the exchange that stands on a port."""
    monkeypatch.setenv("KEY", standing["api_key"])
    return venue(standing, ed25519_account(standing)).replace("debug", "warning")


def columns(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_a_running_process_is_halted_and_resumed_and_tells_what_it_did(user: CommandLine, top: str) -> None:
    user.write_config(RESTS, top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        halted = user.run("halt", "trade.toml", "--reason", "a look at the position")
        assert (halted.code, halted.err) == (0, "")
        lines = halted.out.splitlines()
        assert lines[0].startswith("Trading is halted, since 20")
        assert lines[0].endswith(" UTC: a look at the position")
        assert lines[1:] == [
            "It is recorded and holds over restarts, until `dogwatch resume trade.toml`.",
            "Orders that ended: 1 CANCELED. None is open or unknown.",
            "Source: the running process",
        ]
        assert "trading is halted: a look at the position" in read_until("refused", running)
        again = user.run("halt", "trade.toml", "--json")
        assert again.code == 0
        document = json.loads(again.out)
        assert (document["is_new"], document["reason"]) == (False, "a look at the position")
        assert (document["is_done"], document["live"], document["ended"]) == (True, [], {})
        resumed = user.run("resume", "trade.toml")
        assert resumed.code == 0
        assert resumed.out.splitlines()[0] == "Trading goes on. It was halted: a look at the position"
        read_until("placed once more", running)
        assert json.loads(user.run("resume", "trade.toml", "--json").out)["was_halted"] is False
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "\nhalted " not in out


def test_the_next_run_begins_halted_says_so_and_trades_when_it_is_resumed(user: CommandLine, top: str) -> None:
    user.write_config(TRADE + "await trio.sleep_forever()\n", top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        assert user.run("halt", "trade.toml", "--reason", "off for the weekend").code == 0
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=30)
    assert "halted      off for the weekend\n" in out
    with started("run", "trade.toml", "--report", "r.json", folder=user.folder) as running:
        line = read_until("trading is halted", running)
        assert "as in the run before reason='off for the weekend' hint='`dogwatch resume trade.toml` lifts it'" in line
        assert running.stdout is not None
        assert "  HALTED" in running.stdout.readline()
        assert user.run("orders", "trade.toml").out == "0 live\nSource: the running process\n"
        assert user.run("resume", "trade.toml").code == 0
        read_until("has traded", running)
        user.run("halt", "trade.toml")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    report = json.loads((user.folder / "r.json").read_text(encoding="utf-8"))
    assert (running.returncode, report["orders_placed"], report["halted"]) == (0, 2, "by hand")
    assert user.run("resume", "trade.toml").code == 0


def test_a_halt_that_was_told_of_survives_a_kill_in_the_next_moment(user: CommandLine, top: str) -> None:
    user.write_config(TRADE + "await trio.sleep_forever()\n", top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        assert user.run("halt", "trade.toml", "--reason", "something is wrong").code == 0
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=30)
    again = json.loads(user.run("halt", "trade.toml", "--json").out)
    assert (again["is_new"], again["reason"]) == (False, "something is wrong")
    assert user.run("resume", "trade.toml").code == 0


def test_where_no_process_runs_the_journal_takes_it_for_the_next_one(user: CommandLine, top: str) -> None:
    user.write_config(TRADE + "await trio.sleep_forever()\n", top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=30)
    halted = user.run("halt", "trade.toml", "--reason", "who left this running?")
    assert halted.code == 1, "an order is open, for all that anybody knows"
    assert halted.err == ("dogwatch: no process runs this configuration: its journal takes the halt for the next one\n")
    assert "  BUY 0.001 BTCUSDT at 30000, LIMIT" in halted.out
    assert "not known to have ended" in halted.out
    assert "no process runs this configuration, and the next one\ncancels them." in halted.out
    assert halted.out.endswith("\nSource: trade.journal\n")
    assert columns(halted.out) <= 80
    report = user.run("run", "trade.toml", "--seconds", "2")
    assert "trading is halted, as in the run before" in report.err
    assert "0 open, 0 unknown" in report.out
    assert user.run("halt", "trade.toml").code == 0, "now nothing is open"
    resumed = user.run("resume", "trade.toml")
    assert (resumed.code, resumed.err) == (0, "")
    assert resumed.out == "Trading goes on. It was halted: who left this running?\nSource: trade.journal\n"
    assert user.run("resume", "trade.toml").out == "Trading was not halted.\nSource: trade.journal\n"


def test_the_paper_exchange_in_the_process_is_halted_until_the_process_ends(user: CommandLine) -> None:
    user.write_config(RESTS)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        halted = user.run("halt", "trade.toml")
        assert halted.code == 0
        assert "or until the process ends: there is\nno journal." in halted.out
        assert columns(halted.out) <= 80
        assert json.loads(user.run("halt", "trade.toml", "--json").out)["is_lasting"] is False
        assert user.run("resume", "trade.toml").code == 0


@pytest.mark.parametrize("name", ["halt", "resume"])
def test_where_there_is_neither_a_process_nor_a_journal_nothing_is_made(user: CommandLine, name: str) -> None:
    user.write_config()
    outcome = user.run(name, "trade.toml")
    assert outcome.code == 1
    assert outcome.err.startswith("dogwatch: no process runs this configuration, and there is no journal ")
    assert "--journal" not in outcome.err, "an option that this command does not have"
    assert not list(user.folder.glob("*.journal*"))


def test_a_journal_in_use_by_somebody_who_cannot_be_asked_is_named(
    user: CommandLine, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "HANDOVER_S", 0.5)
    user.write_config(top=top)
    with OrderJournal.open(user.folder / "trade.journal"):
        outcome = user.run("halt", "trade.toml")
    assert outcome.code == 1
    message, hint = outcome.err.splitlines()
    assert "this process already is using this journal, and nobody serves at " in message
    assert hint.startswith("  hint: is its runtime.control another one?")


async def test_a_process_that_ends_while_it_is_asked_leaves_the_halt_to_its_journal(
    user: CommandLine, runtime_folder: Path
) -> None:
    socket = runtime_folder / "own.sock"
    user.write("trade.toml", f'[runtime]\ncontrol = "{socket}"\n')
    OrderJournal.open(user.folder / "trade.journal", in_thread=False).close()
    outcomes: list[Outcome] = []
    async with trio.open_nursery() as nursery:

        async def end(_command: HaltNow) -> None:
            nursery.cancel_scope.cancel()
            await trio.sleep_forever()

        await nursery.start(serve_control, socket, {"halt": Instruction(HaltNow, end)})
        with trio.CancelScope(shield=True):
            outcomes.append(await trio.to_thread.run_sync(user.run, "halt", "trade.toml"))
    assert outcomes[0].code == 0, outcomes
    with OrderJournal.read_only(user.folder / "trade.journal") as journal:
        assert journal.halted is not None


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--reason", "", "--reason: one line of 1 to 200 printable characters"),
        ("--reason", "x" * 201, "--reason: one line of 1 to 200"),
        ("--reason", "bell\a", "--reason: one line"),
        ("--within", "601", "--within: at most 600 seconds"),
        ("--within", "0", "'0' is not a number above 0"),
    ],
)
def test_what_makes_no_sense_is_wrong_input(user: CommandLine, option: str, value: str, problem: str) -> None:
    user.write_config()
    user.run("halt", "trade.toml", option, value).assert_wrong_input(problem)


async def test_an_answer_of_another_version_is_said_in_one_line(user: CommandLine, runtime_folder: Path) -> None:
    socket = runtime_folder / "odd.sock"
    user.write("trade.toml", f'[runtime]\ncontrol = "{socket}"\n')
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, socket, {"tree": lambda: 1})
        outcome = await trio.to_thread.run_sync(user.run, "halt", "trade.toml")
        nursery.cancel_scope.cancel()
    assert outcome.code == 1
    assert "there is no command 'halt', only tree" in outcome.err
