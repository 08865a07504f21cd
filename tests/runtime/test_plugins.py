import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import get_type_hints

import pytest

from dogwatch.runtime import plugins
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.plugins import load_plugin


class Plan:
    """What the plugins in these tests are."""


class Twap(Plan):
    pass


GOOD = """
from tests.runtime.test_plugins import Plan

class Part: pass

class Quoter(Plan):
    part: Part
    child: "Quoter"

constant = 3
"""


@pytest.fixture(autouse=True)
def modules_are_forgotten() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("dogwatch_plugin_"):
            del sys.modules[name]


def load(use: str, base: Path = Path()) -> type[Plan]:
    return load_plugin(use, base=base, group="dogwatch.tests", kind=Plan, where="strategy[0].use")


def mistake(use: str, base: Path = Path()) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(use, base)
    assert caught.value.where == "strategy[0].use"
    return caught.value.problem, caught.value.hint


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Make entry points as an installed distribution would."""
    found = [EntryPoint(name, value, "dogwatch.tests") for name, value in points.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: found if group == "dogwatch.tests" else [])


def test_a_class_is_found_by_module_and_name() -> None:
    assert load(f"{__name__}:Twap") is Twap


def test_a_class_is_found_by_the_name_of_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, twap=f"{__name__}:Twap", broken="no_such_module_anywhere:Twap")
    assert load("twap") is Twap
    assert mistake("twpa") == ("there is no plugin 'twpa' in 'dogwatch.tests'", "did you mean 'twap'?")
    assert "path/to/file.py:Class" in mistake("elephant")[1]
    assert "plugin 'broken' (no_such_module_anywhere:Twap) raised ModuleNotFoundError" in mistake("broken")[0]


def test_a_class_is_found_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "quoter.py").write_text(GOOD)
    found = load("quoter.py:Quoter", tmp_path)
    assert issubclass(found, Plan)
    assert load(f"{tmp_path}/quoter.py:Quoter", Path("/elsewhere")) is found
    assert sys.modules[found.__module__].Quoter is found
    assert get_type_hints(found)["child"] is found


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "quoter.py").write_text(GOOD)
    assert load("one/quoter.py:Quoter", tmp_path) is not load("two/quoter.py:Quoter", tmp_path)


def test_a_missing_file_or_module_is_named_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "quoter.py").write_text(GOOD)
    problem, hint = mistake("qouter.py:Quoter", tmp_path)
    assert problem == f"there is no file {(tmp_path / 'qouter.py').resolve()}"
    assert hint == "did you mean 'quoter.py'?"
    assert "folder of the configuration" in mistake("none/quoter.py:Quoter", tmp_path)[1]
    problem, hint = mistake("no_such_package.quoter:Quoter")
    assert problem == "there is no module 'no_such_package.quoter'"
    assert "'no_such_package' installed" in hint


def test_a_missing_class_is_named_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "quoter.py").write_text(GOOD)
    problem, hint = mistake("quoter.py:Qouter", tmp_path)
    assert problem == f"{(tmp_path / 'quoter.py').resolve()} has no 'Qouter'"
    assert hint == "did you mean 'Quoter'?"
    assert mistake("quoter.py:Elephant", tmp_path)[1] == "it has Quoter"
    assert mistake(f"{__name__}:Twpa") == (f"module '{__name__}' has no 'Twpa'", "did you mean 'Twap'?")


def test_a_plugin_that_raises_on_import_is_named_with_its_own_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\n\ny = x / 0\n")
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    (tmp_path / "syntax.py").write_text("x = 1\ndef broken(:\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    bad = (tmp_path / "bad.py").resolve()
    assert mistake("bad.py:Quoter", tmp_path)[0] == f"{bad} raised ZeroDivisionError: division by zero, at {bad}:3"
    assert mistake("bad.py:Quoter", tmp_path)[0].endswith(f"{bad}:3")  # not half imported
    assert mistake("needs.py:Quoter", tmp_path)[0].endswith("needs.py:1")
    assert mistake("syntax.py:Quoter", tmp_path)[0].endswith("syntax.py:2")
    assert "raised SystemExit" in mistake("leaves.py:Quoter", tmp_path)[0]


def test_what_is_no_plugin_is_named_with_what_it_is() -> None:
    assert mistake(f"{__name__}:ConfigError") == (
        f"'{__name__}:ConfigError' is a subclass of DogwatchError and not of Plan",
        "write: class ConfigError(Plan)",
    )
    assert mistake(f"{__name__}:GOOD")[0] == f"'{__name__}:GOOD' is no class but a str"


def test_a_class_that_leaves_out_what_its_base_asks_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        "from abc import ABC, abstractmethod\n"
        "from tests.runtime.test_plugins import Plan\n"
        "class Half(Plan, ABC):\n"
        "    @abstractmethod\n"
        "    def size(self): ...\n"
    )
    assert mistake("half.py:Half", tmp_path)[0] == "'half.py:Half' leaves out what Plan asks for: size"


@pytest.mark.parametrize("use", ["", "quoter.py:", ":Quoter", "quoter.py:not a name"])
def test_words_that_name_nothing_are_refused_with_the_three_ways(use: str) -> None:
    assert "path/to/file.py:Class" in mistake(use)[1]
