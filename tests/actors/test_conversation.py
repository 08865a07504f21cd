"""A conversation: what becomes of a call in the very step in which it is written."""

from collections.abc import Callable
from math import inf
from typing import Any, cast

import pytest

from dogwatch.actors.connection import Connection, ConnectionTopics
from dogwatch.actors.conversation import Conversation
from dogwatch.actors.line import Line
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import Call, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.terms import Party, Terms
from dogwatch.actors.transmit import Transmit
from dogwatch.actors.turnstile import Turnstile
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.mailbox import Lane, Mailbox
from dogwatch.runtime.messages import Answer
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import RequestedReply

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Wire:
    """A connection that does something the moment it is told to write."""

    def __init__(self, happens: "Callable[[Stage, Transmit], None]") -> None:
        self.happens = happens
        self.stage: Stage

    def tell(self, message: Transmit) -> None:
        self.happens(self.stage, message)


class Stage:
    def __init__(self, happens: "Callable[[Stage, Transmit], None]") -> None:
        clock = Clock.virtual()
        self.topics, server_clock = SessionTopics("s"), ServerClock(clock)
        self.limiter = RateLimiter(clock=clock)
        turnstile = Turnstile(self.limiter, topics=self.topics, server_clock=server_clock)
        signer = Ed25519Signer("k" * 64, Ed25519Key(bytes(32)))
        terms = Terms(
            own=Party(signer=signer, topics=self.topics, turnstile=turnstile),
            recv_window_ms=5000,
            server_clock=server_clock,
            carrying=lambda: None,
            pending_max=10,
        )
        wire = Wire(happens)
        wire.stage = self
        line = Line("a", cast(ActorRef[Connection], wire), ConnectionTopics("a"))
        self.conversation = Conversation(1, line, terms)
        self.conversation.is_ready = self.conversation.is_logged_on = True

    def place(self) -> Any:
        """The one outcome of an order that is placed."""
        asked, asker = Mailbox("asked", ()), Mailbox("asker", (Lane("answers", accepts=(Answer,)),))
        reply: RequestedReply[Response] = RequestedReply(asked, inf, asker, "order")
        self.conversation.send(Call(method=Method.ORDER_PLACE, params={"symbol": "BTCUSDT"}), reply)
        assert self.conversation.in_flight == 0
        entry = asker.take()
        assert entry is not None
        assert asker.take() is None
        answer = entry[0]
        return answer.value if answer.error is None else answer.error

    @property
    def orders_counted(self) -> int:
        return self.limiter.budget.usage()["orders_10_second"]


async def test_a_socket_that_is_lost_while_a_call_is_written_leaves_that_call_unknown() -> None:
    stage = Stage(lambda stage, _: stage.conversation.end("the link was lost", unsent=frozenset()))
    assert isinstance(stage.place(), OutcomeUnknown)
    assert stage.orders_counted == 1


async def test_a_call_that_turns_out_unsent_while_it_is_written_was_not_sent() -> None:
    stage = Stage(lambda stage, message: stage.conversation.end("the link was lost", unsent=frozenset({message.tag})))
    assert isinstance(stage.place(), NotSent)
    assert stage.orders_counted == 0


async def test_a_call_is_settled_once_when_it_is_taken_back_and_refused() -> None:
    def refuse(stage: Stage, message: Transmit) -> None:
        stage.conversation.take_back(frozenset({message.tag}))
        raise MailboxFull("4096 messages wait")

    stage = Stage(refuse)
    assert isinstance(stage.place(), NotSent)
    assert stage.orders_counted == 0


async def test_a_call_for_which_the_connection_has_no_room_was_not_sent() -> None:
    def refuse(_stage: Stage, _message: Transmit) -> None:
        raise MailboxFull("4096 messages wait")

    stage = Stage(refuse)
    outcome = stage.place()
    assert isinstance(outcome, NotSent)
    assert outcome.message == "4096 messages wait"
    assert stage.orders_counted == 0
