"""One handler of messages, as who runs it sees it. How they are found is in handlers.py."""

import inspect
from collections.abc import Callable
from typing import Any


class Handler:
    """One handler method: the plain function, whether it takes the reply into its own hands, and whether it can wait.

    `is_async` is found once, also behind a decorator that uses functools.wraps; a function that gives a coroutine and
    cannot be told from a plain one is found out by its first result, in each life and for each type of message anew.
    """

    __slots__ = ("function", "is_async", "name", "wants_reply")

    def __init__(self, function: Callable[..., Any], *, wants_reply: bool) -> None:
        self.function = function
        self.name = function.__name__
        self.wants_reply = wants_reply
        self.is_async = any(map(inspect.iscoroutinefunction, (function, inspect.unwrap(function))))

    def __repr__(self) -> str:
        return f"<Handler {self.function.__qualname__}>"
