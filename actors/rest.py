"""REST: takes the Calls that a session takes, and answers with the same Responses, over HTTP.

Every call is a task of its own, from its booking over its stamp and signature to its one outcome. What goes over the
wire is spot/rest_requests.py's, what comes back spot/rest_answers.py's, how in rest_wire.py; what a response means for
an order is decided by who asked.
"""

import time
from functools import partial
from math import inf
from typing import Any, ClassVar

import trio

from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.rest_origins import Origins
from dogwatch.actors.rest_wire import CONNECTIONS_MAX, HttpAnswer, RestDoor, Wire
from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.session_messages import Call, LateResponse, SessionTopics, Speaker
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.clock_estimate import StampRefused
from dogwatch.actors.spot.clock_refusal import is_ahead, is_turned_away_by_the_clock
from dogwatch.actors.spot.envelope import MalformedFrame, Response
from dogwatch.actors.spot.errors import MalformedResult, NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import RECV_WINDOW_MS, Method, Security
from dogwatch.actors.spot.requests import DECLARATIONS
from dogwatch.actors.spot.rest_answers import read_answer
from dogwatch.actors.spot.rest_requests import RestRequest, rest_request
from dogwatch.actors.spot.results import ServerTime, decode_result
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.turnstile import PLACING, Turnstile
from dogwatch.runtime.errors import DogwatchError, alone
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.reply import Reply

__all__ = ["Rest"]

READ_WITHIN_S_MAX = 30.0
"""How long an answer to a question is waited for at most."""
WRITE_HEARD_S = 60.0
"""How long the answer to what changes something is waited for, also when its asker has gone: it is evidence."""
ERRANDS_MAX = 1_000
WRITES_MAX = 128
"""So many of those may be on the wire at once. Questions have other connections: a cancel does not wait for them."""
PATIENT_S = 2.0
"""Who is silent for less is not known to be out of order."""
ASKED_AT_MAX = 3
"""At so many base endpoints the same is asked at most."""
SENT_AGAIN_MAX = 2
"""So often a request is sent again that was turned away for its timestamp alone."""
LEAST_S = 0.05
"""With less time than that nothing is sent a second time."""
QUESTIONS_MAX = 10
CLOCK_WITHIN_S = 10.0
STOPPED = "REST was stopped"
UNWANTED = "nobody waits for it any more"


class Errand:
    """A call from its booking to its outcome."""

    __slots__ = (
        "booking",
        "call",
        "declaration",
        "is_on_the_wire",
        "is_write",
        "measured_before",
        "name",
        "placed",
        "reply",
        "sends",
        "sent_s",
        "stamp_ms",
    )

    def __init__(self, call: Call, reply: Reply[Response], booking: Booking) -> None:
        self.call = call
        self.reply = reply
        self.booking: Booking | None = booking
        self.declaration = DECLARATIONS[call.method]
        self.is_write = self.declaration.is_write
        name = call.params.get("newClientOrderId") if call.method in PLACING else None
        self.name = name if isinstance(name, str) else None
        """That of the order that it places."""
        self.is_on_the_wire = False
        self.sends = 0
        self.stamp_ms = 0
        self.sent_s = -inf
        self.measured_before = -1
        """How often the exchange's clock had been measured when it was stamped."""
        self.placed = trio.Event()
        """Set when it has come to its end."""

    @property
    def is_public(self) -> bool:
        return self.declaration.security is Security.NONE

    @property
    def may_go_again(self) -> bool:
        """Whether there is somebody, and time, to send it once more."""
        return not self.reply.done and self.reply.remaining_s() > LEAST_S

    def within_s(self, *, is_last: bool) -> float:
        """How long to wait for an answer from now on."""
        if self.is_write:
            return WRITE_HEARD_S
        return min(READ_WITHIN_S_MAX, self.reply.remaining_s()) * (1.0 if is_last else 0.5)

    def taken_booking(self) -> Booking:
        """Its booking, which is settled now."""
        booking, self.booking = self.booking, None
        assert booking is not None  # nothing goes over the wire without one
        return booking


