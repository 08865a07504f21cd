"""The check of a tree before anything starts."""

import math
from typing import Any, ClassVar

import pytest

from dogwatch.runtime import (
    Actor,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Gap,
    Intensity,
    Lane,
    Overflow,
    Overflowed,
    Restart,
    Scope,
    SpecError,
    SupervisorSpec,
    check_spec,
    run_system,
)
from dogwatch.runtime.specs import actor_specs
from tests.runtime.crew import Writer, finisher, tree, writer


def problems_of(spec: SupervisorSpec) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        check_spec(spec)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


class Deaf(Actor):
    """Has lanes that leave markers, and no handler for them."""

    lanes: ClassVar = (Lane("trades", overflow=Overflow.DROP_OLDEST), Lane("depth", overflow=Overflow.CLEAR))


class Listening(Deaf):
    def on_marker(self, message: Gap | Overflowed) -> None: ...


class Unserved(Deaf):
    """Takes its messages in its own way."""

    async def serve(self) -> None: ...


class Misbuilt(Actor):
    lanes: ClassVar = (Lane("a", capacity=0), Lane("a", accepts=()))


class Laneless(Actor):
    lanes: ClassVar = ()


def test_a_sound_tree_passes() -> None:
    check_spec(tree(writer("a"), SupervisorSpec("sub", [writer("a"), ChildSpec("b", Listening)])))


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    spec = SupervisorSpec(
        "root",
        [
            writer("a", start_within_s=0),
            writer("a", stop_within_s=-1, handler_within_s=-3),
            SupervisorSpec("sub", [writer("no name"), writer("b", significant=True)], stop_within_s=-2),
        ],
        scope=Scope.REST_FOR_ONE,
        stops_together=True,
        intensity=Intensity(restarts=-1),
        backoff=Backoff(factor=0),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    assert problems_of(spec) == (
        "root: intensity.restarts must be 0 or more, not -1",
        "root: backoff.factor must be 1 or more, not 0",
        "root: its children stop together, but their scope rest_for_one says that they need each other",
        "root: auto_shutdown is any_significant, but no child is significant: it would never shut down",
        "root/a: start_within_s must be positive, not 0",
        "root/a: there are two children of this name",
        "root/a: stop_within_s must be 0 or more, not -1",
        "root/a: handler_within_s must be 0 or more, not -3",
        "root/sub: stop_within_s must be 0 or more, not -2",
        "root/sub/no name: 'no name' is no legal name: "
        "use letters, digits and _ . : - and begin with a letter or digit",
        "root/sub/b: a significant child cannot be permanent: it would be restarted and never come to its end",
        "root/sub/b: it is significant, but 'sub' has auto_shutdown never",
    )


@pytest.mark.parametrize("name", ["", "a/b", "-a", "ä", "a b", "a\n"])
def test_a_name_that_would_not_stand_in_a_path_is_refused(name: str) -> None:
    assert "is no legal name" in problems_of(tree(writer(name)))[0]


@pytest.mark.parametrize("deadline", [math.nan, -1.0])
def test_a_deadline_that_is_no_time_is_refused(deadline: float) -> None:
    assert len(problems_of(tree(writer("a", start_within_s=deadline, stop_within_s=deadline)))) == 2


def test_a_lane_that_leaves_a_marker_needs_a_handler_for_it() -> None:
    found = problems_of(tree(ChildSpec("deaf", Deaf)))
    assert len(found) == 2
    assert "write on_gap(self, message: Gap)" in found[0]
    assert "write on_overflowed(self, message: Overflowed)" in found[1]


def test_an_actor_that_serves_itself_sees_to_its_markers_itself() -> None:
    check_spec(tree(ChildSpec("unserved", Unserved)))


def test_lanes_that_make_no_sense_are_named() -> None:
    assert problems_of(tree(ChildSpec("a", Misbuilt), ChildSpec("b", Laneless))) == (
        "root/a: lane 'a': capacity must be at least 1, not 0",
        "root/a: lane 'a': accepts no type of message",
        "root/a: lane 'a' is listed twice",
        "root/b: Laneless has no lanes",
    )


def test_one_child_spec_in_two_places_is_a_mistake_for_its_ref_leads_to_one_actor() -> None:
    child = writer("a")
    assert problems_of(tree(child, SupervisorSpec("sub", [child]))) == (
        "root/sub/a: the same ChildSpec stands at root/a too: a ref leads to one actor only",
    )


async def test_a_child_spec_serves_one_system_only() -> None:
    child = writer("a")
    async with run_system(tree(child)):
        pass
    with pytest.raises(SpecError, match="make a new ChildSpec for each system"):
        run_system(tree(child))


async def test_a_tree_with_problems_starts_nothing() -> None:
    diary: list[str] = []
    with pytest.raises(SpecError):
        run_system(tree(writer("a", diary), writer("a", diary)))
    assert diary == []


def test_the_class_of_an_actor_must_be_known() -> None:
    start: Any = lambda: Writer("a")  # noqa: E731 - a factory, as users write it
    with pytest.raises(TypeError, match="child 'a': say which class it starts, as actor="):
        ChildSpec("a", start)


def test_the_actors_of_a_tree_are_listed_in_start_order_with_their_paths() -> None:
    spec = tree(writer("a"), SupervisorSpec("sub", [writer("b")]), writer("c"))
    assert [path for path, _ in actor_specs(spec)] == ["root/a", "root/sub/b", "root/c"]


def test_specs_say_in_one_line_what_they_are() -> None:
    assert repr(writer("a", restart=Restart.TEMPORARY)) == "<ChildSpec a: Writer, temporary>"
    assert repr(tree(writer("a"))) == "<SupervisorSpec root: 1 children, one_for_one>"


def test_a_supervisor_that_shuts_itself_down_must_not_be_permanent_below_another() -> None:
    """Its significant children stay ended: begun anew, it would end at once, until the restarts are exhausted."""
    spec = SupervisorSpec(
        "root", [SupervisorSpec("sub", [finisher("job", significant=True)], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)]
    )
    with pytest.raises(SpecError, match="root/sub: it shuts itself down, but is permanent"):
        check_spec(spec)
