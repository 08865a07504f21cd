"""Standings: keeps the accounts of a session where they can trade, on the socket that carries.

The session's own account logs on where its key can. Each further one has a subscription of its own, made by a
signature, and signs each of its requests. What is one's never mixes with another's. How an account stands on a socket
is in conversation.py, how it gets there in logon.py and logon_keeper.py.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import trio

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.logon import LogonRefused
from dogwatch.actors.logon_keeper import LogonKeeper
from dogwatch.actors.session_messages import Call, SessionLost, SessionReady, SessionState, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.terms import OWN, Terms
from dogwatch.runtime.logger import Logger

__all__ = ["FurtherAccount", "Standings"]


@dataclass(frozen=True, kw_only=True)
class FurtherAccount:
    """Who signs for it, and what a session publishes of it. Made where the link is built, as the session's own."""

    signer: Signer
    topics: SessionTopics


class Standings:
    """Of all accounts of one session; `ask(epoch, call)` asks on exactly one socket."""

    def __init__(
        self, terms: Terms, ask: Callable[[int, Call], Awaitable[Response]], tasks: trio.Nursery, log: Logger
    ) -> None:
        self._terms = terms
        self._tasks = tasks
        self._log = log
        self._keepers = {name: LogonKeeper(terms, ask, log, account=name) for name in (OWN, *terms.further)}

    def begin(self, conversation: Conversation) -> None:
        """It carries now, and where the accounts stand there is not known."""
        for account in self._keepers:
            self.establish_anew(conversation, account)

    def establish_anew(self, conversation: Conversation, account: str) -> None:
        """Log on, or subscribe, again, until that works."""
        standing = conversation.standing(account)
        standing.establishing.cancel()
        standing.establishing = trio.CancelScope()
        self._tasks.start_soon(self._establish, conversation, account, standing.establishing)

    def heard_on(self, conversation: Conversation) -> list[str]:
        """Those whose events come over this one."""
        return [
            name
            for name in self._keepers
            if self._terms.party(name).signer is not None and conversation.is_ready_for(name)
        ]

    async def prepare(self, newer: Conversation, accounts: Iterable[str]) -> list[str]:
        """Make a socket that is to carry fit for these accounts, and for the session's own in any case.

        Returns the further ones whose keys are refused; they cannot move along. Raises what else stands in the way.
        """
        await self._keepers[OWN].logon(newer).establish()
        refused = []
        for account in accounts:
            try:
                if account != OWN:
                    await self._keepers[account].logon(newer).establish()
            except LogonRefused as refusal:
                self._log.warning("an account does not move along", account=account, reason=refusal.message)
                refused.append(account)
        return refused

    def move(self, former: Conversation, to: Conversation) -> None:
        """Another one carries. A further account that does not stand there is lost, and established there."""
        for account in to.further:
            former.further[account].establishing.cancel()
            if not to.further[account].is_ready:
                self.lose(former, account, "its events do not come over the socket that carries now")
                self.establish_anew(to, account)

    def end(self, conversation: Conversation) -> list[str]:
        """Its socket is gone. Returns the accounts that could trade there."""
        stood = [account for account in self._keepers if conversation.is_ready_for(account)]
        for account in self._keepers:
            standing = conversation.standing(account)
            standing.establishing.cancel()
            standing.is_ready = False
        return stood

    def tell_lost(self, accounts: Iterable[str], epoch: int, reason: str, *, unless_on: Conversation | None) -> None:
        """These cannot trade any more, unless they stand on the socket that carries now."""
        for account in accounts:
            if unless_on is None or not unless_on.is_ready_for(account):
                self._publish(account, SessionLost(epoch=epoch, reason=reason))

    def lose(self, conversation: Conversation, account: str, reason: str) -> None:
        """The account cannot trade here any more, if it could."""
        standing = conversation.standing(account)
        if standing.is_ready:
            standing.is_ready = False
            self._publish(account, SessionLost(epoch=conversation.epoch, reason=reason))

    def doubt_key(self, conversation: Conversation, account: str, restore: Callable[[str], None]) -> None:
        """An answer says something against its key: find out whether it is refused, and `restore` with the reason."""
        keeper = self._keepers[account]
        if conversation.is_ready_for(account) and keeper.doubts_key():
            self._tasks.start_soon(self._check_key, keeper, conversation, restore)

    async def _check_key(self, keeper: LogonKeeper, conversation: Conversation, restore: Callable[[str], None]) -> None:
        refusal = await keeper.key_refusal(conversation)
        if refusal:
            restore(refusal)

    async def _establish(self, conversation: Conversation, account: str, scope: trio.CancelScope) -> None:
        with scope:
            await self._keepers[account].establish(conversation)
            conversation.standing(account).is_ready = True
            offset_ms = round(self._terms.server_clock.offset_ms, 1)
            self._log.info("session ready", **named(account), epoch=conversation.epoch, clock_offset_ms=offset_ms)
            self._publish(account, SessionReady(epoch=conversation.epoch))

    def _publish(self, account: str, state: SessionState) -> None:
        self._terms.party(account).topics.states.publish(state)


def named(account: str) -> dict[str, Any]:
    """A further account's name, for the log."""
    return {"account": account} if account else {}
