"""Putting a question into a mailbox: what asking comes to before anybody waits. The waiting is in ref.py."""

from typing import Any

from dogwatch.runtime.mailbox import Mailbox
from dogwatch.runtime.reply import AwaitedReply, Reply, RequestedReply


def put_ask(mailbox: Mailbox, query: Any, within_s: float) -> AwaitedReply[Any]:
    """The reply to a question that is put now; it may be done already. Raises what `put` does."""
    reply: AwaitedReply[Any] = AwaitedReply(mailbox, mailbox.now() + within_s)
    _put(mailbox, query, reply, within_s)
    return reply


def put_request(mailbox: Mailbox, query: Any, requester: Mailbox, tag: Any, within_s: float) -> None:
    """Put a question now whose outcome is told to `requester`, whatever it is."""
    reply: RequestedReply[Any] = RequestedReply(mailbox, mailbox.now() + within_s, requester, tag)
    try:
        _put(mailbox, query, reply, within_s)
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the answer
        reply.fail(error)
    if not reply.done:
        reply.watch_deadline()


def _put(mailbox: Mailbox, query: Any, reply: Reply[Any], within_s: float) -> None:
    if within_s > 0:
        mailbox.put(query, reply)
    else:
        mailbox.queue(query, reply)  # where what nobody waits for is passed over
