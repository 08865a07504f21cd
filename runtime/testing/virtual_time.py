"""Virtual time: days pass in seconds, because the clock jumps to the next deadline whenever every task waits.

Nothing here may wait for the outside world: sockets, worker threads and subprocesses take real time, and the clock does
not wait for them. `network.py` and synchronous writers exist for that reason.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import trio
from trio.abc import Instrument

from dogwatch.runtime.testing.scheduler import seeded_scheduling

if TYPE_CHECKING:
    from trio.testing import MockClock

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


def virtual_clock() -> "MockClock":
    """A Trio clock that starts at 0 s and jumps to the next deadline as soon as nothing else can happen.

    Raises nothing. A run in which every task waits without a deadline waits for ever, as it would in real time.
    """
    from trio.testing import MockClock  # it loads pytest where that is installed: 8 MiB that a run in real time spares

    return MockClock(autojump_threshold=0)


def run_virtual(
    async_fn: Callable[[*Arguments], Awaitable[Result]],
    *args: *Arguments,
    seed: int = 0,
    instruments: Sequence[Instrument] = (),
) -> Result:
    """`trio.run` in virtual time, with tasks scheduled in the order that `seed` decides.

    The same seed gives the same run, provided that the code takes its randomness from the seed too. Wall time comes
    from `Clock.virtual()`, made inside of the run.
    """
    with seeded_scheduling(seed):
        return trio.run(async_fn, *args, clock=virtual_clock(), instruments=instruments)
