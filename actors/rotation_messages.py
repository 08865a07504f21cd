"""What Rotation and the owner of a link say to each other, and what Rotation tells the world.

A link has two lines. Its owner (Session or MarketData) speaks over the one that carries; Rotation, which opens and
closes the other, knows neither of them by more than these messages. Epochs number the sockets of both lines together.
"""

from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.messages import Message, Query
from dogwatch.runtime.topic import Topic

__all__ = [
    "Adopt",
    "Carrying",
    "NotAdopted",
    "NotReleased",
    "Release",
    "RotateNow",
    "Rotated",
    "RotationFailed",
    "RotationTopics",
]


class NotAdopted(DogwatchError):
    """The newer socket was not taken. The former one carries on as before."""


class NotReleased(DogwatchError):
    """The owner has gone back to the former socket, or has never left it."""


class Adopt(Query[None], frozen=True, kw_only=True):
    """To the owner: make the socket of `epoch`, which stands on the idle line, yours.

    Answered when it carries: everything new goes there, and nothing that the former socket brings is lost or doubled.
    Also answered when it carries already. Fails with NotAdopted: nothing has changed, it can be
    closed. An owner that has no other socket left adopts it all the same, as after a reconnect, and answers then.
    """

    epoch: int


class Release(Query[None], frozen=True, kw_only=True):
    """To the owner: let go of this former socket.

    Answered when nothing is awaited on it any more and the socket that carries now has been seen to bring what it
    should; then it may be closed. Also answered when it is gone or unknown. Fails with NotReleased when the owner
    has gone back to it, because the newer socket was lost or is deaf: then the newer one is to be released and closed.
    """

    epoch: int


class Carrying(Query[int | None], frozen=True, kw_only=True):
    """To the owner: which epoch carries now? Answered at once; None while there is no socket."""


class RotateNow(Message, frozen=True, kw_only=True):
    """To Rotation, told or published on `RotationTopics.wanted`, by anybody who knows that a socket will not last.

    Harmless during a rotation away from it. Without an `epoch` the socket that carries now is meant.
    """

    reason: str
    epoch: int | None = None


class Rotated(Message, frozen=True, kw_only=True):
    """The link has moved to a newer socket. Not seamless: the old one was lost before the seam was proven."""

    old_epoch: int
    new_epoch: int
    reason: str
    took_s: float
    is_seamless: bool


class RotationFailed(Message, frozen=True, kw_only=True):
    """The link stays on its old socket, which the exchange will cut in `cut_off_in_s` seconds; the next of so far
    `attempts` attempts comes in `retry_in_s` seconds."""

    reason: str
    hint: str
    attempts: int
    retry_in_s: float
    cut_off_in_s: float


class RotationTopics:
    """What a rotation publishes and hears. Made where the link is built, so that it outlives the rotation's lives."""

    def __init__(self, name: str) -> None:
        self.wanted: Topic[RotateNow] = Topic(f"{name}.rotation_wanted")
        """The other way round: what Rotation listens to."""
        self.rotated: Topic[Rotated] = Topic(f"{name}.rotated")
        self.failed: Topic[RotationFailed] = Topic(f"{name}.rotation_failed")
