"""The command line as such: what is wrong is said in one line, and the exit code says who has to act."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dogwatch.actors.cli import main, prepare_standard_streams
from tests.actors.commands.command_line import CommandLine, process

COMMANDS = ["run", "check", "tree", "orders", "decode", "paper", "keygen"]


def test_help_lists_every_command(user: CommandLine) -> None:
    outcome = user.run("--help")
    assert outcome.code == 0
    for command in COMMANDS:
        assert f"    {command} " in outcome.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(user: CommandLine, command: str) -> None:
    outcome = user.run(command, "--help")
    assert outcome.code == 0
    assert f"usage: dogwatch {command} " in outcome.out


def test_the_version_is_the_package_s(user: CommandLine) -> None:
    assert user.run("--version").out.startswith("dogwatch 0.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run"], "arguments are required: CONFIG.toml"),
        (["run", "a.toml", "--second", "3"], "unrecognized arguments: --second 3"),
        (["run", "a.toml", "--seconds", "abc"], "argument --seconds: 'abc' is not a number above 0"),
        (["run", "a.toml", "--seconds", "0"], "argument --seconds: '0' is not a number above 0"),
        (["run", "a.toml", "--seconds", "-1"], "argument --seconds: '-1' is not a number above 0"),
        (["run", "a.toml", "--seconds", "nan"], "argument --seconds: 'nan' is not a number above 0"),
        (["run", "a.toml", "--seconds", "inf"], "argument --seconds: 'inf' is not a number above 0"),
        (["run", "a.toml", "--seed", "1.5"], "argument --seed: '1.5' is not a whole number"),
        (["paper"], "arguments are required: --ready-file"),
        (["paper", "--ready-file", "r", "--port", "abc"], "argument --port: 'abc' is not a whole number"),
        (["paper", "--ready-file", "r", "--speed", "0"], "argument --speed: '0' is not a number above 0"),
        (["keygen"], "arguments are required: FILE.pem"),
    ],
)
def test_a_mistake_in_the_arguments_is_named(user: CommandLine, arguments: list[str], words: str) -> None:
    user.run(*arguments).assert_wrong_input(words)


@pytest.mark.parametrize("command", ["run", "check", "tree"])
def test_a_configuration_that_is_not_there_is_named_and_its_neighbour_suggested(
    user: CommandLine, command: str
) -> None:
    user.write("quoter.toml", "")
    user.run(command, "nowhere/q.toml").assert_wrong_input("nowhere/q.toml: there is no such file")
    user.run(command, "quoter.tml").assert_wrong_input(
        "quoter.tml: there is no such file", "did you mean 'quoter.toml'?"
    )
    user.run(command, str(user.folder)).assert_wrong_input("this is a folder", "name the file in it")


def test_an_interrupt_while_a_plugin_is_imported_has_the_shell_s_exit_code(user: CommandLine) -> None:
    user.write_config()
    user.write("probe.py", "raise KeyboardInterrupt")
    assert user.run("check", "trade.toml").code == 130


def test_no_character_ends_a_command_on_a_terminal_that_lacks_it(user: CommandLine) -> None:
    user.write_config()
    (user.folder / "trade.toml").rename(user.folder / "µ.toml")
    command = [sys.executable, "-m", "dogwatch", "check", "µ.toml"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=user.folder, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(r"\xb5.toml: no mistakes.")


def test_a_reader_that_has_gone_is_no_traceback(user: CommandLine) -> None:
    user.write_config("return")
    with process("run", "trade.toml", "--virtual", "--report", "r.json", folder=user.folder) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1
    assert (user.folder / "r.json").stat().st_size > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_said_in_one_line(user: CommandLine) -> None:
    user.write_config()
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "dogwatch", "check", "trade.toml"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=user.folder, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_without_standard_streams_sends_nothing_elsewhere(tmp_path: Path) -> None:
    # Without the guard the number 1 would be given to the next socket, and the report would go to the exchange.
    script = (
        "import os, socket\nfrom dogwatch.actors import cli\n"
        "os.close(0), os.close(1)\ncli.prepare_standard_streams()\n"
        "other = socket.socket()\nassert other.fileno() > 2, other.fileno()\nos.write(1, b'into the void')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_streams_that_are_there_are_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    before = (sys.stdout, sys.stderr)
    prepare_standard_streams()
    assert (sys.stdout, sys.stderr) == before
    assert main(["check", "nowhere.toml"]) == 2
    assert capfd.readouterr().err == "dogwatch: nowhere.toml: there is no such file\n"


def test_an_interrupt_while_the_program_is_loaded_is_an_interrupt_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "trio.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "dogwatch", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
