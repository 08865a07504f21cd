"""`dogwatch tree` asks the process that runs a configuration, over a socket that is found by the file's place."""

import json
from pathlib import Path

import pytest
import trio

from dogwatch.actors.commands.tree import default_control_path, own_folder
from dogwatch.runtime.control import ControlError, serve_control
from tests.actors.commands.command_line import PAPER, CommandLine, read_until, started

CALM = "[[strategy]]\nname = 'calm'\nuse = 'calm.py:Calm'\n"
CALM_CODE = "from dogwatch import Strategy\nclass Calm(Strategy):\n    async def on_start(self): pass\n"


def test_a_running_configuration_shows_who_was_restarted_and_why(user: CommandLine, runtime_folder: Path) -> None:
    user.write_config("raise RuntimeError('boom')", extra=CALM)
    user.write("calm.py", CALM_CODE)
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("probe crashed life=2", running)
        outcome = user.run("tree", "trade.toml")
        as_json = user.run("tree", "trade.toml", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["name", "state", "life", "restarts", "queued", "oldest", "now"]
    (probe,) = (line.split() for line in lines if " probe " in line)
    assert probe[-4:-1] in (["waiting", "2", "1"], ["down", "2", "1"])
    assert any("! RuntimeError: boom" in line for line in lines)
    (calm,) = (line.split() for line in lines if " calm " in line)
    assert calm[-6:] == ["running", "1", "0", "0", "0", "live"]
    strategies = json.loads(as_json.out)["children"][-1]
    assert strategies["name"] == "strategies"
    assert {child["name"]: child["restarts"] >= 1 for child in strategies["children"]} == {"probe": True, "calm": False}
    assert len(list(runtime_folder.iterdir())) == 1


def test_the_file_may_have_been_changed_since_and_may_name_another_socket(
    user: CommandLine, runtime_folder: Path
) -> None:
    socket = runtime_folder / "own.sock"
    user.write_config("self.log.warning('up')\nawait trio.sleep_forever()", extra=f'[runtime]\ncontrol = "{socket}"\n')
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("up", running)
        user.write("trade.toml", f'[oops]\n[runtime]\ncontrol = "{socket}"\n')
        outcome = user.run("tree", "trade.toml")
    assert outcome.code == 0, outcome
    assert "probe" in outcome.out


def test_nobody_who_runs_is_said_in_one_line(user: CommandLine) -> None:
    user.write_config()
    outcome = user.run("tree", "trade.toml")
    assert outcome.code == 1
    assert outcome.err.startswith("dogwatch: nobody serves at ")
    assert "hint: is it running" in outcome.err


def test_a_socket_path_that_is_no_text_is_wrong_input(user: CommandLine) -> None:
    user.write("trade.toml", PAPER + "[runtime]\ncontrol = 3\n")
    user.run("tree", "trade.toml").assert_wrong_input("runtime.control: expected a string")


async def test_an_answer_that_is_no_tree_is_said_in_one_line(user: CommandLine, runtime_folder: Path) -> None:
    socket = runtime_folder / "odd.sock"
    user.write("trade.toml", f'[runtime]\ncontrol = "{socket}"\n')
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, socket, {"tree": lambda: [1, 2]})
        outcome = await trio.to_thread.run_sync(user.run, "tree", "trade.toml")
        nursery.cancel_scope.cancel()
    assert outcome.code == 1
    assert "the answer is no tree" in outcome.err
    assert "both sides should be the same version" in outcome.err


def test_a_second_run_of_one_configuration_says_that_it_cannot_be_asked(user: CommandLine) -> None:
    user.write_config("self.log.warning('up')\nawait trio.sleep_forever()")
    with started("run", "trade.toml", folder=user.folder) as running:
        read_until("up", running)
        outcome = user.run("run", "trade.toml", "--seconds", "0.2")
    assert "`dogwatch halt` and `tree` cannot reach this process" in outcome.err
    assert "another process serves at" in outcome.err


def test_each_configuration_has_a_socket_of_its_own(tmp_path: Path, runtime_folder: Path) -> None:
    one, other = default_control_path(tmp_path / "one.toml"), default_control_path(tmp_path / "other.toml")
    assert one != other
    assert one.parent == other.parent == runtime_folder
    assert default_control_path(tmp_path / "x" / ".." / "one.toml") == one


def test_without_a_folder_of_the_user_s_own_one_is_made_that_nobody_else_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder(tmp_path / "mine")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert own_folder(folder) == folder
    with pytest.raises(ControlError, match=r"cannot be made: .*runtime\.control"):
        own_folder(tmp_path / "not" / "there")
    monkeypatch.setattr("os.getuid", lambda: 12_345)
    with pytest.raises(ControlError, match="belongs to another user"):
        own_folder(folder)
