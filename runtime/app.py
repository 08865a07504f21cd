"""The process around a run: signals, the order of stopping, a deadline that holds, exit codes.

The first SIGINT, SIGTERM or SIGHUP (the terminal has gone) asks for an ordered stop, the second for the end at once, a
third ends the process as it stands. Under `nohup` SIGHUP stays ignored. What is stopped, and how, is the business of
who registers with `App.stops`.
"""

import faulthandler
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import trio
from trio.abc import Clock, Instrument

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALLED = 128
"""Added to the number of the signal, as shells do: what ends at once by SIGINT has the exit code 130."""
OVERDUE = 124
"""The exit code when the ordered stop took too long and was cut short; the code that `timeout` uses."""
LAST_RESORT_S = 5.0


class Stoppable(Protocol):
    """What can be asked to end, in order or at once. Both come from the loop, and may come more than once."""

    def stop(self, *, at_once: bool = False) -> None: ...


class App:
    """What `main` sees of the process. Made by `run_app`."""

    def __init__(self, stop_within_s: float) -> None:
        self.stop_requested = trio.Event()
        """Set by the first signal, or by `request_stop`."""
        self._stop_within_s = stop_within_s
        self._end_requested = trio.Event()
        self._stoppables: list[Stoppable] = []
        self._everything = trio.CancelScope()
        self._signals: list[int] = []
        self._overdue = False

    @contextmanager
    def stops(self, what: Stoppable | trio.CancelScope) -> Iterator[None]:
        """Within the block, `what` is stopped by a signal; at once if that was asked for before.

        A cancel scope serves for what needs no order: `with trio.CancelScope() as scope, app.stops(scope): …`.
        While nothing is registered, the first signal cancels `main`.
        """
        stoppable = _ScopeStopper(what) if isinstance(what, trio.CancelScope) else what
        self._stoppables.append(stoppable)
        if self.stop_requested.is_set():
            stoppable.stop(at_once=self._end_requested.is_set())
        try:
            yield
        finally:
            self._stoppables.remove(stoppable)

    def request_stop(self) -> None:
        """Ask for the ordered stop from inside, as the first signal does from outside."""
        self.stop_requested.set()

    async def run(self, main: "Main") -> int:
        """Run `main` until it returns, or until a stop is at its end. Used by `run_app`."""
        code: int | None = None
        failure: Exception | None = None
        with self._signals_handled():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._conduct_stop)
                with self._everything:
                    try:
                        code = await main(self)
                    except Exception as error:  # noqa: BLE001  # raised below, where no nursery wraps it in a group
                        failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._code_of_a_cut() if code is None or self._end_requested.is_set() else code

    def _code_of_a_cut(self) -> int:
        if self._overdue:
            return OVERDUE
        return SIGNALLED + self._signals[-1] if self._signals else 0

    async def _conduct_stop(self) -> None:
        await self.stop_requested.wait()
        if not self._stoppables:
            self._everything.cancel()
        for stoppable in [*self._stoppables]:
            stoppable.stop()
        with trio.move_on_after(self._stop_within_s) as patience:
            await self._end_requested.wait()
        self._overdue = patience.cancelled_caught
        self._end_requested.set()
        for stoppable in [*self._stoppables]:
            stoppable.stop(at_once=True)
        self._everything.cancel()

    # Signals. Python runs the handler in the main thread between two instructions, also when a task holds the loop.

    @contextmanager
    def _signals_handled(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return
        token = trio.lowlevel.current_trio_token()

        def handle(number: int, _frame: FrameType | None) -> None:
            self._signals.append(number)
            if len(self._signals) == 1:
                _end_process_after(self._stop_within_s + LAST_RESORT_S)
            if len(self._signals) == 2:
                _end_process_after(LAST_RESORT_S)
            if len(self._signals) >= 3:
                os._exit(SIGNALLED + number)
            token.run_sync_soon(self._signalled)

        ignored = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else []
        before = {number: signal.signal(number, handle) for number in SIGNALS if number not in ignored}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            faulthandler.cancel_dump_traceback_later()

    def _signalled(self) -> None:
        self.stop_requested.set()
        if len(self._signals) > 1:
            self._end_requested.set()


Main = Callable[[App], Awaitable[int]]


def run_app(
    main: Main,
    *,
    stop_within_s: float = 30.0,
    clock: Clock | None = None,
    instruments: Sequence[Instrument] = (),
) -> int:
    """Run `main` in Trio and return the exit code of the process.

    The code is what `main` returns; 128 + the signal's number when the second signal, or the first before anything was
    registered, ended it at once; 124 when the ordered stop took longer than `stop_within_s` seconds and was cut short.
    Exceptions of `main` are raised as they are. Whoever holds the loop even longer is ended with the process, his
    place shown on stderr. Call it in the main thread; elsewhere no signal arrives.
    """
    return trio.run(App(stop_within_s).run, main, clock=clock, instruments=instruments)


class _ScopeStopper:
    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope

    def stop(self, *, at_once: bool = False) -> None:
        self._scope.cancel()


def _end_process_after(seconds: float) -> None:
    """A thread of faulthandler's own, without Python in it: it works when nothing else does any more."""
    try:
        faulthandler.dump_traceback_later(seconds, exit=True)
    except (RuntimeError, ValueError, OSError):
        pass  # there is no stderr to show anything on; the third signal still ends the process
