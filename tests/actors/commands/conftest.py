"""A user in a folder of his own, and a paper exchange that stands on a port."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.actors.commands.command_line import CommandLine, started


@pytest.fixture
def runtime_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where control sockets are put by default; its path is short enough for one."""
    folder = tmp_path_factory.mktemp("s")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def user(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, runtime_folder: Path
) -> CommandLine:
    """Whose working directory is the test's folder."""
    assert runtime_folder.is_dir()
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capfd)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The ready file of a `dogwatch paper` that runs as a process of its own."""
    folder = tmp_path_factory.mktemp("standing")
    with started("paper", "--ready-file", "ready.json", "--speed", "5", folder=folder) as exchange:
        assert exchange.stdout is not None
        assert exchange.stdout.readline().startswith("paper exchange on 127.0.0.1:")
        ready: dict[str, Any] = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
        yield ready
