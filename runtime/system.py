"""A running tree, from its checked description to the end of the last actor. Supervision itself is in supervisor.py.

The tree's nursery stands inside a shielded scope. A sentinel task outside the shield turns a cancellation from
outside into a request to stop in order.
"""

import logging
import random as standard_random
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trio

from dogwatch.runtime.child import Child, Surroundings
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.life import described
from dogwatch.runtime.lifecycle import Exited, LifecycleEvent, Reason, RestartScheduled
from dogwatch.runtime.logger import Logger, StandardLogger
from dogwatch.runtime.specs import SupervisorSpec, check_spec
from dogwatch.runtime.supervisor import Supervisor
from dogwatch.runtime.sweep import sweep
from dogwatch.runtime.topic import Topic
from dogwatch.runtime.tree import TreeNode


def run_system(
    spec: SupervisorSpec,
    *,
    events: Topic[LifecycleEvent] | None = None,
    random: Callable[[], float] = standard_random.random,
    logger_for: Callable[[str], Logger] = StandardLogger,
) -> "System":
    """The system of this tree, to be used as `async with run_system(spec) as system:`.

    The block is entered when every actor has acknowledged its start. At its end, however it ends, the tree is
    stopped in reverse order. If the tree fails, the block is cancelled and the failure raised: StartFailed,
    ConfigError, RestartsExhausted. Raises SpecError before anything starts.

    `random` gives [0, 1) for the jitter of back-offs; `logger_for(path)` makes the logger of an actor; lifecycle
    events go to `events`.
    """
    return System(spec, events=events, random=random, logger_for=logger_for)


class System:
    """One tree, run once: as a context manager, or by `run` in a task of its own."""

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        events: Topic[LifecycleEvent] | None = None,
        random: Callable[[], float] = standard_random.random,
        logger_for: Callable[[str], Logger] = StandardLogger,
    ) -> None:
        check_spec(spec)
        self.events: Topic[LifecycleEvent] = events or Topic("lifecycle")
        self._surroundings = Surroundings(events=self.events, random=random, logger_for=logger_for)
        self._logger_for = logger_for
        self._written_down: Exception | None = None
        self.root = Supervisor(spec, "", self._surroundings)
        self.failure: Exception | None = None
        self._stop_requested = False
        self._begun = False
        self._started_or_ended = trio.Event()
        self._root_moved = trio.Event()
        self._root_ended = trio.Event()
        self._ended = trio.Event()
        self._block = trio.CancelScope()

    def stop(self, *, at_once: bool = False) -> None:
        """Ask for the end: in reverse order and with time for goodbyes, or `at_once`. May be called repeatedly."""
        self._stop_requested = True
        if self.root.alive:
            if at_once:
                self.root.kill()
            else:
                self.root.request_stop(for_good=True)

    async def wait_ended(self) -> None:
        """Wait until the last actor has ended, for whatever reason."""
        await self._ended.wait()

    @property
    def ended(self) -> Reason | None:
        """Why the tree has ended, None while it runs: NORMAL means that it shut itself down."""
        return self.root.reason if self._ended.is_set() else None

    def tree(self) -> TreeNode:
        """A snapshot of every member."""
        return self.root.node()

    async def run(self, *, task_status: "trio.TaskStatus[System]" = trio.TASK_STATUS_IGNORED) -> None:
        """Run the tree until it ends; a cancellation stops it in order. Raises what made it fail."""
        self._claim()
        try:
            await self._conduct(task_status)
        finally:
            # The real reason goes before a cancellation that came at the same time.
            if self.failure is not None:
                raise self.failure

    async def __aenter__(self) -> Self:
        self._claim()
        self._host = trio.open_nursery()
        nursery = await self._host.__aenter__()
        nursery.start_soon(self._conduct, trio.TASK_STATUS_IGNORED, name=f"{self.root.path} (system)")
        try:
            await self._started_or_ended.wait()
        except BaseException:
            await self._leave()
            if self.failure is not None:
                raise self.failure from None
            raise
        if self.failure is not None:
            await self._leave()
            raise self.failure
        self._block.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._block.__exit__(kind, error, traceback)  # cancelled only if the tree failed
        finally:
            cancelled = await self._leave()
            # The real reason comes out, and alone: the tree's failure, else what the block raised.
            if self.failure is not None and not _goes_first(error):
                raise self.failure
            if cancelled is not None and error is None:
                raise cancelled

    def _claim(self) -> None:
        if self._begun:
            raise RuntimeError("a system runs once: make a new one, with new specs")
        self._begun = True

    async def _leave(self) -> BaseException | None:
        """Stop the tree and wait for its end; gives the cancellation from outside, if there was one."""
        self.stop()
        with trio.CancelScope(shield=True):  # bounded by the stop times of the tree, or by stop(at_once=True)
            await self._ended.wait()
        try:
            await self._host.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            cancelled, others = group.split(trio.Cancelled)
            if others is not None:  # KeyboardInterrupt, or another that no supervisor may catch
                raise _alone(others) from None
            return cancelled and _alone(cancelled)
        return None

    async def _conduct(self, task_status: "trio.TaskStatus[System]") -> None:
        writing_down = self.events.tap(self._write_down, on_error=_defect)
        try:
            async with trio.open_nursery() as outside:
                outside.start_soon(self._sentinel, name=f"{self.root.path} (system sentinel)")
                with trio.CancelScope(shield=True):
                    async with trio.open_nursery() as inside:
                        inside.start_soon(sweep, self._surroundings.timers, name=f"{self.root.path} (timers)")
                        self.root.spawn(inside, self._root_changed)
                        if self._stop_requested:
                            self.stop()
                        await self._root_moved.wait()
                        if self.root.alive:
                            self._started_or_ended.set()
                        if self.failure is None:  # it has started, and may have come to its end already
                            task_status.started(self)
                        await self._root_ended.wait()
                        inside.cancel_scope.cancel()
                outside.cancel_scope.cancel()
        finally:
            self.root.close()
            writing_down.close()  # the topic may outlive this system, and serve the next
            self._started_or_ended.set()
            self._ended.set()

    async def _sentinel(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.stop()

    def _root_changed(self, root: Child, _unexpected: bool) -> None:
        self._root_moved.set()
        if not root.alive:
            self.failure = root.error
            self._root_ended.set()
            if self.failure is not None:
                self._block.cancel()

    def _write_down(self, event: LifecycleEvent) -> None:
        """What an operator has to know even if nobody listens to the events."""
        if isinstance(event, Exited) and event.error is not None:
            if event.error is self._written_down:
                return  # the same failure, passed on by the supervisors above
            self._written_down = event.error
            log = self._logger_for(event.path)
            if isinstance(event.error, ConfigError):
                log.info("cannot go on", reason=str(event.error))  # whoever runs the system hears it from us as well
            else:
                log.error("crashed", life=event.life, error=described(event.error), exc_info=event.error)
        elif isinstance(event, RestartScheduled):
            self._logger_for(event.path).warning("restarts", in_s=round(event.delay_s, 3))


def _alone(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _goes_first(error: BaseException | None) -> bool:
    """Neither an Exception nor a cancellation, alone or in a group: KeyboardInterrupt and its like."""
    if isinstance(error, BaseExceptionGroup):
        return error.split((Exception, trio.Cancelled))[1] is not None
    return error is not None and not isinstance(error, Exception | trio.Cancelled)


def _defect(error: Exception) -> None:
    logging.getLogger("dogwatch").error("the logger itself failed: %r", error)
