"""Somebody who takes Calls, over WebSocket or over REST, without the tree of a trading process around: for single
questions.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from dogwatch.actors.connection import ConnectFailed, ConnectionState, Disconnected
from dogwatch.actors.dialler import Door
from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.session_messages import LogonFailed, SessionReady, Speaker
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system

if TYPE_CHECKING:
    from dogwatch.actors.rest_wire import RestDoor

__all__ = ["calling"]


@asynccontextmanager
async def calling(
    door: "Door | RestDoor", *, signer: Signer | None, clock: Clock, within_s: float
) -> AsyncIterator[ActorRef[Speaker]]:
    """Somebody who is ready to take calls, until the block ends. `signer` None: public methods only.

    Raises NotSent when nobody is within this time, with what stood in the way, and ConfigError for a refused key. Over
    REST both show only when something is asked.
    """
    if not isinstance(door, Door):
        # Imported here: it takes a tenth of a second, which nobody owes who does not use it.
        from dogwatch.actors.rest_link import rest_caller

        rest = rest_caller("rest", door=door, signer=signer, clock=clock)
        async with run_system(SupervisorSpec("dogwatch", [rest])):
            yield rest.ref
        return
    link = api_link(
        "link",
        dial=door.dial,
        host=door.host,
        resource=door.resource,
        alternative=door.alternative,
        clock=clock,
        signer=signer,
    )
    obstacle = Obstacle(link)
    async with run_system(SupervisorSpec("dogwatch", [link.spec])):
        with trio.move_on_after(within_s) as waiting:
            await obstacle.none()
        if waiting.cancelled_caught:
            raise NotSent(f"no session within {within_s:g} s: {obstacle.reason}", hint=obstacle.hint)
        yield link.session


class Obstacle:
    """What stands between a link and its session, as last heard."""

    def __init__(self, link: ApiLink) -> None:
        self.reason = "the exchange has not answered"
        self.hint = "check this machine's network"
        self._ready = trio.Event()
        link.topics.states.tap(self._note_session, on_error=_fail)
        for line in link.lines:
            line.topics.states.tap(self._note_line, on_error=_fail)

    async def none(self) -> None:
        """Wait until there is none."""
        await self._ready.wait()

    def _note_session(self, state: Any) -> None:
        if isinstance(state, SessionReady):
            self._ready.set()
        elif isinstance(state, LogonFailed):
            self.reason, self.hint = state.reason, state.hint

    def _note_line(self, state: ConnectionState) -> None:
        if isinstance(state, ConnectFailed):
            self.reason, self.hint = state.reason, state.hint
        elif isinstance(state, Disconnected):
            self.reason, self.hint = state.reason, ""


def _fail(error: Exception) -> None:
    raise error
