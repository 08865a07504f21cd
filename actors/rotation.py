"""Rotation: has a link speak over a new socket before the exchange cuts the old one, make before break.

It knows lines and the link's owner, which does the speaking, only by messages: the same for the WebSocket API and for
market streams. When a socket is due is decided in spot/rotation_plan.py, what its owner does in session.py and
market_data.py.
"""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, ClassVar

import trio

from dogwatch.actors.connection import Close, ConnectFailed, ConnectionState, Disconnected, Open
from dogwatch.actors.line import Line
from dogwatch.actors.progress import elapsed
from dogwatch.actors.rotation_messages import (
    Adopt,
    Carrying,
    NotReleased,
    Release,
    Rotated,
    RotateNow,
    RotationFailed,
    RotationTopics,
)
from dogwatch.actors.spot.rotation_plan import RotationRules, Step, next_step
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import AskTimeout, DogwatchError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.ref import ActorRef

__all__ = ["Rotation"]

OPEN_WITHIN_S = 30.0
ANSWER_WITHIN_S = 5.0
CLOSED_LOOKS, CLOSED_LOOK_S = 100, 0.05
ADOPT_WITHIN_S = 60.0
RELEASE_WITHIN_S = 120.0
LOOK_EVERY_S = 600.0
"""How often the plan is looked at again although nothing has happened: somebody may have set the wall clock."""


class NotOpened(DogwatchError):
    """The idle line gave no socket."""


class Socket:
    """The one that carries: what is known of it that matters for its end."""

    def __init__(self, line: Line, epoch: int, opened_s: float, draw: float) -> None:
        self.line = line
        self.epoch = epoch
        self.opened_s = opened_s
        self.draw = draw
        self.failures = 0
        self.failed_s = 0.0
        self.is_alarmed = False


