"""The pong: answers every ping at once with its payload, and notices silence. Who pings and how is in connection.py.

The exchange pings every 20 s and cuts the connection after 60 s without a pong (WebSocket API, General information).
"""

import math
from typing import Any

import trio

from dogwatch.actors.connection import (
    Connected,
    Connection,
    ConnectionState,
    ConnectionTopics,
    Disconnected,
    FrameBatch,
    PingReceived,
    Reconnect,
    TransmitPong,
)
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.ref import ActorRef

__all__ = ["Pong"]

LAST_LOOK_S = 1.0
"""The end of a silence. An event loop that was held up over it reads in this second what has come meanwhile."""


class Pong(Actor):
    """Owns the replies to pings and the liveness clock of one connection.

    When nothing at all, neither ping nor message, has arrived for `silence_s_max` seconds, the connection is told to
    reconnect: by default after more than two missing pings, well before the exchange itself would cut.
    """

    def __init__(
        self, *, connection: ActorRef[Connection], topics: ConnectionTopics, silence_s_max: float = 45.0
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._silence_s_max = silence_s_max
        self._epoch = 0  # 0: no socket stands
        self._heard_s = -math.inf
        self._woken = trio.Event()
        self._pings = 0
        self._unanswered = 0
        self._last_ping_s: float | None = None

    async def on_start(self) -> None:
        # Taps and not the mailbox: the answer is on its way before the reader goes on.
        self.tap(self._topics.states, self._follow)
        self.tap(self._topics.pings, self._answer)
        self.tap(self._topics.frames, self._hear)
        if self._topics.epoch is not None:
            self._follow(Connected(epoch=self._topics.epoch))
        self.tasks.start_soon(self._watch_for_silence)

    def statistics(self) -> dict[str, Any]:
        now_s = trio.current_time()
        return {
            "pings": self._pings,
            "unanswered": self._unanswered + self._topics.unanswered_pings,
            "last_ping_age_s": None if self._last_ping_s is None else now_s - self._last_ping_s,
            "silence_s": now_s - self._heard_s if self._epoch else 0.0,
        }

    def _answer(self, ping: PingReceived) -> None:
        self._pings += 1
        self._last_ping_s = self._heard_s = ping.received_s
        try:
            self._connection.tell(TransmitPong(epoch=ping.epoch, payload=ping.payload))
        except MailboxFull:
            self._unanswered += 1  # a flood of pings; RFC 6455, 5.5.3 asks for the latest only

    def _hear(self, batch: FrameBatch) -> None:
        self._heard_s = batch.received_s

    def _follow(self, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            self._epoch = state.epoch
            self._heard_s = trio.current_time()
            self._woken.set()
        elif isinstance(state, Disconnected) and state.epoch == self._epoch:
            self._epoch = 0

    async def _watch_for_silence(self) -> None:
        while True:
            if not self._epoch:
                self._woken = trio.Event()
                await self._woken.wait()
            epoch, heard_s = self._epoch, self._heard_s
            await trio.sleep_until(heard_s + self._silence_s_max - LAST_LOOK_S)
            if self._is_silent(epoch, heard_s):
                # Slept, and not waited until: an event loop that was held up has then read what came meanwhile.
                await trio.sleep(LAST_LOOK_S)
                if self._is_silent(epoch, heard_s):
                    self._give_up(epoch)

    def _is_silent(self, epoch: int, heard_s: float) -> bool:
        return self._epoch == epoch and self._heard_s == heard_s

    def _give_up(self, epoch: int) -> None:
        self._epoch = 0
        silence_s = trio.current_time() - self._heard_s
        self.log.warning("silence", epoch=epoch, silence_s=round(silence_s, 1))
        self._connection.tell(Reconnect(epoch=epoch, reason=f"nothing was heard for {silence_s:.0f} s"))