class Rest(Speaker):
    """Speaks for the account that `signer` signs for, or for nobody: then only public methods are taken.

    Calls fail as those of a session do. What only asks is asked at another base endpoint when the first does not answer
    or answers 5XX; what changes something is sent once. A cancel that names an order by its client order id goes when
    the placing of that order has been answered: HTTP keeps no order between two requests.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("calls", accepts=(Call,), capacity=1024),)

    def __init__(
        self,
        *,
        door: RestDoor,
        topics: SessionTopics,
        server_clock: ServerClock,
        limiter: RateLimiter,
        signer: Signer | None = None,
        recv_window_ms: int | None = None,
    ) -> None:
        self._door = door
        self._topics = topics
        self._server_clock = server_clock
        self._signer = signer
        self._recv_window_ms = recv_window_ms
        self._turnstile = Turnstile(limiter, topics=topics, server_clock=server_clock)
        self._origins = Origins(door.bases, market_data=signer is None)
        self._questions = trio.CapacityLimiter(CONNECTIONS_MAX)
        self._orders = trio.CapacityLimiter(WRITES_MAX)
        self._measuring = trio.Lock()
        self._errands: dict[Errand, None] = {}
        self._placings: dict[str, Errand] = {}
        self._wire: Wire
        self._nursery: trio.Nursery
        self.answered_s = -inf
        """When the exchange has last answered anything, on Trio's clock."""
        self._measurements = 0
        self._answered = self._late = self._malformed = self._failed = self._elsewhere = self._sent_again = 0

    async def on_start(self) -> None:
        self._turnstile.open(self.ref.mailbox.timers, self.log)

    async def run(self) -> None:
        try:
            async with Wire(self._door) as self._wire, trio.open_nursery() as self._nursery:
                try:
                    await self.serve()
                finally:
                    self._turnstile.hand_over(self, None, NotSent(STOPPED, hint="it was not sent and will not be"))
        except ExceptionGroup as group:
            raise alone(group) from None

    def on_call(self, call: Call, reply: Reply[Response]) -> None:
        refusal = self._refusal_of(call)
        if refusal is not None:
            reply.fail(refusal)
            return
        booking = self._turnstile.admit(call, reply, self._server_clock.now_ms())
        if booking is None:
            self._turnstile.keep(call, reply, who=self, go=partial(self._begin, call, reply))
        else:
            self._begin(call, reply, booking)

    def statistics(self) -> dict[str, Any]:
        return {
            "origin": self._origins.in_order(trio.current_time())[0],
            "in_flight": len(self._errands),
            "answered": self._answered,
            "failed": self._failed,
            "late": self._late,
            "malformed": self._malformed,
            "asked_elsewhere": self._elsewhere,
            "sent_again": self._sent_again,
            "clock_offset_ms": round(self._server_clock.offset_ms, 1),
            "clock_uncertainty_ms": self._server_clock.uncertainty_ms,
            **self._turnstile.limiter.statistics(),
        }

    def summary(self) -> str:
        return self._turnstile.summary()

    def heard(self, response: Response) -> None:
        """An answer has come. For whoever builds on this actor."""

    def _refusal_of(self, call: Call) -> NotSent | None:
        """Why this call cannot be made, None if it can."""
        declaration = DECLARATIONS[call.method]
        if call.account:
            return NotSent(f"no account here is called {call.account!r}", hint="over REST there is one account")
        if declaration.endpoint is None:
            return NotSent(f"{call.method} exists on the WebSocket API only", hint="ask a session for it")
        if declaration.security is not Security.NONE and self._signer is None:
            return NotSent(f"{call.method} needs an API key", hint="configure one for this venue")
        if len(self._errands) >= ERRANDS_MAX:
            return NotSent(f"{ERRANDS_MAX} calls are in flight already", hint="wait for some of their answers")
        return None

    # One call, from its booking to its outcome.

    def _begin(self, call: Call, reply: Reply[Response], booking: Booking) -> None:
        errand = Errand(call, reply, booking)
        self._errands[errand] = None
        if errand.name is not None:
            self._placings[errand.name] = errand
        self._nursery.start_soon(self._run, errand)

    async def _run(self, errand: Errand) -> None:
        try:
            self._deliver(errand, await self._outcome_of(errand))
        except DogwatchError as failure:
            self._failed += 1
            errand.reply.fail(failure)
        finally:
            self._end(errand)

    def _deliver(self, errand: Errand, response: Response) -> None:
        call = errand.call
        if errand.reply.done:
            self._late += 1
            self._topics.late_responses.publish(LateResponse(method=call.method, params=call.params, response=response))
        else:
            self._answered += 1
            errand.reply.send(response)

    def _end(self, errand: Errand) -> None:
        """It has its outcome, or this life ends under way."""
        errand.placed.set()
        del self._errands[errand]
        if errand.name is not None and self._placings.get(errand.name) is errand:
            del self._placings[errand.name]
        if errand.booking is not None:
            (self._turnstile.give_up if errand.is_on_the_wire else self._turnstile.withdraw)(errand.booking)
        if not errand.reply.done:
            errand.reply.fail(OutcomeUnknown(STOPPED) if errand.is_on_the_wire else NotSent(STOPPED))

    async def _outcome_of(self, errand: Errand) -> Response:
        """Raises NotSent and OutcomeUnknown as a Call does."""
        # Whoever waits learns in time that nothing was sent: behind its deadline it could only be called unknown.
        with trio.move_on_at(errand.reply.deadline_s - LEAST_S) as preparing:
            await self._wait_for_placing(errand)
            if errand.declaration.security.needs_timestamp:
                await self._know_time(errand)
        if preparing.cancelled_caught:
            raise NotSent("there was no time left to send it", hint="see the log; try again")
        while True:
            response = await self._asked(errand)
            if not self._is_turned_away_by_the_clock(errand, response):
                return response
            if errand.sends > SENT_AGAIN_MAX or not errand.may_go_again:
                return response
            try:
                await self._know_time(errand)
            except NotSent:
                return response
            if not self._book_again(errand):
                return response
            self._sent_again += 1

    async def _wait_for_placing(self, errand: Errand) -> None:
        """What is to be canceled has to be there first."""
        if errand.is_write and self._placings:
            params = errand.call.params
            named = params.get("origClientOrderId") or params.get("cancelOrigClientOrderId")
            placing = self._placings.get(named) if isinstance(named, str) else None
            if placing is not None and placing is not errand:
                # Once it has to be called unknown, nobody may be kept from ending it by waiting for more.
                with trio.move_on_at(min(errand.reply.deadline_s, placing.reply.deadline_s)):
                    await placing.placed.wait()

    async def _asked(self, errand: Errand) -> Response:
        """The answer of the exchange; of the first base endpoint that has one, where it only asks."""
        origins = self._origins.in_order(trio.current_time(), is_public=errand.is_public)
        *others, last = origins[: 1 if errand.is_write else ASKED_AT_MAX]
        for origin in others:
            try:
                response = await self._sent_to(origin, errand, is_last=False)
            except (NotSent, OutcomeUnknown):
                if not self._book_again(errand):
                    raise
            else:
                if _is_the_exchange_s(response) or not self._book_again(errand):
                    return response
            self._elsewhere += 1
        return await self._sent_to(last, errand, is_last=True)

    def _book_again(self, errand: Errand) -> bool:
        """Whether it may be sent once more: somebody waits for it, and the limits have room for it now."""
        if errand.booking is None and errand.may_go_again:
            errand.booking = self._turnstile.admit(errand.call, errand.reply, self._server_clock.now_ms())
        return errand.booking is not None

    async def _sent_to(self, origin: str, errand: Errand, *, is_last: bool) -> Response:
        async with self._orders if errand.is_write else self._questions:
            if errand.reply.done:
                raise NotSent(UNWANTED)
            request, within_s = self._request(errand), errand.within_s(is_last=is_last)
            errand.sends += 1
            errand.sent_s, sent_ns = trio.current_time(), time.perf_counter_ns()
            self._topics.latest_call_s = errand.sent_s
            errand.is_on_the_wire = True
            try:
                answer = await self._wire.exchange(origin, request, within_s=within_s)
            except NotSent:
                self._turnstile.withdraw(errand.taken_booking())
                errand.is_on_the_wire = False
                self._note_failure(origin, errand, within_s)
                raise
            except OutcomeUnknown:
                self._turnstile.give_up(errand.taken_booking())
                self._note_failure(origin, errand, within_s)
                raise
        errand.is_on_the_wire = False
        if errand.call.method.startswith("order."):
            self._topics.round_trips_us.append((time.perf_counter_ns() - sent_ns) / 1000)
        return self._read(origin, errand, answer)

    def _note_failure(self, origin: str, errand: Errand, within_s: float) -> None:
        now_s = trio.current_time()
        if within_s >= PATIENT_S or now_s < errand.sent_s + within_s:
            self._origins.avoid(origin, now_s)

    def _request(self, errand: Errand) -> RestRequest:
        """What goes over the wire, with the time of this very moment. Raises NotSent for what cannot be sent."""
        errand.stamp_ms, errand.measured_before = self._server_clock.now_ms(), self._measurements
        try:
            return rest_request(
                errand.declaration,
                errand.call.params,
                signer=self._signer,
                timestamp_ms=errand.stamp_ms,
                recv_window_ms=self._recv_window_ms,
                time_unit=self._door.bases.time_unit,
            )
        except (TypeError, ValueError) as error:
            raise NotSent(str(error), hint="this is a mistake in the call as it was built") from None

    def _read(self, origin: str, errand: Errand, answer: HttpAnswer) -> Response:
        """Take an answer into account, and return what it says. Raises OutcomeUnknown if nobody can read it."""
        booking, now_s = errand.taken_booking(), trio.current_time()
        read = read_answer(answer.status, answer.headers, answer.body, limit_of=self._turnstile.limit_of)
        response = read.response
        if isinstance(response, MalformedFrame):
            self._malformed += 1
            self._turnstile.give_up(booking)
            self._origins.avoid(origin, now_s)
            self.log.error("an answer that cannot be read", problem=response.problem, length=response.length)
            raise OutcomeUnknown(f"the answer cannot be read: {response.problem}")
        self._turnstile.limiter.settle(booking, self._server_clock.now_ms(), response)
        if response.error is not None:
            self._turnstile.heed(response.error, asked_s=read.retry_after_s)
        elif response.status != 200:
            self._origins.avoid(origin, now_s)  # whatever has answered, it was not the exchange
            return response
        self.answered_s = now_s
        if errand.call.method is Method.TIME and response.is_ok:
            self._observe(errand.sent_s, now_s, response)
        self.heard(response)
        return response

    # The exchange's clock.

    def _observe(self, asked_s: float, answered_s: float, response: Response) -> None:
        try:
            server_time_ms = decode_result(response.result, ServerTime).server_time_ms
        except MalformedResult:
            return  # whoever asked will see
        self._server_clock.observe(Measurement(asked_s=asked_s, answered_s=answered_s, server_time_ms=server_time_ms))
        self._measurements += 1
        self._turnstile.note_clock()

    async def _know_time(self, errand: Errand) -> None:
        """Measure the exchange's clock, unless it is known, and was measured since the errand was stamped. Raises
        NotSent."""
        if self._knows_time(errand):
            return
        async with self._measuring:
            try:
                for _ in range(QUESTIONS_MAX):
                    if errand.reply.done:
                        raise NotSent(UNWANTED)
                    if self._knows_time(errand):
                        return
                    await self.ref.ask(Call(method=Method.TIME), within_s=CLOCK_WITHIN_S)
            except DogwatchError as failure:
                reason = f"the exchange's clock could not be read: {failure.message}"
                raise NotSent(reason, hint=failure.hint) from None
            if not self._knows_time(errand):
                raise NotSent("the exchange's clock could not be read", hint="see the log; try again")

    def _knows_time(self, errand: Errand) -> bool:
        clock = self._server_clock
        return clock.is_measured and not clock.is_in_doubt and self._measurements > errand.measured_before

    def _is_turned_away_by_the_clock(self, errand: Errand, response: Response) -> bool:
        error = response.error
        if error is None or not is_turned_away_by_the_clock(errand.call.method, response):
            return False
        self._server_clock.heed(
            StampRefused(
                stamp_ms=errand.stamp_ms,
                sent_s=errand.sent_s,
                answered_s=trio.current_time(),
                recv_window_ms=self._recv_window_ms or RECV_WINDOW_MS,
                is_ahead=is_ahead(error.code, error.message),
            )
        )
        return True


def _is_the_exchange_s(response: Response) -> bool:
    """Whether this is its answer to a question. After 5XX, or from something in between, another may have a better."""
    return response.is_ok or (response.error is not None and response.status < 500)
