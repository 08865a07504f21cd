"""The plugins are loaded by every pytest in the environment: without pytest-trio they must do no harm."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

WITHOUT_TRIO = """
import sys
sys.modules["pytest_trio"] = None  # as if it were not installed
import pytest
sys.exit(pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider"]))
"""
OUR_PLUGINS = "dogwatch.runtime.testing.pytest_plugin,dogwatch.actors.testing.pytest_plugin"


def test_without_pytest_trio_others_tests_run_and_ours_say_what_is_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", OUR_PLUGINS)
    pytester.makepyfile("def test_of_somebody_else(): pass\n\n\ndef test_of_a_strategy(exchange, start): pass\n")
    command = [sys.executable, "-c", WITHOUT_TRIO]
    shown = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert "1 passed, 1 error" in shown.stdout, shown.stderr
    assert "the fixture 'exchange' needs pytest-trio: pip install pytest-trio" in shown.stdout
