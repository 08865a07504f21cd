"""Keeps a session logged on: tries until it works, says what comes of it, and knows a key that is none any more. One
attempt is logon.py's, what becomes of the account's calls meanwhile session.py's.
"""

import math
from collections.abc import Awaitable, Callable

import trio

from dogwatch.actors.connection import Reconnect
from dogwatch.actors.conversation import Conversation
from dogwatch.actors.logon import Logon, LogonRefused
from dogwatch.actors.session_messages import Call, KeyRefused, LogonFailed, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.terms import OWN, Terms
from dogwatch.runtime.errors import ConfigError, DogwatchError
from dogwatch.runtime.logger import Logger

__all__ = ["LogonKeeper", "is_about_the_key", "tell_key_refused"]

RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 60.0
KEY_REFUSED = -2015
KEY_RETRY_S = 300.0
"""How often a key that was good and is refused is tried again, on the same socket."""
KEY_DOUBTED_EVERY_S = 60.0


class LogonKeeper:
    """One account's, in all conversations of a session; `ask(epoch, call)` asks on exactly one of them."""

    def __init__(
        self,
        terms: Terms,
        ask: Callable[[int, Call], Awaitable[Response]],
        log: Logger,
        account: str = OWN,
    ) -> None:
        self._terms = terms
        self._account = account
        self._topics = terms.party(account).topics
        self._ask = ask
        self._log = log
        self._doubted_s = -math.inf

    def logon(self, conversation: Conversation) -> Logon:
        """One attempt, without any of what is said and done here."""
        return Logon(conversation, self._terms, lambda call: self._ask(conversation.epoch, call), self._account)

    async def establish(self, conversation: Conversation) -> None:
        """Log on and subscribe; again and again until it works. Raises ConfigError when it cannot work."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                await self.logon(conversation).establish()
            except LogonRefused as refusal:
                if not self._topics.has_been_ready:
                    where = f"accounts.{self._account}" if self._account else "account"
                    raise ConfigError(where, refusal.message, hint=refusal.hint) from None
                tell_key_refused(self._topics, conversation.epoch, refusal, self._log)
                await trio.sleep(KEY_RETRY_S)
            except DogwatchError as failure:
                await self._wait_to_retry(conversation, failure, retry_s)
                retry_s = min(2 * retry_s, RETRY_LONGEST_S)
            else:
                self._topics.has_been_ready, self._topics.key_refusal = True, ""
                return

    def doubts_key(self) -> bool:
        """An answer says that the key may not do this, or that it is none any more: whether to find out which, now."""
        now_s = trio.current_time()
        if now_s < self._doubted_s + KEY_DOUBTED_EVERY_S:
            return False
        self._doubted_s = now_s
        return True

    async def key_refusal(self, conversation: Conversation) -> str:
        """What the exchange says against the key, by logging on with it; empty if nothing."""
        try:
            await self.logon(conversation).check_key()
        except LogonRefused as refusal:
            return refusal.message
        except DogwatchError as failure:
            self._log.info("the key could not be checked", reason=failure.message)
        return ""

    async def _wait_to_retry(self, conversation: Conversation, failure: DogwatchError, retry_s: float) -> None:
        epoch = conversation.epoch
        room_in_s = failure.retry_after_s if isinstance(failure, NotSent) else None
        if room_in_s is None and not isinstance(failure, Rejected):
            # No answer, or one that cannot be read: this socket is not worth another attempt.
            conversation.line.connection.tell(Reconnect(epoch=epoch, reason=f"logging on: {failure.message}"))
            await trio.sleep_forever()
        retry_s = max(retry_s, self._terms.barred_s(), room_in_s or 0.0)
        self._log.warning("not logged on", reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        self._topics.states.publish(
            LogonFailed(epoch=epoch, reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        )
        await trio.sleep(retry_s)


def tell_key_refused(topics: SessionTopics, epoch: int, refusal: LogonRefused, log: Logger) -> None:
    """A key that was good is refused: only a human can mend that, who is told once. Nothing else is given up."""
    if not topics.key_refusal:
        log.error("trading is stopped: " + refusal.message, hint=refusal.hint)
    topics.key_refusal = refusal.message
    topics.states.publish(KeyRefused(epoch=epoch, reason=refusal.message, hint=refusal.hint, retry_in_s=KEY_RETRY_S))


def is_about_the_key(response: Response) -> bool:
    """Whether an answer says that the key is refused, for what was asked or for everything."""
    return response.error is not None and (response.error.code == KEY_REFUSED or response.status == 401)
