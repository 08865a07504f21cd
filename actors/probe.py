"""The question by which a socket shows that its server still reads and answers."""

from dogwatch.runtime.messages import Query

__all__ = ["Probe"]


class Probe(Query[float], frozen=True, kw_only=True):
    """To the owner of a link: when, on Trio's clock, has the socket of `epoch` last answered a request?

    Answered at once when that is after `since_s`. Otherwise the owner asks on exactly this socket something that
    changes nothing, and answers when the answer has come. Fails with a DogwatchError when nothing could be sent on this
    socket now, which says nothing about it: it is not the owner's, or the exchange wants nothing sent.
    """

    epoch: int
    since_s: float
