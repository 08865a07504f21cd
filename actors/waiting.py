"""Who waits for what to become known about an order: replies, kept until they are answered or nobody listens."""

from collections.abc import Iterable
from typing import Generic

from dogwatch.runtime.messages import R
from dogwatch.runtime.reply import Reply

PRUNE_ABOVE = 8


class Waiting(Generic[R]):
    """Replies by the name of the order that they wait for."""

    def __init__(self) -> None:
        self._replies: dict[str, list[Reply[R]]] = {}

    def add(self, name: str, reply: Reply[R]) -> bool:
        """Answer `reply` later, through `send` or `fail`. Returns whether somebody else waits already."""
        replies = self._replies.setdefault(name, [])
        if len(replies) >= PRUNE_ABOVE:  # whoever asks again and again with short deadlines leaves done ones behind
            replies[:] = [kept for kept in replies if not kept.done]
        replies.append(reply)
        return len(replies) > 1

    def send(self, name: str, value: R) -> None:
        """Answer all that wait for this order."""
        for reply in self._replies.pop(name, ()):
            if not reply.done:
                reply.send(value)

    def fail(self, name: str, error: Exception) -> None:
        """Refuse all that wait for this order."""
        for reply in self._replies.pop(name, ()):
            if not reply.done:
                reply.fail(error)


class Sweep:
    """Somebody waits for the end of several orders. `reply` is None when the orders are to be ended unattended."""

    def __init__(self, names: Iterable[str], reply: Reply[int] | None) -> None:
        self._remaining = set(names)
        self._count = len(self._remaining)
        self._reply = reply

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for, or nobody waits."""
        return not self._remaining or self._reply is None or self._reply.done

    def ended(self, name: str) -> None:
        """One order has ended. The last one answers."""
        self._remaining.discard(name)
        self.answer_if_done()

    def answer_if_done(self) -> None:
        """Answer when nothing is left, also when there was nothing to begin with."""
        if not self._remaining and self._reply is not None and not self._reply.done:
            self._reply.send(self._count)
