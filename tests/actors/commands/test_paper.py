"""`dogwatch paper` stands on a port, tells in a file how to reach it, and goes in order."""

import base64
import json
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dogwatch.actors.spot.keys import load_ed25519_private_key
from tests.actors.commands.command_line import CommandLine, started
from tests.actors.commands.test_run import BAD_LINE, TRADES


def test_the_ready_file_says_all_that_a_client_needs_and_is_the_user_s_alone(standing: dict[str, Any]) -> None:
    wanted = {"ws_api", "streams", "rest", "api_key", "private_key_file", "hmac_api_key", "hmac_secret"}
    assert standing.keys() >= wanted
    assert standing["ws_api"].startswith("ws://127.0.0.1:")
    key_file = Path(standing["private_key_file"])
    assert key_file.is_absolute()
    load_ed25519_private_key(key_file.read_bytes())
    for file in (key_file, key_file.with_name("ready.json")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_and_takes_its_files_back(user: CommandLine, number: signal.Signals) -> None:
    user.write("trades.csv", TRADES)
    options = ("--trades", "trades.csv", "--speed", "1000", "--port", "0")
    with started("paper", "--ready-file", "ready.json", *options, folder=user.folder) as running:
        assert running.stdout is not None
        assert running.stdout.readline().endswith("keys in ready.json; Ctrl-C ends it\n")
        assert json.loads((user.folder / "ready.json").read_text(encoding="utf-8"))["api_key"]
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (0, "", "")
    assert {file.name for file in user.folder.iterdir()} == {"trades.csv"}


def test_a_user_registers_keys_of_his_own(user: CommandLine) -> None:
    private = Ed25519PrivateKey.generate()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, form)
    user.write("mine.pem", pem.decode())
    with started("paper", "--ready-file", "ready.json", "--public-key", "mine.pem", folder=user.folder) as running:
        assert running.stdout is not None
        running.stdout.readline()
        ready = json.loads((user.folder / "ready.json").read_text(encoding="utf-8"))
        (api_key,) = ready["registered_api_keys"]
        query = f"timestamp={time.time_ns() // 1_000_000}"
        signature = quote(base64.b64encode(private.sign(query.encode())))
        url = f"{ready['rest']}/api/v3/account?{query}&signature={signature}"
        assert httpx2.get(url, headers={"X-MBX-APIKEY": api_key}).json()["canTrade"] is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--public-key", "none.pem"], ("--public-key: none.pem cannot be read: No such file", "the PEM file")),
        (["--public-key", "/dev/null"], ("--public-key: this is no public key in PEM form", "Ed25519 or RSA")),
        (["--port", "70000"], ("--port: there is no port 70000", "0 picks a free one")),
        (["--port", "-1"], ("--port: there is no port -1",)),
        (["--rest-port", "70000"], ("--rest-port: there is no port 70000", "0 picks a free one")),
        (["--trades", "none.csv"], ("--trades: there is no file none.csv", "a CSV file of spot trades")),
        (["--ready-file", "no/where.json"], ("no/where.json: the ready file cannot be written", "its folder exists")),
        (["--ready-file", "."], ("this is a folder", "name a file in it")),
    ],
)
def test_wrong_options_are_named(user: CommandLine, options: list[str], words: tuple[str, ...]) -> None:
    outcome = user.run("paper", "--ready-file", "ready.json", *options)
    outcome.assert_wrong_input(*words)
    assert list(user.folder.iterdir()) == []


def test_a_port_in_use_is_named_and_nothing_is_left_behind(user: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        user.run("paper", "--ready-file", "ready.json", "--port", port).assert_wrong_input(
            f"127.0.0.1:{port}: the port is in use", "choose another one, or 0 to have one picked"
        )
    assert list(user.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "trades.csv: has no data"),
        (TRADES + BAD_LINE, "trades.csv:21: column 2 (price): expected a decimal number above zero, found 'abc'"),
    ],
)
def test_a_dump_that_cannot_be_read_ends_it_with_the_line_and_column(
    user: CommandLine, content: str, words: str
) -> None:
    user.write("trades.csv", content)
    options = ("--trades", "trades.csv", "--speed", "100000")
    outcome = user.run("paper", "--ready-file", "ready.json", *options)
    outcome.assert_wrong_input(words)
    assert {file.name for file in user.folder.iterdir()} == {"trades.csv"}
