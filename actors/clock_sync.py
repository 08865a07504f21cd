"""Keeps the server clock current: asks for the time now and then. What the answers mean is in server_clock.py.

The session measures by itself when it logs on and when a timestamp is refused; this is for the months between.
"""

from typing import ClassVar

from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session import Call, Session
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.ref import ActorRef

__all__ = ["ClockSync"]

ANSWER_WITHIN_S = 5.0
OFFSET_ALARM_MS = 1000.0
"""A wall clock that is wrong by this much is worth a word: logs and reports carry its times."""


class MeasureClock(Message, frozen=True, kw_only=True):
    """A timer's message."""


class ClockSync(Actor):
    """Has the session ask for the time `questions` times, one after the other, every `period_s` seconds."""

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("messages", accepts=(MeasureClock, Answer), capacity=64),)

    def __init__(
        self,
        *,
        session: ActorRef[Session],
        server_clock: ServerClock,
        period_s: float = 240.0,
        questions: int = 3,
    ) -> None:
        self._session = session
        self._server_clock = server_clock
        self._period_s = period_s
        self._questions = questions
        self._questions_left = 0
        self._unanswered = 0
        self._has_warned = False

    async def on_start(self) -> None:
        self.tell_every(self._period_s, MeasureClock())

    def on_measure_clock(self, _message: MeasureClock) -> None:
        self._questions_left = self._questions
        self._ask()

    def on_answer(self, answer: Answer) -> None:
        # The session has told the server clock already, the answer included.
        if answer.error is not None:
            self._unanswered += 1
            return
        offset_ms = self._server_clock.offset_ms
        is_off = abs(offset_ms) >= OFFSET_ALARM_MS
        if is_off and not self._has_warned:
            self.log.warning("this machine's clock is wrong: set it by NTP", offset_ms=round(offset_ms))
        self._has_warned = is_off
        if self._questions_left:
            self._ask()

    def statistics(self) -> dict[str, float | int | None]:
        return {
            "offset_ms": round(self._server_clock.offset_ms, 1),
            "uncertainty_ms": self._server_clock.uncertainty_ms,
            "unanswered": self._unanswered,
        }

    def _ask(self) -> None:
        self._questions_left -= 1
        self._session.request(Call(method=Method.TIME), reply_to=self.ref, tag="time", within_s=ANSWER_WITHIN_S)
