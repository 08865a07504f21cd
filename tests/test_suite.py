"""The suite itself: a test that should fail does."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.conftest import failing_when_cancelled


async def cancellation() -> BaseException:
    """One whose scope is over, as code lets it out that keeps exceptions and raises them later."""
    kept: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            kept.append(error)
    return kept[0]


async def leak_one() -> None:
    raise await cancellation()


async def leak_a_group() -> None:
    raise BaseExceptionGroup("from a nursery", [await cancellation(), await cancellation()])


async def fail_beside_a_cancellation() -> None:
    raise BaseExceptionGroup("from a nursery", [await cancellation(), KeyError("mine")])


@pytest.mark.parametrize("leak", [leak_one, leak_a_group])
def test_a_cancellation_that_comes_out_of_its_scope_fails_the_test(leak: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(AssertionError, match="a cancellation came out of the scope that it belongs to"):
        trio.run(failing_when_cancelled(leak))


def test_a_failure_beside_a_cancellation_stays_as_it_is() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(failing_when_cancelled(fail_beside_a_cancellation))
    assert caught.group_contains(KeyError, match="mine")


def test_a_test_that_is_cancelled_from_outside_is_left_alone() -> None:
    async def cancelled_from_outside() -> bool:
        with trio.CancelScope() as scope:
            scope.cancel()
            await failing_when_cancelled(trio.sleep_forever)()
        return scope.cancelled_caught

    assert trio.run(cancelled_from_outside)
