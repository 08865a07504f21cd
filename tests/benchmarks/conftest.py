"""The modules of the benchmarks, which stand in no package."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """By name. They know each other, and nothing else does: names as common as these belong to the benchmarks alone."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    found = {name: import_module(name) for name in ("contestants", "results", "targets", "report", "plot", "run")}
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(BENCHMARKS)):
            del sys.modules[name]
    return found
