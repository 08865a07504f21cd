"""What one life does with its messages: finds their handlers, runs them, owes answers and gives them. It never waits:
where a handler has to be waited for, and for further messages, that is in life.py.
"""

import math
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, TypeAlias

from dogwatch.runtime.errors import ActorCrashed, ActorStopped
from dogwatch.runtime.handler import Handler
from dogwatch.runtime.handlers import find_handler
from dogwatch.runtime.mailbox import NOBODY, Mailbox
from dogwatch.runtime.reply import Reply

Begun: TypeAlias = Coroutine[Any, Any, Any]
"""A handler that has to be waited for."""

TURN_MAX = 128
"""So many messages are handled without a checkpoint: enough to make it cheap, few enough to be fair."""


class Reception:
    """Hands the messages of `mailbox` to one actor. `crash` and `kill` are its life's."""

    def __init__(self, mailbox: Mailbox, *, crash: Callable[[Exception], None], kill: Callable[[], None]) -> None:
        self.mailbox = mailbox
        self.direct: dict[type, Handler] = NOBODY
        """What is handled on the sender's step while this life waits."""
        self.is_leaving = False
        """No further message is handled: a stop was requested, or the life has crashed."""
        self.begun: Begun | None = None
        """What looked like a plain function, on a sender's step, and gave this: to be waited for before all else."""
        self._begun_reply: Reply[Any] | None = None
        self._crash = crash
        self._kill = kill
        self._actor: object = None
        self._handlers: dict[type, Handler] = {}
        self._left = TURN_MAX  # so many messages until others are to run
        self._open_replies: dict[Reply[Any], None] = {}  # in the order of asking

    def introduce(self, actor: object, handlers: dict[type, Handler]) -> None:
        """The actor is made."""
        self._actor = actor
        self._handlers = handlers
        if any(lane.is_direct for lane in self.mailbox.lanes):
            self.direct = self._find_direct()

    def leave(self) -> None:
        """Handle no further message."""
        self.is_leaving = True
        self.mailbox.dismiss()

    def open(self) -> None:
        """From now on receive what comes while nothing is being handled."""
        self._left = TURN_MAX
        self.mailbox.attend(self.direct, self)

    def serve(self) -> Begun | None:
        """Handle what waits, until nothing waits or others are to run, or up to a handler that has to be waited for:
        its result then goes to `finish`."""
        mailbox = self.mailbox
        while self._left > 0 and not self.is_leaving:
            entry = mailbox.take()
            if entry is None:
                break
            message, reply, _ = entry
            if reply is not None:
                self._owe(reply)
            handler = self._handlers.get(type(message)) or self._find(message)
            self._left -= 1
            if handler.wants_reply:
                result = handler.function(self._actor, message, reply or Reply(mailbox, math.inf))
                reply = None
            else:
                result = handler.function(self._actor, message)
            if type(result) is CoroutineType:
                self._begun_reply = reply
                begun: Begun = result
                return begun
            if reply is not None:
                reply.send(result)
        return None

    def finish(self, result: object) -> None:
        """What was waited for last has given this."""
        self.begun = None
        reply, self._begun_reply = self._begun_reply, None
        if reply is not None:
            reply.send(result)

    def take_turn(self) -> None:
        """Others have run."""
        self._left = TURN_MAX

    @property
    def is_turn_over(self) -> bool:
        """Whether others are to run before the next message."""
        return self._left == 0

    def receive(self, handler: Handler, message: Any, reply: Reply[Any] | None) -> None:
        """Handle a message on its sender's step. Raises no Exception."""
        try:
            if handler.wants_reply:
                result = handler.function(self._actor, message, reply or Reply(self.mailbox, math.inf))
            else:
                result = handler.function(self._actor, message)
            if type(result) is CoroutineType:
                self._go_on_with(result, type(message), None if handler.wants_reply else reply)
            elif reply is not None and not handler.wants_reply:
                reply.send(result)
        except Exception as error:  # noqa: BLE001 - the actor's failure is not the sender's
            self._crash(error)
        except BaseException:
            self._kill()  # torn out of its work, as the sender is
            raise
        finally:
            if reply is not None and not reply.done:
                self._owe(reply)

    def end(self, path: str, error: Exception | None) -> None:
        """The life is over: whoever waits for an answer is told, and of what it has died."""
        if self.begun is not None:
            self.begun.close()
        for reply in tuple(self._open_replies):
            if error is not None:
                reply.fail(ActorCrashed(path, error))
            else:
                reply.fail(ActorStopped(f"{path} ended before it answered"))

    def _owe(self, reply: Reply[Any]) -> None:
        """From here on this life owes the answer: if it ends, the asker is told at once."""
        reply.holder = self._open_replies
        self._open_replies[reply] = None

    def _go_on_with(self, begun: Begun, kind: type, reply: Reply[Any] | None) -> None:
        """The life's task goes on with it. Further messages of that kind are queued in this life."""
        self.direct.pop(kind, None)
        self.begun, self._begun_reply = begun, reply
        self.mailbox.wake()

    def _find(self, message: Any) -> Handler:
        handler = find_handler(self._handlers, type(message))
        if handler is None:
            kind = type(message).__name__
            raise TypeError(f"{self.mailbox.path} has no handler for {kind}: write on_…(self, message: {kind})")
        if self.direct and self._is_direct(type(message), handler):
            self.direct[type(message)] = handler
        return handler

    def _find_direct(self) -> dict[type, Handler]:
        handlers = self._handlers
        kinds = {*handlers, *(kind for lane in self.mailbox.lanes if lane.is_direct for kind in lane.accepts)}
        found = ((kind, find_handler(handlers, kind)) for kind in kinds)
        return {kind: handler for kind, handler in found if handler is not None and self._is_direct(kind, handler)}

    def _is_direct(self, kind: type, handler: Handler) -> bool:
        if handler.is_async:
            return False
        try:
            return self.mailbox.lane_of(kind).is_direct
        except TypeError:  # a type that others are derived from, and that no lane accepts by itself
            return False
