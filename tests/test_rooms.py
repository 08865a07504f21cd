"""The house rules that a machine can check: who may import whom, and how large a file or a function may grow."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
ROOMS = ("actors", "runtime", "dogwatch", "tests", "examples", "benchmarks")

SPOT_FORBIDDEN = {
    "trio",
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "trio_websocket",
    "wsproto",
    "structlog",
    "sqlite3",
}
CRYPTOGRAPHERS = {
    "ed25519_key.py": {"nacl"},
    "rsa_key.py": {"cryptography"},
    "foreign_keys.py": {"cryptography"},
}
TRIO_WEBSOCKET_FILES = {"actors/upgrade.py", "actors/paper/server.py"}


def python_files(*rooms: str) -> list[Path]:
    """Each file once: the links below dogwatch/ lead to files that are listed in their own room. Without the
    environment that `make bench` makes."""
    return [
        path
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(("dogwatch/actors", "dogwatch/runtime"))
        if ".venv-peers" not in path.parts
    ]


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def roots(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported_modules(path)}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", python_files("runtime"), ids=name_of)
def test_the_runtime_knows_nothing_of_exchanges(path: Path) -> None:
    assert not [module for module in imported_modules(path) if module.startswith("dogwatch.actors")]
    assert not roots(path) & {"trio_websocket", "wsproto", "nacl"}


@pytest.mark.parametrize("path", python_files("actors/spot"), ids=name_of)
def test_spot_is_pure(path: Path) -> None:
    forbidden = SPOT_FORBIDDEN | {"nacl", "cryptography"} - CRYPTOGRAPHERS.get(path.name, set())
    assert not roots(path) & forbidden
    inside = [module for module in imported_modules(path) if module.startswith("dogwatch.")]
    assert all(module.startswith(("dogwatch.actors.spot", "dogwatch.runtime.errors")) for module in inside)


@pytest.mark.parametrize("path", python_files("actors/paper"), ids=name_of)
def test_the_paper_exchange_shares_no_order_logic_with_the_client(path: Path) -> None:
    allowed = ("dogwatch.actors.paper", "dogwatch.runtime")
    inside = [module for module in imported_modules(path) if module.startswith("dogwatch.")]
    assert all(module.startswith(allowed) for module in inside)


@pytest.mark.parametrize("path", python_files("actors", "runtime"), ids=name_of)
def test_only_the_upgrade_and_the_paper_server_know_trio_websocket(path: Path) -> None:
    if name_of(path) not in TRIO_WEBSOCKET_FILES:
        assert "trio_websocket" not in roots(path)


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=name_of)
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{name_of(path)}:{node.lineno} {node.name} has {lines} lines"
