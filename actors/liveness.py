"""Liveness: asks the sockets of a link something when they have answered nothing for a while, and has those replaced
that do not answer.

The pong hears whether the peer speaks; this is about whether it listens. A peer that sends its pings and events and
reads nothing, or whose half of the connection towards it is dead, looks alive until somebody needs an answer. And a
machine that has slept has dead sockets that look as they did before.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import trio

from dogwatch.actors.connection import Connected, ConnectionState, Disconnected, Reconnect
from dogwatch.actors.line import Line
from dogwatch.actors.probe import Probe
from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import AskTimeout, DogwatchError
from dogwatch.runtime.ref import ActorRef

__all__ = ["Liveness"]

ASK_AGAIN_S = 5.0
"""How long after a probe that could not be sent the next one comes."""
LAST_LOOK_S = 1.0
"""The end of a silence. An event loop that was held up over it reads in this second what has come meanwhile."""
UNASKED_S_MAX = 300.0
"""A socket on which its owner can send nothing for so long is of no use, whatever the reason. Rotations are shorter."""
SLEEP_S_MAX = 80.0
"""Whoever has answered no ping for a minute was cut; there is one every 20 s (WebSocket API, General information)."""
LOOK_EVERY_S = 10.0
"""How often to look whether the machine has slept."""


class Liveness(Actor):
    """Probes each socket of the `lines` that has answered nothing for `probe_after_s` seconds, through the `owner`.

    One that has then answered nothing for `silence_s_max` seconds in all is given up: its connection dials again. It is
    asked once more for the last second of them, so that a held-up event loop of ours is not taken for a silent server.
    Two thirds of `silence_s_max` pass before a probe unless `probe_after_s` says otherwise; math.inf means never.

    When `clock` tells that the machine was suspended for longer than the exchange waits, no socket is asked any more:
    all are given up.
    """

    def __init__(
        self,
        *,
        owner: ActorRef[Any],
        lines: Sequence[Line],
        clock: Clock,
        silence_s_max: float = 45.0,
        probe_after_s: float | None = None,
    ) -> None:
        self._owner = owner
        self._lines = lines
        self._clock = clock
        self._probe_after_s = silence_s_max * 2 / 3 if probe_after_s is None else probe_after_s
        self._silence_s_max = silence_s_max
        self._watching: dict[int, trio.CancelScope] = {}
        self._probes = self._postponed = self._given_up = 0

    async def on_start(self) -> None:
        for line in self._lines:
            self.tap(line.topics.states, partial(self._follow, line))
            if line.topics.epoch is not None:
                self._begin(line, line.topics.epoch)
        self.tasks.start_soon(self._watch_for_sleep)

    def statistics(self) -> dict[str, Any]:
        return {
            "watched": sorted(self._watching),
            "probes": self._probes,
            "postponed": self._postponed,
            "given_up": self._given_up,
        }

    def _follow(self, line: Line, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            self._begin(line, state.epoch)
        elif isinstance(state, Disconnected):
            self._end(state.epoch)

    def _begin(self, line: Line, epoch: int) -> None:
        scope = self._watching[epoch] = trio.CancelScope()
        self.tasks.start_soon(self._watch, line, epoch, scope)

    def _end(self, epoch: int) -> None:
        scope = self._watching.pop(epoch, None)
        if scope is not None:
            scope.cancel()

    async def _watch(self, line: Line, epoch: int, while_it_stands: trio.CancelScope) -> None:
        with while_it_stands:
            answered_s = trio.current_time()
            while True:
                await trio.sleep_until(answered_s + self._probe_after_s)
                try:
                    answered_s = await self._probe(Probe(epoch=epoch, since_s=answered_s))
                except AskTimeout:
                    reason = f"no request was answered for {self._silence_s_max:.0f} s"
                    break
                except DogwatchError as failure:
                    reason = f"nothing could be asked for {UNASKED_S_MAX:.0f} s: {failure.message}"
                    break
            self._give_up(line, epoch, reason)

    async def _probe(self, probe: Probe) -> float:
        """When the socket has answered. Raises AskTimeout when it does not, although it was asked, and why it cannot be
        asked when that goes on for too long."""
        hopeless_s = trio.current_time() + UNASKED_S_MAX
        within_s = self._silence_s_max - self._probe_after_s - LAST_LOOK_S
        while True:
            self._probes += 1
            try:
                return await self._owner.ask(probe, within_s=within_s)
            except AskTimeout:
                if within_s == LAST_LOOK_S:
                    raise
                within_s = LAST_LOOK_S
            except DogwatchError as failure:
                if trio.current_time() >= hopeless_s and not is_held_back(failure):
                    raise
                self._postponed += 1
                self.log.debug("not probed", epoch=probe.epoch, reason=failure.message)
                await trio.sleep(ASK_AGAIN_S)

    def _give_up(self, line: Line, epoch: int, reason: str) -> None:
        self._given_up += 1
        self.log.warning("given up", epoch=epoch, reason=reason)
        line.connection.tell(Reconnect(epoch=epoch, reason=reason))

    async def _watch_for_sleep(self) -> None:
        seen_s = self._clock.asleep_s()
        while True:
            await trio.sleep(LOOK_EVERY_S)
            before_s, seen_s = seen_s, self._clock.asleep_s()
            slept_s = seen_s - before_s
            if slept_s >= SLEEP_S_MAX:
                for line in self._lines:
                    if line.topics.epoch is not None:
                        self._give_up(line, line.topics.epoch, f"this machine was suspended for {slept_s:.0f} s")


def is_held_back(failure: DogwatchError) -> bool:
    """Whether a limit of the exchange is the reason, which says when it will be possible again."""
    return isinstance(failure, NotSent) and failure.retry_after_s is not None
