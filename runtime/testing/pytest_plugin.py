"""Pytest fixtures for strategies and actors: loaded by itself wherever dogwatch is installed.

It is imported by every pytest run in the environment, so what is heavy is imported where it is used. Async tests are
run by pytest-trio; one that uses `virtual_clock`, directly or through another fixture, runs in virtual time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from trio.testing import MockClock

    from dogwatch.runtime.testing.network import MemoryNetwork

SEED_OPTION = "--dogwatch-seed"
SEED_VARIABLE = "DOGWATCH_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("dogwatch").addoption(
        SEED_OPTION,
        type=int,
        default=None,
        metavar="N",
        help=f"seed of tests that use the fixtures `seed` or `virtual_clock` (default: ${SEED_VARIABLE}, or 0)",
    )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Decides the order of tasks and whatever the test derives from it; a failing test says which it was."""
    return chosen_seed(request.config)


@pytest.fixture
def virtual_clock(seed: int) -> Iterator[MockClock]:
    """The test runs in virtual time from 0 s, its tasks scheduled as `seed` decides."""
    from dogwatch.runtime.testing import virtual_time
    from dogwatch.runtime.testing.scheduler import seeded_scheduling

    with seeded_scheduling(seed):
        yield virtual_time.virtual_clock()


@pytest.fixture
def network() -> MemoryNetwork:
    """Hosts and ports that exist in this test only."""
    from dogwatch.runtime.testing.network import MemoryNetwork

    return MemoryNetwork()


def chosen_seed(config: pytest.Config) -> int:
    """The option, else the environment variable, else 0. Raises pytest.UsageError when it is no whole number."""
    option: int | None = config.getoption(SEED_OPTION)
    if option is not None:
        return option
    text = os.environ.get(SEED_VARIABLE, "0")
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"{SEED_VARIABLE} must be a whole number, not {text!r}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("trio"):
        return
    for item in items:
        if iscoroutinefunction(getattr(item, "obj", None)) and "virtual_clock" in getattr(item, "fixturenames", ()):
            # pytest-trio takes the nearest mark's runner, and sees only the clocks that the test itself names.
            item.add_marker(pytest.mark.trio(run=partial(_run_with_virtual_clock, item)), append=False)


def _run_with_virtual_clock(item: pytest.Item, async_fn: Callable[[], Any], **options: Any) -> Any:
    import trio

    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    return trio.run(async_fn, **{**options, "clock": fixtures["virtual_clock"]})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    used: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "seed" in used:
        report.sections.append(("dogwatch", f"seed {used['seed']}: repeat with {SEED_OPTION}={used['seed']}"))
    return report
