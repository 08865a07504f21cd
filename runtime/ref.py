"""The address of an actor: tell, ask, request. It stays the same over all lives of the actor."""

import math
from typing import Any, Generic, TypeVar

import trio

from dogwatch.runtime.asking import put_ask, put_request
from dogwatch.runtime.mailbox import Mailbox
from dogwatch.runtime.mailbox_statistics import MailboxStatistics
from dogwatch.runtime.messages import Query, R
from dogwatch.runtime.reply import AwaitedReply

A_co = TypeVar("A_co", covariant=True)

AT_ONCE_MAX = 32
"""Asks that an actor answers at once, until an asker lets the others run: a checkpoint for each would cost three times
as much as the ask."""


class ActorRef(Generic[A_co]):
    """Where an actor is reached, before its first life and across restarts. Made by ChildSpec, not by hand."""

    __slots__ = ("mailbox", "name")

    def __init__(self, name: str, mailbox: Mailbox) -> None:
        self.name = name
        self.mailbox = mailbox

    def __repr__(self) -> str:
        return f"<ActorRef {self.path}>"

    @property
    def path(self) -> str:
        """The place in the tree, as `root/supervisor/actor`; only the name before the tree runs."""
        return self.mailbox.path

    def tell(self, message: Any) -> None:
        """Queue `message` for the actor, or have it handled at once where its lane is direct; never waits.

        Raises MailboxFull when its lane refuses, ActorStopped when the actor is gone for good, TypeError when
        no lane is for this type of message.
        """
        self.mailbox.put(message)

    async def ask(self, query: Query[R], *, within_s: float) -> R:
        """Tell `query` and wait for its answer, at most `within_s` seconds.

        Raises AskTimeout (which does not mean "not done"), ActorCrashed as soon as the actor crashes on it,
        ActorStopped, MailboxFull, or the error that the handler refused with.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        mailbox = self.mailbox
        try:
            reply: AwaitedReply[R] = put_ask(mailbox, query, within_s)
        except Exception:
            await trio.lowlevel.cancel_shielded_checkpoint()  # an asker that tries again must not starve the others
            raise
        if reply.done:
            # Shielded: an answer that is there is not lost to a cancellation.
            mailbox.answered_at_once += 1
            if mailbox.answered_at_once % AT_ONCE_MAX == 0:
                await trio.lowlevel.cancel_shielded_checkpoint()
            return reply.outcome()
        reply.await_by(trio.lowlevel.current_task())
        await trio.lowlevel.wait_task_rescheduled(reply.abort)
        return reply.outcome()

    def request(self, query: Query[R], *, reply_to: "ActorRef[Any]", tag: Any, within_s: float = math.inf) -> None:
        """Ask without waiting: the outcome, good or bad, is told to `reply_to` as one `Answer` with this `tag`.

        Errors of the callee come as the Answer's `error`; nothing is raised here for them.
        """
        put_request(self.mailbox, query, reply_to.mailbox, tag, within_s)

    def statistics(self) -> MailboxStatistics:
        """The figures of the actor's mailbox."""
        return self.mailbox.statistics()
