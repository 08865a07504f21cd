"""The first page shows the example as it is and the output as it comes."""

import re
from pathlib import Path

import pytest

from dogwatch.actors.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURED = ("events", "round trip", "time")
"""How the lines begin that depend on the machine."""


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("language", "file"), [("python", "twap.py"), ("toml", "twap.toml")])
def test_the_example_stands_there_whole(language: str, file: str) -> None:
    assert (ROOT / "examples" / file).read_text(encoding="utf-8") in fenced(language)


@pytest.mark.parametrize("command", ["check examples/twap.toml", "run examples/twap.toml --virtual"])
def test_a_command_says_what_is_shown(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(command.split()) == 0
    (console,) = (block for block in fenced("console") if f"$ dogwatch {command}\n" in block)
    shown = console.partition(f"$ dogwatch {command}\n")[2].partition("$ ")[0]
    said = capsys.readouterr().out
    assert repeatable(said) == repeatable(shown), "paste the new output into README.md"


def repeatable(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith(MEASURED)]


def test_every_link_leads_to_a_file() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
