"""`dogwatch decode` prints every frame of a capture as its type, and says of which line it cannot, and why."""

import io
import json

import pytest

from dogwatch.actors.commands import decode
from tests.actors.commands.command_line import CommandLine

TRADE = (
    '{"stream":"bnbbtc@trade","data":'
    '{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true}}'
)
AVERAGE = '{"e":"avgPrice","E":1693907033000123,"s":"BTCUSDT","i":"5m","w":"25776.86","T":1693907032213456}'
BALANCE = '{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"1.00","T":1573200697068}}'
TIME = '{"id":1,"status":200,"result":{"serverTime":1656400526260}}'
LIMITS = '[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":2}]'


def test_every_frame_is_printed_with_its_type_and_its_fields(user: CommandLine) -> None:
    user.write("capture.jsonl", f"{TRADE}\n\n{AVERAGE}\n")
    outcome = user.run("decode", "capture.jsonl")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == "1  Trade, bnbbtc@trade"
    assert "   price           0.001" in outcome.out.splitlines()
    assert "3  AveragePriceEvent" in outcome.out.splitlines()
    assert max(len(line) for line in outcome.out.splitlines()) <= 80


def test_json_has_one_frame_a_line_as_the_exchange_writes_it(user: CommandLine) -> None:
    user.write("capture.jsonl", f"{TRADE}\n{AVERAGE}\n{BALANCE}\n")
    outcome = user.run("decode", "--json", "capture.jsonl")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [TRADE, AVERAGE, BALANCE]


def test_a_mark_of_the_byte_order_does_not_stand_in_the_way(user: CommandLine) -> None:
    user.write("capture.jsonl", f"\ufeff{TRADE}\n")
    outcome = user.run("decode", "--json", "capture.jsonl")
    assert (outcome.code, outcome.out.splitlines()) == (0, [TRADE])


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_printed(user: CommandLine) -> None:
    user.write("capture.jsonl", f'{TRADE}\n{{"e":\n\nnonsense\n{TRADE}')
    outcome = user.run("decode", "--json", "capture.jsonl")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [TRADE, TRADE]
    first, second = outcome.err.splitlines()
    assert first == "capture.jsonl:2: Input data was truncated"
    assert second.startswith("capture.jsonl:4: JSON is malformed")


@pytest.mark.parametrize(
    ("option", "frame", "others"),
    [
        (["--method", "time"], TIME, [TRADE, BALANCE]),
        (["--user-data"], BALANCE, [TRADE, TIME]),
        (["--stream"], TRADE, [TIME]),
    ],
)
def test_an_option_says_what_the_frames_are(
    user: CommandLine, option: list[str], frame: str, others: list[str]
) -> None:
    user.write("capture.jsonl", "\n".join([frame, *others]))
    outcome = user.run("decode", "--json", *option, "capture.jsonl")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [frame]
    assert [line.split(": ")[0] for line in outcome.err.splitlines()] == [
        f"capture.jsonl:{number}" for number in range(2, 2 + len(others))
    ]


def test_the_limits_that_an_answer_tells_are_printed_too(user: CommandLine) -> None:
    user.write("capture.jsonl", TIME[:-1] + f',"rateLimits":{LIMITS}}}')
    lines = user.run("decode", "--method", "time", "capture.jsonl").out.splitlines()
    assert lines[0] == "1  ServerTime, answer to time, id 1, status 200"
    assert lines[2] == "   rate_limits"
    assert lines[-1].split() == ["REQUEST_WEIGHT", "MINUTE", "1", "6000", "2"]


def test_no_character_of_a_frame_reaches_the_terminal_that_acts_there(user: CommandLine) -> None:
    user.write("capture.jsonl", json.dumps({"code": -1, "msg": "\x1b[31mred\x07"}) + '\n{"e":"\\u001b[2J"}')
    outcome = user.run("decode", "capture.jsonl")
    assert "\\x1b[31mred\\x07" in outcome.out
    assert "\\x1b[2J" in outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def test_frames_come_from_the_standard_input_too(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{TRADE}\nnonsense".encode())))
    outcome = user.run("decode", "--json", "-")
    assert (outcome.code, outcome.out.splitlines()) == (1, [TRADE])
    assert outcome.err.startswith("standard input:2: ")


def test_a_line_without_an_end_is_not_read_whole(user: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LINE_BYTES_MAX", 300)
    user.write("capture.jsonl", f"{'x' * 1000}\n{TRADE}\n{'y' * 301}\n{' ' * 100}{TRADE}\n")
    outcome = user.run("decode", "--json", "capture.jsonl")
    assert outcome.out.splitlines() == [TRADE, TRADE]
    assert [line.split(": ")[0] for line in outcome.err.splitlines()] == ["capture.jsonl:1", "capture.jsonl:3"]
    assert "longer than" in outcome.err


def test_a_capture_that_is_not_there_is_said_without_a_traceback(user: CommandLine) -> None:
    user.run("decode", "nowhere.jsonl").assert_wrong_input("nowhere.jsonl: the capture cannot be read", "hint:")


def test_a_method_that_does_not_exist_is_said_with_the_nearest_one(user: CommandLine) -> None:
    user.write("capture.jsonl", TIME)
    user.run("decode", "--method", "order.plac", "capture.jsonl").assert_wrong_input("did you mean order.place?")
    user.run("decode", "--method", "fly", "capture.jsonl").assert_wrong_input("such as order.place")


def test_a_capture_is_of_one_kind(user: CommandLine) -> None:
    outcome = user.run("decode", "--stream", "--user-data", "capture.jsonl")
    outcome.assert_wrong_input("not allowed with argument")
