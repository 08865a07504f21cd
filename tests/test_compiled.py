"""What may be on the list of the compiled build: modules of plain classes and functions that never wait."""

import ast
import os
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPILED: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dogwatch"][
    "compiled"
]
INTERPRETED_BASES = {"Struct", "Actor", "Strategy", "Speaker"}
"""A struct would lose its options, and handlers are found by annotations, which machine code has none of."""


def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / f"{module}.py").read_text(encoding="utf-8"))


def bases(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases)


def classes(tree: ast.Module) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def every_module() -> list[str]:
    found = (
        path.relative_to(ROOT).with_suffix("").as_posix()
        for room in ("runtime", "actors")
        for path in (ROOT / room).rglob("*.py")
    )
    return sorted(found)


def test_the_list_is_sorted_and_has_each_module_once() -> None:
    assert sorted(set(COMPILED)) == COMPILED


@pytest.mark.parametrize("module", COMPILED)
def test_a_compiled_module_never_waits(module: str) -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)
    assert not [node for node in ast.walk(tree_of(module)) if isinstance(node, waiting)]


@pytest.mark.parametrize("module", COMPILED)
def test_a_compiled_module_has_no_structs_and_no_actors(module: str) -> None:
    assert not INTERPRETED_BASES & set(bases(tree_of(module)))


@pytest.mark.parametrize("module", COMPILED)
def test_a_compiled_class_has_no_place_for_weak_references(module: str) -> None:
    assert "__weakref__" not in (ROOT / f"{module}.py").read_text(encoding="utf-8")


def test_no_interpreted_class_derives_from_a_compiled_one() -> None:
    compiled = set().union(*(classes(tree_of(module)) for module in COMPILED))
    wrong = {
        module: derived
        for module in every_module()
        if module not in COMPILED and (derived := compiled & set(bases(tree_of(module))))
    }
    assert wrong == {}


@pytest.mark.skipif(os.environ.get("DOGWATCH_COMPILED") != "1", reason="these are the sources")
def test_in_the_compiled_build_each_of_them_is_machine_code() -> None:
    files = {module: import_module(f"dogwatch.{module.replace('/', '.')}").__file__ or "" for module in COMPILED}
    assert not [module for module, file in files.items() if file.endswith(".py")]
