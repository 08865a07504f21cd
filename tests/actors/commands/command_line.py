"""A user at the command line: writes files into a folder, runs commands in this process or as a real one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dogwatch.actors.cli import main

PAPER = """
[venue]
name = "paper"
[paper]
balances = { BTC = "0.5", USDT = "20000" }
[paper.feed]
kind = "random_walk"
symbol = "BTCUSDT"
price = "39440"
step = "1.50"
interval_ms = 100
"""

PROBE = """
import trio
from dogwatch import Quotes, Strategy

class Probe(Strategy):
    class Config(Strategy.Config, frozen=True):
        symbol: str = "BTCUSDT"

    async def run(self) -> None:
"""
"""A strategy without the body of its `run()`."""

PATIENCE_S = 30
"""How long a real process may take on a machine that is very busy."""


@dataclass(frozen=True)
class Outcome:
    """What a user is left with."""

    code: int
    out: str
    err: str

    def assert_wrong_input(self, *words: str) -> None:
        """Exit code 2, every one of the words on standard error, and no traceback."""
        assert self.code == 2, self
        for word in words:
            assert word in self.err, self
        assert "Traceback" not in self.err + self.out


class CommandLine:
    """Runs `dogwatch` with files of `folder`; the working directory is that folder."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def write_config(self, body: str = "await trio.sleep_forever()", *, extra: str = "", top: str = PAPER) -> None:
        """`trade.toml` with one strategy, called probe, whose `run()` has this body."""
        lines = "".join(f"        {line}\n" for line in body.splitlines())
        self.write("probe.py", PROBE + lines)
        self.write("trade.toml", f'{top}\n[[strategy]]\nname = "probe"\nuse = "probe.py:Probe"\n{extra}')

    def run(self, *arguments: str) -> Outcome:
        """The command in this process."""
        self._capfd.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exit_:  # argparse's way
            code = int(exit_.code or 0)
        captured = self._capfd.readouterr()
        return Outcome(code, captured.out, captured.err)


def process(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """The command as a real process. Use as a context manager."""
    return subprocess.Popen(
        [sys.executable, "-m", "dogwatch", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@contextmanager
def started(*arguments: str, folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """The command as a real process that is killed at the end of the block if it is still there."""
    with process(*arguments, folder=folder) as running:
        try:
            yield running
        finally:
            running.kill()


def read_until(word: str, stream: "subprocess.Popen[str]") -> str:
    """The first line on standard error that has the word in it."""
    assert stream.stderr is not None
    seen: list[str] = []
    for line in stream.stderr:
        seen.append(line)
        if word in line:
            return line
    raise AssertionError(f"{word!r} never came: {seen}")
