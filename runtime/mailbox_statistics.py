"""The figures of a mailbox, as `dogwatch tree` and an actor's statistics show them. Who counts is in mailbox.py."""

import msgspec


class MailboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox at one moment. Counters run from the beginning, over all lives of the actor.

    `direct` of those `put` and `taken` were handled on their senders' steps and never queued.
    """

    depth: int
    depth_by_lane: dict[str, int]
    capacity: int
    put: int
    taken: int
    direct: int
    dropped: int
    refused: int
    conflated: int
    expired: int
    late: int
    oldest_message_age_s: float
