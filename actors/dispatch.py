"""Which of a strategy's handlers gets an event. Bringing events, one at a time, is `strategy_host.py`'s work."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[Any, Any], Any]

LEFT = "the strategy called sys.exit(): to end it, return from run()"


class Dispatch:
    """The handlers of one life of a strategy. What none of them is for by its type goes to `other`."""

    def __init__(self, strategy: object, handlers: Mapping[type, Handler], other: Callable[[object], object]) -> None:
        self.handled = 0
        self._strategy = strategy
        self._handlers = dict(handlers)
        self._other = other

    def give(self, event: object) -> object:
        """Have an event handled. What an `async` handler gives is left to be awaited."""
        handler = self._handlers.get(type(event))
        if handler is None:
            return self._other(event)
        self.handled += 1
        try:
            return handler(self._strategy, event)
        except SystemExit as leaving:  # whoever has told the event would take it for his own end
            raise RuntimeError(LEFT) from leaving
