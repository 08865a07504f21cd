"""The interpreter's settings belong to a run, and to nobody after it."""

import gc
import sys
import weakref

from dogwatch.runtime.interpreter import ALLOCATIONS, SWITCH_WITHIN_S, settled_interpreter


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_stands_is_left_alone_and_what_comes_later_is_still_collected() -> None:
    before = gc.get_threshold()
    with settled_interpreter():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (ALLOCATIONS, *before[1:])
        knot = weakref.ref(Knot())
        gc.collect()
        assert knot() is None


def test_other_threads_soon_let_the_loop_go_on() -> None:
    with settled_interpreter():
        assert abs(sys.getswitchinterval() - SWITCH_WITHIN_S) < 1e-5


def test_the_end_leaves_the_interpreter_as_it_was_whatever_ends_it() -> None:
    before, interval_s = gc.get_threshold(), sys.getswitchinterval()
    knots = []
    try:
        with settled_interpreter():
            knots.append(weakref.ref(Knot()))
            raise KeyError
    except KeyError:
        pass
    assert gc.get_threshold() == before
    assert sys.getswitchinterval() == interval_s
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert knots[0]() is None
