"""What comes in over the sockets of a session: answers go to whoever asked, events to whoever listens to their account.

What an answer is about is for answers.py to settle, and during a handover handover.py decides which socket's event
counts.
"""

from collections.abc import Callable, Mapping

from dogwatch.actors.answers import Answers
from dogwatch.actors.connection import FrameBatch, Reconnect
from dogwatch.actors.conversation import Conversation
from dogwatch.actors.handover import NOTICES, Handover
from dogwatch.actors.rotation_messages import RotateNow, RotationTopics
from dogwatch.actors.spot.envelope import Response, UserEvent
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.user_events import EventStreamTerminated, ServerShutdown
from dogwatch.actors.terms import OWN, Terms
from dogwatch.runtime.logger import Logger

__all__ = ["Intake"]


class Intake:
    """Of one session, whose `conversations` by epoch it is told. `handover`: the one that is under way, if any.

    `restore(conversation, account, reason)`: the account hears nothing any more there. `break_off(handover, reason,
    hint)`: it has to stay on the former socket.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        conversations: Mapping[int, Conversation],
        answers: Answers,
        rotation_topics: RotationTopics,
        restore: Callable[[Conversation, str, str], None],
        break_off: Callable[[Handover, str, str], None],
        in_microseconds: bool,
        log: Logger,
    ) -> None:
        self._terms = terms
        self._conversations = conversations
        self._answers = answers
        self._rotation_topics = rotation_topics
        self._restore = restore
        self._break_off = break_off
        self._in_microseconds = in_microseconds
        self._log = log
        self.handover: Handover | None = None
        self.events = 0

    def read(self, batch: FrameBatch) -> None:
        """Frames have come over one socket, in this order."""
        conversation = self._conversations.get(batch.epoch)
        if conversation is None:
            return
        received_s = batch.received_s
        for payload in batch.payloads:
            if conversation.has_ended:
                return  # what came before has broken the handover off: what follows is the former socket's to say
            frame = decode_frame(payload)
            if isinstance(frame, Response):
                self._answers.settle(conversation, frame, received_s)
            elif isinstance(frame, UserEvent):
                self._hear(conversation, frame, received_s)
            else:
                self._answers.settle_malformed(conversation, frame)

    def _hear(self, conversation: Conversation, frame: UserEvent, received_s: float) -> None:
        self.events += 1
        if self._in_microseconds:
            frame = with_instants(frame)
        account = conversation.account_of(frame) if conversation.further else OWN
        if account is None:
            self._miss(conversation, frame)
            return
        if self.handover is None:
            self._terms.party(account).topics.user_events.publish(frame)
        else:
            self._hear_twice(self.handover, conversation, frame, account)
        event = frame.event
        if isinstance(event, NOTICES):
            self._heed_notice(conversation, event, account)
        else:
            conversation.standing(account).heard_s = received_s

    def _hear_twice(self, handover: Handover, conversation: Conversation, frame: UserEvent, account: str) -> None:
        if handover.passes_on(conversation, frame, account):
            self._terms.party(account).topics.user_events.publish(frame)
        if handover.is_preparing and handover.is_full:
            self._break_off(handover, "too many events came meanwhile", "rotate at a quieter time")

    def _miss(self, conversation: Conversation, frame: UserEvent) -> None:
        """An event that may be anybody's is nobody's here: on a new socket it is asked for what has happened."""
        self._answers.unmatched += 1
        reason = f"an event of subscription {frame.subscription_id}, which nobody has made"
        self._log.error(reason, epoch=conversation.epoch)
        conversation.line.connection.tell(Reconnect(epoch=conversation.epoch, reason=reason))

    def _heed_notice(
        self, conversation: Conversation, notice: EventStreamTerminated | ServerShutdown, account: str
    ) -> None:
        if isinstance(notice, EventStreamTerminated):
            conversation.standing(account).has_stream_ended = True
            self._restore(conversation, account, "the exchange has ended the stream of the account's events")
        else:
            reason = "the server has announced its shutdown"
            self._rotation_topics.wanted.publish(RotateNow(reason=reason, epoch=conversation.epoch))
