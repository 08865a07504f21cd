"""A seeded order of tasks: the one place that touches Trio's private switch for deterministic scheduling.

Trio runs the tasks of one pass in random order. With the switch on it sorts them first and shuffles them with its own
generator, so a seed decides the order. Both are private, hence the check, and hence nothing else may use them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import trio
import trio._core._run as run_loop

SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
GENERATOR = "_r"


@contextmanager
def seeded_scheduling(seed: int) -> Iterator[None]:
    """Within the block, every `trio.run` schedules its tasks in the order that `seed` decides.

    The switch and the generator are process-wide: they are put back at the end, and two threads must not be inside at
    the same time. Raises RuntimeError when the installed Trio does not offer the switch.
    """
    names = vars(run_loop)
    generator = _generator(names)
    switch_before, state_before = names[SWITCH], generator.getstate()
    names[SWITCH] = True
    generator.seed(seed)
    try:
        yield
    finally:
        names[SWITCH] = switch_before
        generator.setstate(state_before)


def _generator(names: dict[str, object]) -> Random:
    generator = names.get(GENERATOR)
    if isinstance(names.get(SWITCH), bool) and isinstance(generator, Random):
        return generator
    raise RuntimeError(
        f"trio {trio.__version__} has no {SWITCH} and {GENERATOR} in {run_loop.__name__}: "
        "seeded scheduling needs a trio that has them (0.34 and 0.35 do)"
    )
