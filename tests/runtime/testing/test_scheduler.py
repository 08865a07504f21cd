import pytest
import trio
import trio._core._run as run_loop

from dogwatch.runtime.testing.scheduler import GENERATOR, SWITCH, seeded_scheduling


def order_of_ten_tasks(seed: int) -> list[int]:
    order: list[int] = []

    async def append(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(append, number)

    with seeded_scheduling(seed):
        trio.run(main)
    return order


def test_the_seed_decides_the_order_of_tasks() -> None:
    assert order_of_ten_tasks(1) == order_of_ten_tasks(1)
    assert len({tuple(order_of_ten_tasks(seed)) for seed in range(5)}) == 5


def test_the_switch_and_the_generator_are_put_back_also_after_an_error() -> None:
    switch, state = vars(run_loop)[SWITCH], vars(run_loop)[GENERATOR].getstate()

    def fail_inside() -> None:
        with seeded_scheduling(7):
            assert vars(run_loop)[SWITCH] is True
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert vars(run_loop)[SWITCH] is switch
    assert vars(run_loop)[GENERATOR].getstate() == state


def test_a_trio_without_the_switch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (SWITCH, GENERATOR):
        with monkeypatch.context() as changed:
            changed.delattr(run_loop, name)
            with pytest.raises(RuntimeError, match=f"trio {trio.__version__} has no {SWITCH} and {GENERATOR}"):
                seeded_scheduling(0).__enter__()
