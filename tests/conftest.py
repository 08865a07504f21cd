"""Settings of the whole suite."""

import functools
import math
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, settings

# A busy machine must not fail a property by being slow; a failure prints how to run it again.
settings.register_profile("dogwatch", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dogwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.obj = failing_when_cancelled(item.obj)


def failing_when_cancelled(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """A cancellation that leaks out of its scope ends a test; pytest-trio takes it for one of its own, and passes."""

    @functools.wraps(test)
    async def guarded(**fixtures: Any) -> None:
        try:
            await test(**fixtures)
        except (trio.Cancelled, BaseExceptionGroup) as error:
            is_cancellation = isinstance(error, trio.Cancelled) or error.split(trio.Cancelled)[1] is None
            if is_cancellation and trio.current_effective_deadline() > -math.inf:
                raise AssertionError("a cancellation came out of the scope that it belongs to") from error
            raise

    return guarded
