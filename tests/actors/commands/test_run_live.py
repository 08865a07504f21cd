"""`dogwatch run` in real time: signals, terminals, venues out of reach or with another key, and no secret shown."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dogwatch.actors.spot.keys import Ed25519Key
from tests.actors.commands.command_line import PAPER, CommandLine, Outcome, read_until, started

PASSPHRASE = "correct horse battery staple"
LOUD = '[runtime]\nlog_level = "debug"\n'
TRADE = """
from decimal import Decimal
await self.first(Quotes("BTCUSDT"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"))
await self.buy("BTCUSDT", quantity=Decimal("0.001"), price=Decimal("30000"))
self.log.warning("has traded")
"""
"""Ends by itself: how long anything takes on a busy machine must not matter."""
RUN_ON = TRADE + "await trio.sleep_forever()\n"
STAYS = (
    "\n    async def on_stop(self) -> None:\n        self.log.warning('stays')\n        await trio.sleep_forever()\n"
)
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def venue(ready: dict[str, Any], account: str) -> str:
    addresses = f'ws_api = "{ready["ws_api"]}"\nstreams = "{ready["streams"]}"\n'
    return f'[venue]\nname = "paper"\n{addresses}[account]\n{account}\n{LOUD}'


def ed25519_account(ready: dict[str, Any], *, key_file: object = None) -> str:
    return f'api_key = {{ env = "KEY" }}\nprivate_key = {{ file = "{key_file or ready["private_key_file"]}" }}'


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_in_order_and_reports(user: CommandLine, number: signal.Signals) -> None:
    user.write_config(RUN_ON)
    with started("run", "trade.toml", "--report", "r.json", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Traceback" not in err
    assert "stopping, again ends at once" in out.splitlines()[0]
    assert "orders      2 placed: 1 filled, 1 canceled" in out
    assert json.loads((user.folder / "r.json").read_text(encoding="utf-8"))["orders_open"] == 0


def test_the_second_signal_ends_at_once_and_says_that_orders_may_be_open(user: CommandLine) -> None:
    user.write_config(RUN_ON)
    with (user.folder / "probe.py").open("a", encoding="utf-8") as code:
        code.write(STAYS)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(signal.SIGTERM)
        read_until("stays", running)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGTERM
    assert "dogwatch: ended before the strategies had stopped: look for orders that are still open" in err
    assert "Traceback" not in err
    assert "placed" not in out


def test_a_stop_that_takes_too_long_is_cut_short(user: CommandLine) -> None:
    user.write_config(RUN_ON, top=PAPER + "[runtime]\nstop_within_s = 0.1\n")
    with (user.folder / "probe.py").open("a", encoding="utf-8") as code:
        code.write(STAYS)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("has traded", running)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 124
    assert "dogwatch: ended before the strategies had stopped" in err


# Terminals


def test_on_a_terminal_one_line_is_rewritten_in_place_with_logs_above_and_the_report_below(user: CommandLine) -> None:
    user.write_config(TRADE + "await trio.sleep(1.2)\n")
    raw = shown_on_terminal("run", "trade.toml", folder=user.folder)
    assert raw.count("\r\x1b[K") >= 2
    assert all(len(CONTROL_SEQUENCE.sub("", line)) <= 80 for line in re.split(r"[\r\n]+", raw) if "warning" not in line)
    progress, _, report = raw.partition("\r\norders      ")
    assert re.search(r"00:0\d  BTCUSDT [0-9.]+  2 orders, 1 live, 1 fills  \+0\.000999 BTC", progress)
    assert report.startswith("2 placed: 1 filled, 1 canceled\r\n")


def test_the_end_of_the_time_is_a_stop_like_any_other_with_the_same_deadline(user: CommandLine) -> None:
    user.write_config("await trio.sleep_forever()", top=PAPER + "[runtime]\nstop_within_s = 3\n")
    with (user.folder / "probe.py").open("a", encoding="utf-8") as code:
        code.write(STAYS)
    outcome = user.run("run", "trade.toml", "--seconds", "5", "--virtual")
    assert outcome.code == 124
    assert "ended before the strategies had stopped" in outcome.err
    assert "stopping" not in outcome.out


def test_without_a_terminal_nothing_is_rewritten(user: CommandLine) -> None:
    user.write_config(TRADE)
    outcome = user.run("run", "trade.toml")
    assert outcome.code == 0
    assert "\r" not in outcome.out + outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def shown_on_terminal(*arguments: str, folder: Path) -> str:
    """What a terminal of 80 columns is told by a real process, to its end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dogwatch", *arguments]
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment) as running:
        os.close(theirs)
        received = bytearray()
        while select.select([ours], [], [], 30)[0]:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux: the last process at the other end has gone
                piece = b""
            if not piece:
                break
            received += piece
        os.close(ours)
    assert running.returncode == 0, received
    return received.decode()


# Venues


def test_a_venue_that_cannot_be_reached_is_named_tried_again_and_the_ledger_is_not_read(
    user: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write("key.pem", Ed25519Key(bytes(32)).private_pem())
    monkeypatch.setenv("KEY", "k" * 64)
    nowhere = {"ws_api": "ws://127.0.0.1:1/ws-api/v3", "streams": "ws://127.0.0.1:1"}
    user.write_config(top=venue(nowhere, ed25519_account(nowhere, key_file="key.pem")).replace("debug", "warning"))
    outcome = user.run("run", "trade.toml", "--seconds", "0.5", "--report", "r.json")
    assert outcome.code == 1
    for link in ("link", "market_link"):
        assert f"warning dogwatch/{link}/lines/a/connection not connected attempt=1 kind=tcp" in outcome.err
    assert "reason='no connection to 127.0.0.1:1: Connection refused' hint='check that the server" in outcome.err
    assert "retry_in_s=" in outcome.err
    assert "Traceback" not in outcome.err
    assert "ledger      not read: nothing above is confirmed by the exchange" in outcome.out
    report = json.loads((user.folder / "r.json").read_text(encoding="utf-8"))
    assert report["ledger_read"] is False
    assert report["position_base"] is report["ledger_position_base"] is None


def test_a_run_that_cannot_connect_ends_at_a_signal(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write("key.pem", Ed25519Key(bytes(32)).private_pem())
    monkeypatch.setenv("KEY", "k" * 64)
    nowhere = {"ws_api": "ws://127.0.0.1:1/ws-api/v3", "streams": "ws://127.0.0.1:1"}
    user.write_config(top=venue(nowhere, ed25519_account(nowhere, key_file="key.pem")))
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("not connected attempt=1", running)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "Traceback" not in err
    assert "ledger      not read" in out


@pytest.mark.parametrize("kind", ["encrypted", "hmac"])
def test_a_standing_exchange_is_traded_on_with_either_key_and_no_secret_is_ever_shown(
    user: CommandLine, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    pem = Path(standing["private_key_file"]).read_text(encoding="utf-8")
    if kind == "encrypted":
        monkeypatch.setenv("KEY", standing["api_key"])
        monkeypatch.setenv("PASSPHRASE", PASSPHRASE)
        lock = BestAvailableEncryption(PASSPHRASE.encode())
        key = load_pem_private_key(pem.encode(), None)
        user.write("key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
        account = ed25519_account(standing, key_file="key.pem") + '\npassphrase = { env = "PASSPHRASE" }'
    else:
        user.write("hmac_key", standing["hmac_api_key"] + "\n")
        user.write("hmac_secret", standing["hmac_secret"] + "\n")
        account = 'api_key = { file = "hmac_key" }\nhmac_secret = { file = "hmac_secret" }'
    user.write_config(TRADE, top=venue(standing, account))
    outcome = user.run("run", "trade.toml", "--report", "r.json")
    assert outcome.code == 0, outcome
    text = (user.folder / "r.json").read_text(encoding="utf-8")
    report = json.loads(text)
    assert report["orders_placed"] == 2
    assert report["fills"] >= 1
    assert report["position_base"] == report["ledger_position_base"] == 0.000999
    assert "session ready" in outcome.err  # so the logs were on
    named = [standing[name] for name in ("api_key", "hmac_api_key", "hmac_secret")]
    for secret in (pem.splitlines()[1], PASSPHRASE, *named):
        assert secret not in outcome.out + outcome.err + text


def refused(user: CommandLine, account: str, standing: dict[str, Any]) -> Outcome:
    user.write_config(top=venue(standing, account).replace("debug", "warning"))
    outcome = user.run("run", "trade.toml", "--seconds", "20")
    assert len([line for line in outcome.err.splitlines() if "the loop was held" not in line]) == 2
    assert outcome.out == ""
    return outcome


def test_a_key_that_the_exchange_does_not_know_ends_the_run_at_once(
    user: CommandLine, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x" * 64)
    refused(user, ed25519_account(standing), standing).assert_wrong_input(
        "dogwatch: account: the exchange refuses the API key: Invalid API-key, IP, or permissions for action. [-2015]",
        "hint: check the key's permissions",
    )


def test_a_private_key_of_another_account_ends_the_run_at_once(
    user: CommandLine, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", standing["api_key"])
    user.write("other.pem", Ed25519Key(bytes(32)).private_pem())
    refused(user, ed25519_account(standing, key_file="other.pem"), standing).assert_wrong_input(
        "Signature for this request is not valid. [-1022]", "the private key or secret does not belong to this API key"
    )


def test_a_symbol_that_the_exchange_does_not_know_ends_the_run_at_once(
    user: CommandLine, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", standing["api_key"])
    top = venue(standing, ed25519_account(standing)).replace("debug", "warning")
    user.write_config(top=top, extra='config = { symbol = "BTCUSD" }\n')
    outcome = user.run("run", "trade.toml", "--seconds", "20")
    outcome.assert_wrong_input("the exchange does not know BTCUSD", "symbols are in capitals")
