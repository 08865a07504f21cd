"""The cyclic garbage collector of a process that runs for months: seldom, and never over what stays anyway."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 10_000
"""So many new containers more than have gone, instead of 700, before the collector looks at the young ones."""


@contextmanager
def settled_garbage() -> Iterator[None]:
    """Within the block, what stands at its beginning is no longer looked at for garbage, and young objects seldom.

    For a process of one's own, once it is built up: it changes the collector of the whole process, and what stands now
    and becomes part of a cycle that nobody holds is kept until the end of the block. Nothing else is: what comes later
    is collected as ever.
    """
    before = gc.get_threshold()
    gc.collect()
    # A full collection looks at 60,000 objects of modules and classes, and nothing else runs for 28 ms; frozen, they
    # cost nothing. The higher threshold spares each order 1.3 µs.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
