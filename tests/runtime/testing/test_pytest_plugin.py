import subprocess
import sys

import pytest
import trio
from trio.testing import MockClock

from dogwatch.runtime.testing.network import MemoryNetwork

pytest_plugins = ["pytester"]


async def test_a_test_with_the_virtual_clock_runs_in_virtual_time(virtual_clock: MockClock) -> None:
    await trio.sleep(86_400)
    assert virtual_clock.current_time() == trio.current_time() == 86_400


@pytest.fixture
def exchange(virtual_clock: MockClock, network: MemoryNetwork) -> MemoryNetwork:
    return network


async def test_a_fixture_that_needs_virtual_time_brings_it_along(exchange: MemoryNetwork) -> None:
    exchange.listen("exchange", 443)
    await exchange.connect("exchange", 443)
    await trio.sleep(86_400)
    assert trio.current_time() == 86_400


def test_the_virtual_clock_can_be_used_by_a_test_that_is_not_async(virtual_clock: MockClock) -> None:
    assert virtual_clock.current_time() == 0


ORDER = """
    import trio

    async def test_order(virtual_clock, seed):
        order = []

        async def append(number):
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(append, number)
        raise AssertionError(f"order {order}")
"""


def order_in(pytester: pytest.Pytester, *options: str) -> str:
    pytester.makeini("[pytest]\ntrio_mode = true\nasyncio_default_fixture_loop_scope = function\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)
    result.assert_outcomes(failed=1)
    return next(line for line in result.outlines if "order [" in line)


def test_the_seed_decides_the_order_and_is_printed_when_a_test_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(ORDER)
    monkeypatch.delenv("DOGWATCH_SEED", raising=False)
    first = order_in(pytester)
    assert order_in(pytester, "--dogwatch-seed=0") == first
    seven = order_in(pytester, "--dogwatch-seed=7")
    assert seven != first
    monkeypatch.setenv("DOGWATCH_SEED", "7")
    assert order_in(pytester) == seven
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*repeat with --dogwatch-seed=7*"])


def test_a_seed_that_is_no_number_is_refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile("def test_seed(seed): pass")
    monkeypatch.setenv("DOGWATCH_SEED", "seven")
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*DOGWATCH_SEED must be a whole number, not 'seven'*"])


def test_loading_the_plugin_adds_nothing_to_what_the_package_loads_anyway() -> None:
    script = (
        "import sys; import dogwatch.runtime.testing; before = set(sys.modules);"
        "import dogwatch.runtime.testing.pytest_plugin; added = set(sys.modules) - before;"
        "print(sorted(name for name in added if name.partition('.')[0] in "
        "{'hypothesis', 'structlog', 'nacl', 'trio_websocket', 'wsproto'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert loaded.strip() == "[]"
