"""What became of a change of a book, or of a snapshot."""

from enum import Enum


class Taken(Enum):
    """What became of a change or a snapshot."""

    HELD = "held"
    """The change waits for a snapshot."""
    APPLIED = "applied"
    """The book is whole, and newer than before."""
    OLD = "old"
    """A change that is in the book already, or a snapshot from before the first change that is held: ask again."""
    BROKEN = "broken"
    """The book is not whole any more, `reason` says why: a snapshot is needed."""
