"""Which voice a strategy class speaks is known when the class is made, and a mistake says what to write instead."""

import pytest

from dogwatch.actors.voices import handlers_of


class Tick:
    pass


class Tock:
    pass


class Other:
    pass


EVENTS = (Tick, Tock)


class Base:
    _is_vocabulary = True

    async def run(self) -> None: ...

    async def on_start(self) -> None: ...

    async def on_stop(self) -> None: ...


def test_a_class_without_handlers_speaks_sequentially() -> None:
    class Sequential(Base):
        async def run(self) -> None: ...

    assert handlers_of(Sequential, events=EVENTS) == {}


def test_handlers_are_found_by_the_annotation_and_not_by_the_name() -> None:
    class Handling(Base):
        def on_anything(self, event: Tick) -> None: ...

        async def on_more(self, event: Tock) -> None: ...

    table = handlers_of(Handling, events=EVENTS)
    assert table == {Tick: Handling.on_anything, Tock: Handling.on_more}


def test_one_handler_may_take_several_events() -> None:
    class Handling(Base):
        def on_both(self, event: Tick | Tock) -> None: ...

    assert set(handlers_of(Handling, events=EVENTS)) == {Tick, Tock}


def test_handlers_are_inherited_and_may_be_overridden() -> None:
    class Parent(Base):
        def on_tick(self, event: Tick) -> None: ...

    class Child(Parent):
        def on_tick(self, event: Tick) -> None: ...

    assert handlers_of(Child, events=EVENTS) == {Tick: Child.on_tick}


def test_two_voices_are_refused_with_the_way_out() -> None:
    class Both(Base):
        async def run(self) -> None: ...

        def on_tick(self, event: Tick) -> None: ...

    with pytest.raises(TypeError, match=r"Both speaks with two voices.*run\(\) and on_tick.*drop run\(\)"):
        handlers_of(Both, events=EVENTS)


def test_an_inherited_run_counts_as_a_voice() -> None:
    class Parent(Base):
        async def run(self) -> None: ...

    class Child(Parent):
        def on_tick(self, event: Tick) -> None: ...

    with pytest.raises(TypeError, match="two voices"):
        handlers_of(Child, events=EVENTS)


def test_two_handlers_for_one_event_are_refused() -> None:
    class Twice(Base):
        def on_one(self, event: Tick) -> None: ...

        def on_two(self, event: Tick) -> None: ...

    with pytest.raises(TypeError, match=r"Twice.on_two and Twice.on_one both handle Tick"):
        handlers_of(Twice, events=EVENTS)


def test_a_handler_without_annotation_is_told_which_events_there_are() -> None:
    class Bare(Base):
        def on_tick(self, event):  # type: ignore[no-untyped-def]  # the mistake under test
            ...

    with pytest.raises(TypeError, match="annotate 'event' with the event it handles: Tick, Tock"):
        handlers_of(Bare, events=EVENTS)


def test_an_annotation_that_is_no_event_is_refused() -> None:
    class Wrong(Base):
        def on_other(self, event: Other) -> None: ...

    with pytest.raises(TypeError, match="handles Other, which is no event of a strategy: use Tick, Tock"):
        handlers_of(Wrong, events=EVENTS)


def test_an_annotation_that_cannot_be_resolved_is_refused() -> None:
    class Unresolved(Base):
        def on_tick(self, event: "Missing") -> None:  # type: ignore[name-defined]  # noqa: F821  # the mistake under test
            ...

    with pytest.raises(TypeError, match="'event' cannot be resolved: name 'Missing' is not defined"):
        handlers_of(Unresolved, events=EVENTS)


def test_a_handler_takes_exactly_one_event() -> None:
    class Greedy(Base):
        def on_tick(self, event: Tick, more: int) -> None: ...

    with pytest.raises(TypeError, match="must take exactly one event"):
        handlers_of(Greedy, events=EVENTS)
