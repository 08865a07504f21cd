"""A session over REST: says when the exchange can be reached and takes the key, as a session over a socket says that it
is logged on. No events of the account come: what becomes of orders is found out by asking, see poller.py.
"""

import math

import trio

from dogwatch.actors.logon import LogonRefused, refusal_of
from dogwatch.actors.logon_keeper import (
    KEY_DOUBTED_EVERY_S,
    KEY_RETRY_S,
    RETRY_FIRST_S,
    RETRY_LONGEST_S,
    is_about_the_key,
    tell_key_refused,
)
from dogwatch.actors.rest import Rest
from dogwatch.actors.session_messages import Call, LogonFailed, SessionLost, SessionReady
from dogwatch.actors.spot.account_requests import QueryAccountStatus
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.errors import ConfigError, DogwatchError

__all__ = ["RestSession"]

ANSWER_WITHIN_S = 10.0
CLOCK_QUESTIONS = 3
ASK_AFTER_S = 15.0
"""After so long without an answer something is asked: so it is known whether anybody answers, and a connection is
open when an order needs one."""
SILENCE_S_MAX = 45.0
"""After so long without an answer the exchange is out of reach."""


class RestSession(Rest):
    """Rest that publishes its state as a session does.

    Raises ConfigError, which is never retried, when the exchange refuses the key at the first time in this process; a
    key that was good and is refused later is a state, KeyRefused.
    """

    _doubted_s = -math.inf
    _is_key_doubted = False
    _is_ready = False

    async def on_start(self) -> None:
        await super().on_start()
        self.tasks.start_soon(self._live)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self._lose("the session was stopped")

    def summary(self) -> str:
        if self._topics.key_refusal:
            return "KEY REFUSED"
        return super().summary() or ("ready" if self._is_ready else "out of reach")

    def heard(self, response: Response) -> None:
        """An answer may say that the key is refused: for what was asked, or for everything."""
        now_s = trio.current_time()
        if self._is_ready and is_about_the_key(response) and now_s >= self._doubted_s + KEY_DOUBTED_EVERY_S:
            self._doubted_s, self._is_key_doubted = now_s, True

    async def _live(self) -> None:
        while True:
            self._topics.epoch_begun += 1
            epoch = self._topics.epoch_begun
            await self._establish(epoch)
            self._is_ready = self._topics.has_been_ready = True
            self._topics.key_refusal = ""
            self.log.info("ready", epoch=epoch)
            self._topics.states.publish(SessionReady(epoch=epoch, hears_events=False))
            reason = await self._lost()
            self.log.warning("lost", epoch=epoch, reason=reason)
            self._lose(reason)

    # Reaching it.

    async def _establish(self, epoch: int) -> None:
        """Measure the clock and try the key, again and again until that works. Raises ConfigError when it cannot."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                for _ in range(CLOCK_QUESTIONS):
                    await self._demand(Call(method=Method.TIME))
                await self._try_key()
            except LogonRefused as refusal:
                if not self._topics.has_been_ready:
                    raise ConfigError("account", refusal.message, hint=refusal.hint) from None
                tell_key_refused(self._topics, epoch, refusal, self.log)
                await trio.sleep(KEY_RETRY_S)
            except DogwatchError as failure:
                room_in_s = (failure.retry_after_s if isinstance(failure, NotSent) else None) or 0.0
                await self._wait_to_retry(epoch, failure, max(retry_s, room_in_s, self._turnstile.limiter.quiet_s()))
                retry_s = min(2 * retry_s, RETRY_LONGEST_S)
            else:
                return

    async def _try_key(self) -> None:
        """Ask for something of the account. Raises LogonRefused when the key is none, and why there is no answer."""
        if self._signer is not None:
            await self._demand(Call.of(QueryAccountStatus(omit_zero_balances=True)))

    async def _demand(self, call: Call) -> None:
        response = await self.ref.ask(call, within_s=ANSWER_WITHIN_S)
        error = response.error
        if error is None:
            if not response.is_ok:
                raise NotSent(f"status {response.status} was answered, by something in front of the exchange")
            return
        raise refusal_of(error, names_key=call.method is not Method.TIME)

    async def _wait_to_retry(self, epoch: int, failure: DogwatchError, retry_s: float) -> None:
        self.log.warning("not reached", reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        self._topics.states.publish(
            LogonFailed(epoch=epoch, reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        )
        await trio.sleep(retry_s)

    # Losing it.

    def _lose(self, reason: str) -> None:
        if self._is_ready:
            self._is_ready = False
            self._topics.states.publish(SessionLost(epoch=self._topics.epoch_begun, reason=reason))

    async def _lost(self) -> str:
        """Wait until the exchange cannot be reached any more, or refuses the key. Returns why."""
        while True:
            await trio.sleep(1.0)
            if self._is_key_doubted:
                self._is_key_doubted = False
                refusal = await self._key_refusal()
                if refusal:
                    return refusal
            silent_s = trio.current_time() - self.answered_s
            if silent_s >= SILENCE_S_MAX:
                return f"no request was answered for {silent_s:.0f} s"
            if silent_s >= ASK_AFTER_S:
                await self._ask_something()

    async def _key_refusal(self) -> str:
        try:
            await self._try_key()
        except LogonRefused as refusal:
            return refusal.message
        except DogwatchError as failure:
            self.log.info("the key could not be checked", reason=failure.message)
        return ""

    async def _ask_something(self) -> None:
        try:
            await self._demand(Call(method=Method.TIME))
        except DogwatchError as failure:
            self.log.debug("no answer", reason=failure.message)
