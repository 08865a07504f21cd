"""The table of handlers: found by annotation, mistakes found when the class is made."""

from collections.abc import Callable
from typing import Any

import pytest

from dogwatch.runtime import Actor, Query, Reply
from dogwatch.runtime.handlers import find_handler, handlers_of
from tests.runtime.crew import Double, Note


class Animal:
    pass


class Dog(Animal):
    pass


def test_a_handler_is_found_by_the_annotation_of_its_first_parameter() -> None:
    class Clerk(Actor):
        def on_note(self, message: Note) -> None: ...

    assert {kind: handler.name for kind, handler in Clerk.handlers.items()} == {Note: "on_note"}


def test_a_union_is_handled_part_by_part() -> None:
    class Clerk(Actor):
        def on_either(self, message: Note | Dog) -> None: ...

    assert set(Clerk.handlers) == {Note, Dog}


def test_an_annotation_written_as_text_is_understood() -> None:
    class Clerk(Actor):
        def on_note(self, message: "Note") -> None: ...

    assert set(Clerk.handlers) == {Note}


def test_the_handler_of_the_nearest_base_class_counts() -> None:
    class Keeper(Actor):
        def on_any(self, message: object) -> None: ...
        def on_animal(self, message: Animal) -> None: ...

    found = find_handler(Keeper.handlers, Dog)
    assert found is not None
    assert found.name == "on_animal"


def test_a_subclass_replaces_a_handler_by_its_name() -> None:
    class Clerk(Actor):
        def on_note(self, message: Note) -> None: ...

    class Better(Clerk):
        def on_note(self, message: Note) -> None: ...

    assert Better.handlers[Note].function is Better.on_note
    assert Clerk.handlers[Note].function is Clerk.on_note


def test_life_hooks_are_no_handlers() -> None:
    class Clerk(Actor):
        async def on_start(self) -> None: ...
        async def on_stop(self) -> None: ...

    assert Clerk.handlers == {}


def test_a_handler_with_a_reply_parameter_answers_by_itself() -> None:
    class Clerk(Actor):
        def on_double(self, message: Double, reply: Reply[int]) -> None: ...

    assert Clerk.handlers[Double].wants_reply


def test_any_class_can_have_a_table() -> None:
    class Plain:
        def on_note(self, message: Note) -> None: ...

    assert set(handlers_of(Plain)) == {Note}


def two_for_one_type() -> type:
    class Clerk(Actor):
        def on_first(self, message: Note) -> None: ...
        def on_second(self, message: Note) -> None: ...

    return Clerk


def no_message() -> type:
    class Clerk(Actor):
        def on_connected(self) -> None: ...

    return Clerk


def wrong_second_parameter() -> type:
    class Clerk(Actor):
        def on_note(self, message: Note, other: int) -> None: ...

    return Clerk


def no_annotation() -> type:
    def on_note(self: Any, message) -> None: ...  # type: ignore[no-untyped-def]  # the mistake under test

    return type("Clerk", (Actor,), {"on_note": on_note})


def no_type() -> type:
    class Clerk(Actor):
        def on_note(self, message: 3) -> None: ...  # type: ignore[valid-type]  # pyright: ignore  # under test

    return Clerk


def unknown_name() -> type:
    class Clerk(Actor):
        def on_note(self, message: "Unheard") -> None: ...  # type: ignore[name-defined]  # pyright: ignore  # noqa: F821

    return Clerk


def static_method() -> type:
    class Clerk(Actor):
        @staticmethod
        def on_note(message: Note) -> None: ...

    return Clerk


def answer_forgotten() -> type:
    class Clerk(Actor):
        def on_double(self, message: Double) -> None: ...

    return Clerk


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_for_one_type, r"Clerk has two handlers for Note: on_first and on_second"),
        (no_message, r"Clerk\.on_connected must be written as on_connected\(self, message: Type\)"),
        (wrong_second_parameter, r"Clerk\.on_note must be written as"),
        (no_annotation, r"Clerk\.on_note: annotate 'message'"),
        (no_type, r"Clerk\.on_note: 3 is not a type of message"),
        (unknown_name, r"Clerk\.on_note: name 'Unheard' is not defined; define the message before"),
        (static_method, r"Clerk\.on_note must be a plain method"),
        (answer_forgotten, r"Clerk\.on_double answers Double with None, which promises int"),
    ],
)
def test_a_mistake_in_a_handler_is_found_when_the_class_is_made(make: Callable[[], type], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make()


class Done(Query[None], frozen=True, kw_only=True):
    """Asks only to hear that it is done."""


def test_a_query_that_promises_nothing_may_be_answered_with_none() -> None:
    class Clerk(Actor):
        def on_done(self, message: Done) -> None: ...

    assert set(Clerk.handlers) == {Done}
