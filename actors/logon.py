"""Logging on: the steps from a new socket to a session over which the account trades and hears of itself (Session
authentication; User Data Stream subscriptions). When it is tried, and again, is decided in session.py.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.clock_refusal import is_about_the_clock
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method, Security
from dogwatch.actors.spot.requests import DECLARATIONS
from dogwatch.actors.terms import OWN, Terms
from dogwatch.runtime.errors import DogwatchError

__all__ = ["Logon", "LogonRefused", "refusal_of"]

CLOCK_QUESTIONS = 3
NEVER_WITH_THIS_KEY = frozenset({-1002, -1022, -1102, -2008, -2014, -2015, -2028})
"""Refusals of session.logon that another attempt with the same key will not change."""
SUBSCRIBED_ALREADY = -2035
ONE_KEY = "name each account once, with one key"

Ask: TypeAlias = Callable[[Call], Awaitable[Response]]


class LogonRefused(DogwatchError):
    """The exchange refuses the key itself: what has to change is there, or in the configuration."""


class Logon:
    """Makes `conversation` ready for one account, asking by `ask`, which may raise what a Call fails with."""

    def __init__(self, conversation: Conversation, terms: Terms, ask: Ask, account: str = OWN) -> None:
        self._conversation = conversation
        self._standing = conversation.standing(account)
        self._account = account
        self._signer = terms.party(account).signer
        self._terms = terms
        self._ask = ask

    async def establish(self) -> None:
        """Measure the clock, log on, subscribe. Raises Rejected for a refusal that may pass and LogonRefused for one
        that will not; OutcomeUnknown and AskTimeout mean that this socket is not worth another attempt."""
        for _ in range(CLOCK_QUESTIONS):
            await self._demand(Method.TIME)
        if self._logs_on:
            await self._demand(Method.SESSION_LOGON)
            self._conversation.is_logged_on = True
            await self._subscribe(Method.USER_DATA_STREAM_SUBSCRIBE)
        elif self._signer is not None:
            await self._subscribe(Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE)
        if self._standing.has_stream_ended:
            raise OutcomeUnknown("the stream of the account's events ended as it began")

    async def check_key(self) -> None:
        """Ask in a way that changes nothing whether the key is still good. Raises as `establish` does."""
        if self._logs_on:
            await self._demand(Method.SESSION_LOGON)
        elif self._signer is not None:
            await self._subscribe(Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE)

    @property
    def _logs_on(self) -> bool:
        """One account can be logged on on a connection; others ask with signatures of their own."""
        return self._account == OWN and self._signer is not None and self._signer.can_log_on

    async def _subscribe(self, method: Method) -> None:
        self._standing.has_stream_ended = False
        try:
            await self._demand(method)
        except Rejected as refusal:
            if refusal.code != SUBSCRIBED_ALREADY:
                raise
            conversation = self._conversation
            if conversation.further and self._account not in conversation.subscriptions.values():
                raise LogonRefused(
                    "the key is of an account that this session speaks for already", hint=ONE_KEY
                ) from None

    async def _demand(self, method: Method) -> Response:
        await trio.sleep(self._terms.barred_s())
        response = await self._ask(Call(method=method, account=self._account))
        # The socket may have been lost after the answer, in the same scheduler pass: then the answer means nothing.
        await trio.lowlevel.checkpoint_if_cancelled()
        error = response.error
        if error is None:
            return response
        raise refusal_of(error, names_key=DECLARATIONS[method].security is Security.SIGNED)


def refusal_of(error: ExchangeError, *, names_key: bool) -> LogonRefused | Rejected:
    """What a refusal means: of the key itself, if the request named one, or for a reason that may pass."""
    is_clock_wrong = is_about_the_clock(error.code, error.message)
    if names_key and error.code in NEVER_WITH_THIS_KEY and not is_clock_wrong:
        return LogonRefused(f"the exchange refuses the API key: {error.message} [{error.code}]", hint=error.hint)
    return Rejected(error.code, error.message)
