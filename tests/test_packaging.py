"""The distribution ships what the folders hold, under the import names that users write."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def folders_with_code() -> set[str]:
    found = {"dogwatch"}
    for room in ("actors", "runtime"):
        for init in (ROOT / room).rglob("__init__.py"):
            found.add(".".join(("dogwatch", *init.parent.relative_to(ROOT).parts)))
    return found


def test_every_package_folder_is_listed_in_pyproject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings["tool"]["setuptools"]["packages"]) == folders_with_code()


@pytest.mark.parametrize("room", ["actors", "runtime"])
def test_the_rooms_are_links_beside_the_import_name(room: str) -> None:
    link = ROOT / "dogwatch" / room
    assert link.is_symlink()
    assert link.resolve() == ROOT / room


@pytest.mark.parametrize("room", ["actors", "runtime"])
def test_a_room_under_its_bare_name_says_how_to_import_it(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    with pytest.raises(ImportError, match=rf"import 'dogwatch\.{room}'"):
        import_module(room)
