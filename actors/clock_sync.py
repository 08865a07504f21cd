"""Keeps the server clock current in quiet moments, and notices when this machine's clock is set or stood still.

The session measures by itself when it logs on and when a timestamp is refused; this is for the months between. What
the answers mean is in server_clock.py.
"""

from typing import ClassVar

from dogwatch.actors.server_clock import Finding, ServerClock
from dogwatch.actors.session_messages import Call, SessionTopics, Speaker
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.timers import Timer

__all__ = ["ClockSync"]

LOOK_EVERY_S = 20.0
QUIET_S = 0.25
"""A moment is quiet when nothing was sent for so long: an answer that waits behind others tells the time less well."""
QUIET_AGAIN_S = 1.0
"""How often to look for a quiet moment. After another period any moment will do."""
ANSWER_WITHIN_S = 5.0
DOUBTS_MAX = 5
"""How often an answer that contradicts the others is followed by one more question, at most."""
OFFSET_ALARM_MS = 1000.0
"""A wall clock that is wrong by this much is worth a word: logs and reports carry its times."""
STEP_S_MIN = 0.25
"""Less is what a system that corrects its clock slowly may do between two looks."""
STANDSTILL_S_MIN = 30.0


class LookAtClocks(Message, frozen=True, kw_only=True):
    """A timer's message: compare this machine's clocks with one another."""


class MeasureClock(Message, frozen=True, kw_only=True):
    """A timer's message: it is time to ask the exchange, as soon as nothing else is asked there."""


class ClockSync(Actor):
    """Has the session ask for the time `questions` times, one after the other, every `period_s` seconds.

    When this machine has slept, or stood still for half a minute, all measurements are forgotten and made anew. When
    its wall clock is set, that is told, once for each time; timestamps do not depend on it.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("messages", accepts=(LookAtClocks, MeasureClock, Answer), capacity=64),)

    def __init__(
        self,
        *,
        session: ActorRef[Speaker],
        topics: SessionTopics,
        server_clock: ServerClock,
        clock: Clock,
        period_s: float = 240.0,
        questions: int = 3,
    ) -> None:
        self._session = session
        self._topics = topics
        self._server_clock = server_clock
        self._clock = clock
        self._period_s = period_s
        self._questions = questions
        self._questions_left = self._doubts_left = 0
        self._due_s = 0.0
        self._measuring: Timer | None = None
        self._is_asking = False
        self._unanswered = self._wall_steps = self._standstills = 0
        self._has_warned = False

    async def on_start(self) -> None:
        self._remember_clocks()
        self._plan()
        self.tell_every(LOOK_EVERY_S, LookAtClocks())

    def on_look_at_clocks(self, _message: LookAtClocks) -> None:
        stood_still_s = self._clock.now_s() - self._seen_s - LOOK_EVERY_S
        slept_s = self._clock.asleep_s() - self._seen_asleep_s
        stepped_s = self._wall_ahead_s() - self._seen_wall_ahead_s - slept_s
        self._remember_clocks()
        has_stood_still = slept_s >= STEP_S_MIN or stood_still_s >= STANDSTILL_S_MIN
        has_stepped = abs(stepped_s) >= STEP_S_MIN
        if has_stood_still:
            self._standstills += 1
            self._server_clock.forget()
            for_s = round(max(slept_s, stood_still_s), 1)
            self.log.warning("this machine has slept or stood still: the exchange's clock is read anew", for_s=for_s)
        if has_stepped:
            self._wall_steps += 1
            self.log.warning("this machine's clock was set: timestamps do not depend on it", by_s=round(stepped_s, 3))
        if has_stood_still or has_stepped:
            self._measure()

    def on_measure_clock(self, _message: MeasureClock) -> None:
        now_s = self._clock.now_s()
        is_quiet = now_s - self._topics.latest_call_s >= QUIET_S
        if is_quiet or now_s >= self._due_s + self._period_s:
            self._measure()
        else:
            self._measuring = self.tell_after(QUIET_AGAIN_S, MeasureClock())

    def on_answer(self, answer: Answer) -> None:
        # The session has told the server clock already, the answer included.
        self._is_asking = False
        if answer.error is not None:
            self._unanswered += 1
            return
        self._look_at_finding()
        if self._questions_left:
            self._ask()

    def statistics(self) -> dict[str, float | int | None]:
        drift_ppm = self._server_clock.drift_ppm
        return {
            "offset_ms": round(self._server_clock.offset_ms, 1),
            "uncertainty_ms": self._server_clock.uncertainty_ms,
            "drift_ppm": None if drift_ppm is None else round(drift_ppm, 1),
            "outliers": self._server_clock.outliers,
            "unanswered": self._unanswered,
            "wall_steps": self._wall_steps,
            "standstills": self._standstills,
        }

    def summary(self) -> str:
        return f"{self._server_clock.offset_ms:+.1f} ms" if self._server_clock.is_measured else "not measured"

    def _measure(self) -> None:
        self._plan()
        self._questions_left = self._questions
        self._doubts_left = DOUBTS_MAX
        if not self._is_asking:
            self._ask()

    def _plan(self) -> None:
        """The next time is a period from now."""
        if self._measuring is not None:
            self._measuring.cancel()
        self._due_s = self._clock.now_s() + self._period_s
        self._measuring = self.tell_after(self._period_s, MeasureClock())

    def _ask(self) -> None:
        self._questions_left -= 1
        self._is_asking = True
        self._session.request(Call(method=Method.TIME), reply_to=self.ref, tag="time", within_s=ANSWER_WITHIN_S)

    def _look_at_finding(self) -> None:
        finding, offset_ms = self._server_clock.finding, self._server_clock.offset_ms
        if finding is Finding.DOUBTFUL and self._doubts_left and not self._questions_left:
            self._doubts_left -= 1
            self._questions_left = 1
        elif finding is Finding.STEPPED:
            by_ms = round(self._server_clock.stepped_ms)
            self.log.warning("the exchange's clock and this machine's have moved against each other", by_ms=by_ms)
        is_off = abs(offset_ms) >= OFFSET_ALARM_MS
        if is_off and not self._has_warned:
            self.log.warning("this machine's clock is wrong: set it by NTP", offset_ms=round(offset_ms))
        self._has_warned = is_off

    def _remember_clocks(self) -> None:
        self._seen_s = self._clock.now_s()
        self._seen_asleep_s = self._clock.asleep_s()
        self._seen_wall_ahead_s = self._wall_ahead_s()

    def _wall_ahead_s(self) -> float:
        """By how much the wall clock is ahead of the monotonic one."""
        return self._clock.unix_us() / 1e6 - self._clock.now_s()