class Rotation(Actor):
    """Rotates between the two `lines` of the link that `owner` speaks over, by `rules`; `random` draws the jitter. One
    line always stands; of a spare link only when the owner has opened it.

    While nothing can be made, the old socket stays, attempts back off, and one alarm comes before the cut-off does.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("notices", accepts=(RotateNow,), capacity=64),)

    def __init__(
        self,
        *,
        owner: ActorRef[Any],
        lines: Sequence[Line],
        topics: RotationTopics,
        rules: RotationRules,
        clock: Clock,
        random: Random | None = None,
        is_spare: bool = False,
    ) -> None:
        self._owner = owner
        self._lines = lines
        self._topics = topics
        self._rules = rules
        self._clock = clock
        self._random = random or Random()
        self._is_spare = is_spare
        self._changed = trio.Event()
        self._notices: dict[int, str] = {}  # by epoch
        self._socket: Socket | None = None
        self._rotations = self._failures = 0

    async def on_start(self) -> None:
        for line in self._lines:
            self.tap(line.topics.states, partial(self._follow, line))
        self.tap(self._topics.wanted, self.on_rotate_now)
        if self._topics.wanted.last is not None:
            self.on_rotate_now(self._topics.wanted.last)
        self.tasks.start_soon(self._keep_rotating)

    def on_rotate_now(self, notice: RotateNow) -> None:
        socket = self._socket
        epoch = notice.epoch if notice.epoch is not None or socket is None else socket.epoch
        if epoch is not None and epoch not in self._notices and epoch in (line.topics.epoch for line in self._lines):
            self.log.info("a socket will not last", epoch=epoch, reason=notice.reason)
            self._notices[epoch] = notice.reason
            self._tell_change()

    def statistics(self) -> dict[str, Any]:
        socket = self._socket
        step = None if socket is None else self._step(socket)
        return {
            "line": None if socket is None else socket.line.name,
            "epoch": None if socket is None else socket.epoch,
            "rotations": self._rotations,
            "failures": self._failures,
            "next_in_s": None if step is None else round(step.wait_s),
            "cut_off_in_s": None if step is None else round(step.cut_off_in_s),
        }

    def summary(self) -> str:
        socket = self._socket
        return "" if socket is None else f"next {elapsed(self._step(socket).wait_s)}"

    def _follow(self, line: Line, state: ConnectionState) -> None:
        if isinstance(state, Disconnected):
            self._notices.pop(state.epoch, None)
        self._tell_change()

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # Waiting until it is time.

    async def _keep_rotating(self) -> None:
        # A life before may have ended in the middle of a rotation.
        await self._close_idle("the rotation begins anew")
        while True:
            socket = self._socket = await self._next_socket()
            while (reason := await self._until_due(socket)) is not None:
                if await self._rotate(socket, reason):
                    break

    async def _next_socket(self) -> Socket:
        while True:
            changed = self._changed
            epoch = await self._carrying()
            line = self._line_of(epoch)
            if line is not None and epoch is not None:
                opened_s = line.topics.opened_s
                return Socket(line, epoch, trio.current_time() if opened_s is None else opened_s, self._random.random())
            await changed.wait()

    async def _until_due(self, socket: Socket) -> str | None:
        """Returns why a rotation is to begin now; None when the socket is gone or does not carry any more."""
        while True:
            changed = self._changed
            if socket.line.topics.epoch != socket.epoch:
                return None
            step = self._step(socket)
            if step.wait_s <= 0:
                return step.reason
            with trio.move_on_after(min(step.wait_s, LOOK_EVERY_S)):
                await changed.wait()

    def _step(self, socket: Socket) -> Step:
        now_s = trio.current_time()
        return next_step(
            self._rules,
            age_s=now_s - socket.opened_s,
            unix_s=self._clock.unix_us() / 1e6,
            draw=socket.draw,
            notice=self._notices.get(socket.epoch, ""),
            failures=socket.failures,
            failed_ago_s=now_s - socket.failed_s,
        )

    # Rotating.

    async def _rotate(self, old: Socket, reason: str) -> bool:
        """Returns whether the link has left the old socket."""
        began_s = trio.current_time()
        line = next(line for line in self._lines if line is not old.line)
        self.log.info("rotating", epoch=old.epoch, reason=reason)
        try:
            epoch = await self._open(line, reason)
            await self._owner.ask(Adopt(epoch=epoch), within_s=ADOPT_WITHIN_S)
            is_seamless = old.line.topics.epoch == old.epoch
            took_s = trio.current_time() - began_s
            await self._owner.ask(Release(epoch=old.epoch), within_s=RELEASE_WITHIN_S)
        except DogwatchError as failure:
            if await self._close_idle("the rotation has failed") != old.epoch:
                return True
            self._note_failure(old, failure)
            return False
        await self._close_idle("rotated")
        self._rotations += 1
        self.log.info("rotated", epoch=epoch, from_epoch=old.epoch, took_s=round(took_s, 3), is_seamless=is_seamless)
        self._topics.rotated.publish(
            Rotated(old_epoch=old.epoch, new_epoch=epoch, reason=reason, took_s=took_s, is_seamless=is_seamless)
        )
        return True

    async def _open(self, line: Line, reason: str) -> int:
        """Have a socket made on this line; returns its epoch."""
        problem = ""
        hint = "check this machine's network"
        line.connection.tell(Open(reason=reason))
        with trio.move_on_after(OPEN_WITHIN_S):
            while True:
                changed = self._changed
                if line.topics.epoch is not None:
                    return line.topics.epoch
                state = line.topics.states.last
                if isinstance(state, ConnectFailed):
                    problem, hint = f": {state.reason}", state.hint
                await changed.wait()
        raise NotOpened(f"no new connection within {OPEN_WITHIN_S:g} s{problem}", hint=hint)

    async def _close_idle(self, reason: str) -> int | None:
        """Close the line that does not carry, and keep the other one open. Returns the epoch that carries, if any."""
        while True:
            epoch = await self._carrying()
            wanted = [line for line in self._lines if line.topics.is_wanted]
            kept = self._line_of(epoch) or (wanted or self._lines)[0]
            idle = [line for line in wanted if line is not kept]
            if not idle:
                if wanted or not self._is_spare:
                    kept.connection.tell(Open(reason="one line has to stand"))
                return epoch
            if await self._let_go(idle[0]):
                await self._close(idle[0], reason)

    async def _let_go(self, line: Line) -> bool:
        """Let the owner have the answers that it still waits for on a socket that is to be closed. False: it must
        not be, the owner speaks over it."""
        epoch = line.topics.epoch
        try:
            if epoch is not None:
                await self._owner.ask(Release(epoch=epoch), within_s=RELEASE_WITHIN_S)
        except NotReleased:
            return False
        except AskTimeout:
            self.log.warning("closed with answers outstanding", epoch=epoch)
        return True

    async def _close(self, line: Line, reason: str) -> None:
        """Returns when it is done, or cannot be now: a connection that has crashed closes in its next life."""
        line.connection.tell(Close(reason=reason))
        for _ in range(CLOSED_LOOKS):
            if not line.topics.is_wanted and line.topics.epoch is None:
                return
            await trio.sleep(CLOSED_LOOK_S)

    async def _carrying(self) -> int | None:
        while True:
            try:
                return await self._owner.ask(Carrying(), within_s=ANSWER_WITHIN_S)
            except AskTimeout as failure:
                self.log.warning("the owner of the link is busy", reason=failure.message)

    def _line_of(self, epoch: int | None) -> Line | None:
        return next((line for line in self._lines if epoch is not None and line.topics.epoch == epoch), None)

    def _note_failure(self, socket: Socket, failure: DogwatchError) -> None:
        self._failures += 1
        socket.failures += 1
        socket.failed_s = trio.current_time()
        step = self._step(socket)
        facts = {
            "epoch": socket.epoch,
            "reason": failure.message,
            "hint": failure.hint,
            "attempts": socket.failures,
            "retry_in_s": round(step.wait_s, 1),
            "cut_off_in_s": round(step.cut_off_in_s),
        }
        if step.is_alarming and not socket.is_alarmed:
            socket.is_alarmed = True
            self.log.error("this connection will be cut, and no other can be made", **facts)
        else:
            self.log.warning("not rotated", **facts)
        self._topics.failed.publish(
            RotationFailed(
                reason=failure.message,
                hint=failure.hint,
                attempts=socket.failures,
                retry_in_s=step.wait_s,
                cut_off_in_s=step.cut_off_in_s,
            )
        )
