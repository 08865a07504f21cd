"""`dogwatch run` with a journal: the next run goes on from it, and one that cannot be used is said in one line."""

import json
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from dogwatch.actors.commands.orders import NOBODY
from dogwatch.actors.order_journal import OrderJournal
from tests.actors.commands.command_line import CommandLine, Outcome, read_until, started
from tests.actors.commands.test_run_live import STAYS, TRADE, ed25519_account, venue

FILLS_THE_DISK = (
    TRADE
    + """
import resource
from dogwatch import NotSent
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
while True:
    try:
        await self.cancel(await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal("30000")))
    except NotSent:
        await trio.sleep(0.1)
"""
)


@pytest.fixture
def top(standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration up to its strategies, for the exchange that stands on a port."""
    monkeypatch.setenv("KEY", standing["api_key"])
    return venue(standing, ed25519_account(standing)).replace("debug", "warning")


def report_of(user: CommandLine, *options: str, warned: str = "") -> dict[str, Any]:
    outcome = user.run("run", "trade.toml", "--report", "r.json", *options)
    assert outcome.code == 0, outcome
    assert warned in outcome.err
    assert ("cleaning up" in outcome.err) == bool(warned)
    report: dict[str, Any] = json.loads((user.folder / "r.json").read_text(encoding="utf-8"))
    return report


@pytest.mark.parametrize("journal", ["", '[journal]\nfile = "own.db"\ndurability = "host"\n'])
def test_the_next_run_has_the_position_of_the_last_and_figures_of_its_own(
    user: CommandLine, top: str, journal: str
) -> None:
    user.write_config(TRADE, top=top + journal)
    first, second = report_of(user), report_of(user)
    assert (first["fills"], second["fills"]) == (1, 1)
    assert (first["orders_placed"], second["orders_placed"]) == (2, 2)
    assert (first["position_base"], second["position_base"]) == (0.000999, 0.001998)
    assert second["ledger_position_base"] == 0.001998
    assert second["assets"]["BTC"] == {"believed": 0.000999, "ledger": 0.000999}
    file = user.folder / ("own.db" if journal else "trade.journal")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = user.run("orders", "trade.toml", "--all").out
    assert "0 live, 4 ended" in listed
    assert listed.count("FILLED") == listed.count("CANCELED ") == 2


def test_a_killed_run_leaves_a_record_and_the_next_one_cleans_up(user: CommandLine, top: str) -> None:
    user.write_config(TRADE + "await trio.sleep_forever()\n", top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=30)
    left = user.run("orders", "trade.toml")
    assert "  BUY 0.001 BTCUSDT at 30000, LIMIT" in left.out  # what came after it was sent need not be there yet
    assert left.out.endswith(f"\nSource: trade.journal\n{NOBODY}\n")
    user.write_config("return", top=top)
    report = report_of(user, warned="an earlier run ended without cleaning up strategy=probe orders_live=")
    assert (report["orders_placed"], report["orders_canceled"], report["orders_open"]) == (0, 0, 0)
    assert (report["fills"], report["position_base"]) == (0, 0.000999)
    assert user.run("orders", "trade.toml").out == "0 live\nSource: trade.journal\n"


def test_a_run_that_is_cut_short_says_where_its_orders_are_listed(user: CommandLine, top: str) -> None:
    user.write_config(TRADE + "await trio.sleep_forever()\n", top=top + "stop_within_s = 0.01\n")
    with (user.folder / "probe.py").open("a", encoding="utf-8") as code:
        code.write(STAYS)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 124
    assert "look for orders that are still open at the exchange\n  hint: `dogwatch orders trade.toml` lists them" in err
    assert "  BUY 0.001 BTCUSDT at 30000, LIMIT" in user.run("orders", "trade.toml").out


def test_a_journal_that_could_not_be_written_to_the_end_is_told_of_below_the_report(
    user: CommandLine, top: str
) -> None:
    """The limit of a file's size stands in for a full disk."""
    user.write_config(FILLS_THE_DISK, top=top)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("nothing new is sent", running)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "0 open, 0 unknown" in out
    message, hint = err.splitlines()[-2:]
    assert message.startswith("dogwatch: ")
    assert message.endswith("the disk refused (SQLITE_IOERR_WRITE): the last changes are not in it")
    assert hint.endswith("; what is missing is asked for by the next run")


def refused(user: CommandLine, *words: str) -> None:
    outcome: Outcome = user.run("run", "trade.toml", "--seconds", "20")
    outcome.assert_wrong_input(*words)
    assert outcome.out == ""
    assert len([line for line in outcome.err.splitlines() if "the loop was held" not in line]) == 2


def test_a_journal_that_another_process_uses_is_left_to_it(user: CommandLine, top: str) -> None:
    user.write_config(TRADE, top=top)
    with OrderJournal.open(user.folder / "trade.journal"):
        refused(user, "trade.journal: this process already is using this journal", "hint: stop it, or give this one a")


def test_the_journal_of_another_account_is_not_gone_on_with(user: CommandLine, top: str) -> None:
    user.write_config(TRADE, top=top)
    with OrderJournal.open(user.folder / "trade.journal") as journal:
        journal.bind_account(uid=17, venue="paper")
    refused(user, "is the journal of account 17, and this is account", "hint: name another journal.file, or move this")


def test_the_journal_of_another_venue_is_not_gone_on_with(user: CommandLine, top: str) -> None:
    user.write_config(TRADE, top=top)
    with OrderJournal.open(user.folder / "trade.journal") as journal:
        journal.bind_account(uid=17, venue="testnet")
    refused(user, "is the journal of venue testnet, and this is venue paper")


def test_what_is_no_journal_is_left_as_it_is(user: CommandLine, top: str) -> None:
    user.write_config(TRADE, top=top)
    file: Path = user.write("trade.journal", b"dear diary, " * 1000)
    refused(user, "trade.journal: not a journal, or damaged", "hint: name another file; if it was a journal, move it")
    assert file.read_bytes() == b"dear diary, " * 1000
    file.unlink()
    file.mkdir()
    refused(user, "trade.journal: this is not a file", "hint: name a file for the journal")
