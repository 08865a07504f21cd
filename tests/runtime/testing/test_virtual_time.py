from contextvars import ContextVar

import pytest
import trio

from dogwatch.runtime.clock import Clock
from dogwatch.runtime.testing.virtual_time import run_virtual


def test_a_virtual_day_ends_at_exactly_its_last_second() -> None:
    async def sleep_every_second() -> tuple[float, int]:
        clock = Clock.virtual(start_unix_ms=1_000)
        for _ in range(86_400):
            await trio.sleep(1)
        return clock.now_s(), clock.unix_ms()

    assert run_virtual(sleep_every_second) == (86_400.0, 86_401_000)


def test_the_result_and_the_error_of_the_function_come_back() -> None:
    async def divide(dividend: int, divisor: int) -> float:
        await trio.sleep(1)
        return dividend / divisor

    assert run_virtual(divide, 6, 3) == 2
    with pytest.raises(ZeroDivisionError):
        run_virtual(divide, 6, 0)


def test_time_does_not_jump_while_a_task_can_run_or_waits_for_all_others_to_block() -> None:
    async def scenario() -> None:
        with trio.move_on_after(1) as scope:
            for _ in range(10):
                await trio.testing.wait_all_tasks_blocked()
            for _ in range(1000):
                await trio.lowlevel.checkpoint()
        assert not scope.cancel_called
        assert trio.current_time() == 0

    run_virtual(scenario)


def test_a_worker_thread_breaks_virtual_time() -> None:
    """The trap for which simulations use no threads: while one works, every task waits, and the clock jumps."""

    async def scenario() -> float:
        import threading

        released = threading.Event()

        async def release_in_an_hour() -> None:
            await trio.sleep(3600)
            released.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(release_in_an_hour)
            await trio.to_thread.run_sync(released.wait)
        return trio.current_time()

    assert run_virtual(scenario) == 3600


def test_context_variables_come_from_the_spawner_not_from_the_nursery() -> None:
    """The trap for which actors get what they need by constructor."""
    place = ContextVar("place", default="nowhere")

    async def scenario() -> list[str]:
        seen: list[str] = []

        async def look() -> None:
            seen.append(place.get())

        place.set("at the nursery")
        async with trio.open_nursery() as nursery:

            async def spawn() -> None:
                place.set("at the spawner")
                nursery.start_soon(look)

            nursery.start_soon(spawn)
        return seen

    assert run_virtual(scenario) == ["at the spawner"]
