"""What becomes of a message for which there is no room. Lanes and streams that are full are in mailbox.py and
subscription.py.
"""

from enum import StrEnum


class Overflow(StrEnum):
    """What happens when a message comes to a lane that is full."""

    REFUSE = "refuse"
    """The sender gets MailboxFull: for orders, where a queued one would be a stale one."""
    DROP_OLDEST = "drop_oldest"
    """The oldest is dropped and a Gap stands in its place: for trades."""
    CLEAR = "clear"
    """Everything queued is thrown away and Overflowed stands in its place: for depth diffs, then resync."""
    STOP = "stop"
    """Nothing may be missed: the consumer's life crashes with MailboxFull and begins anew: for fills."""
