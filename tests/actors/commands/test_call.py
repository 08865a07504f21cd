"""`dogwatch call`: one request from the command line, over either transport, and what a user is told when it fails."""

import json
from typing import Any

import pytest

from tests.actors.commands.command_line import CommandLine

ORDER = ("symbol=BTCUSDT", "side=BUY", "type=LIMIT", "timeInForce=GTC", "price=20000", "quantity=0.001")
TRANSPORTS = [(), ("--rest",)]
STANDING = 'ws_api = "ws://127.0.0.1:1/ws-api/v3"\nstreams = "ws://127.0.0.1:1"'
REST = f'{STANDING}\nrest = "http://127.0.0.1:1"'
KEY = '[account]\napi_key = { env = "K" }'


@pytest.fixture
def account(user: CommandLine, standing: dict[str, Any]) -> CommandLine:
    """With a configuration that names the standing exchange and an account there, and no strategy at all."""
    user.write("key.txt", standing["api_key"])
    user.write(
        "venue.toml",
        f"""
[venue]
name = "paper"
ws_api = "{standing["ws_api"]}"
streams = "{standing["streams"]}"
rest = "{standing["rest"]}"
[account]
api_key = {{ file = "key.txt" }}
private_key = {{ file = "{standing["private_key_file"]}" }}
""",
    )
    return user


def decoded(text: str) -> Any:
    return json.loads(text)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_public_question_needs_no_configuration(user: CommandLine, transport: tuple[str, ...]) -> None:
    done = user.run("call", "time", "--venue", "paper", *transport)
    assert done.code == 0, done
    assert done.out.startswith("server_time_ms  ")
    assert "UTC)" in done.out
    assert done.err == ""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_order_is_placed_found_and_canceled(account: CommandLine, transport: tuple[str, ...]) -> None:
    config = ("--config", "venue.toml", *transport)
    placed = account.run("call", "order.place", *ORDER, "--yes", "--json", *config)
    assert placed.code == 0, placed
    order_id = decoded(placed.out)["orderId"]
    found = account.run("call", "order.status", "symbol=BTCUSDT", f"orderId={order_id}", "--json", *config)
    assert decoded(found.out)["status"] == "NEW", found
    canceled = account.run("call", "order.cancel", "symbol=BTCUSDT", f"orderId={order_id}", "--yes", *config)
    assert "CANCELED" in canceled.out, canceled
    gone = account.run("call", "order.cancel", "symbol=BTCUSDT", f"orderId={order_id}", "--yes", *config)
    assert gone.code == 1
    assert "the exchange refused: Unknown order sent. [-2011]" in gone.err
    assert "hint: " in gone.err


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_replacement_of_which_a_part_failed_is_shown_and_is_no_success(
    account: CommandLine, transport: tuple[str, ...]
) -> None:
    replacement = (*ORDER, "cancelReplaceMode=STOP_ON_FAILURE", "cancelOrigClientOrderId=none", "--yes")
    done = account.run("call", "order.cancelReplace", *replacement, "--config", "venue.toml", *transport)
    assert done.code == 1, done
    assert "new_order_result  NOT_ATTEMPTED" in done.out
    assert "Unknown order sent." in done.out


def test_the_json_form_has_the_exchanges_names_and_every_digit(account: CommandLine) -> None:
    done = account.run("call", "account.status", "omitZeroBalances=true", "--json", "--config", "venue.toml")
    balances = {row["asset"]: row for row in decoded(done.out)["balances"]}
    assert balances["USDT"]["free"].endswith("00000000"), done


def test_what_changes_anything_wants_a_yes_before_anything_is_dialled(user: CommandLine) -> None:
    refused = user.run("call", "order.place", *ORDER)
    refused.assert_wrong_input("order.place: changes things at mainnet", "hint: add --yes")
    refused = user.run("call", "order.cancel", "symbol=BTCUSDT", "orderId=1", "--venue", "paper")
    refused.assert_wrong_input("changes things at paper")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deph", "symbol=BTCUSDT"), ("the exchange has no such method", "did you mean 'depth'?")),
        (("depth",), ("symbol: is missing", "depth needs symbol")),
        (("depth", "symbol=BTCUSDT", "limit=ten"), ("limit: ",)),
        (("account.status", "--venue", "testnet"), ("needs an API key", "--config CONFIG.toml")),
        (("session.logout", "--venue", "paper"), ("session.logout: is not called by hand", "the session does it")),
        (("userDataStream.subscribe", "--rest"), ("is not called by hand",)),
        (("session.status", "--venue", "paper", "--rest"), ("exists on the WebSocket API only",)),
        (("time", "--config", "none.toml"), ("none.toml",)),
        (("time", "--venue", "paper", "--config", "x.toml"), ("a venue and a configuration are named",)),
        (("time", "--venue", "moon"), ("moon",)),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    user: CommandLine, arguments: tuple[str, ...], said: tuple[str, ...]
) -> None:
    user.run("call", *arguments).assert_wrong_input(*said)


@pytest.mark.parametrize(
    ("addresses", "account", "said"),
    [
        ('rest = "http://127.0.0.1:1"', "", ("venue.ws_api: is missing", "venue.streams: is missing", "ready file")),
        (STANDING, "", ("venue.rest: is missing", "ready file")),
        (f'{STANDING}\nrest = "http://127.0.0.1:1/foo"', "", ("venue.rest: ", "is not the address of a REST API")),
        (REST, KEY, ("account: needs one thing to sign with", "give either private_key or hmac_secret")),
        (REST, f'{KEY}\nprivate_key = {{ env = "K" }}\nhmac_secret = {{ env = "K" }}', ("needs one thing to sign",)),
        (REST, f'{KEY}\nhmac_secret = {{ env = "K" }}\npassphrase = {{ env = "K" }}', ("passphrase: is not used",)),
    ],
)
def test_mistakes_of_the_venue_and_the_account_are_found_before_anything_is_asked(
    user: CommandLine, addresses: str, account: str, said: tuple[str, ...]
) -> None:
    user.write("venue.toml", f'[venue]\nname = "paper"\n{addresses}\n{account}\n')
    user.run("call", "time", "--rest", "--config", "venue.toml").assert_wrong_input(*said)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_where_nobody_listens_the_command_says_so_in_time(user: CommandLine, transport: tuple[str, ...]) -> None:
    nowhere = "127.0.0.1:1"
    user.write(
        "venue.toml",
        f'[venue]\nname = "paper"\nws_api = "ws://{nowhere}/ws-api/v3"\n'
        f'streams = "ws://{nowhere}/stream"\nrest = "http://{nowhere}"\n',
    )
    done = user.run("call", "time", "--config", "venue.toml", "--within", "0.3", *transport)
    assert done.code == 1
    assert "127.0.0.1" in done.err
    assert "Traceback" not in done.err
