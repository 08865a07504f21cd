"""The collector's settings belong to a run, and to nobody after it."""

import gc
import weakref

from dogwatch.runtime.garbage import ALLOCATIONS, settled_garbage


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_stands_is_left_alone_and_what_comes_later_is_still_collected() -> None:
    before = gc.get_threshold()
    with settled_garbage():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (ALLOCATIONS, *before[1:])
        knot = weakref.ref(Knot())
        gc.collect()
        assert knot() is None


def test_the_end_leaves_the_collector_as_it_was_whatever_ends_it() -> None:
    before = gc.get_threshold()
    knots = []
    try:
        with settled_garbage():
            knots.append(weakref.ref(Knot()))
            raise KeyError
    except KeyError:
        pass
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert knots[0]() is None
