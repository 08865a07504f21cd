import math
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import trio

from dogwatch.runtime.app import OVERDUE, SIGNALS, App, run_app
from dogwatch.runtime.testing.virtual_time import virtual_clock


class Recorder:
    """Something to be stopped that takes its time."""

    def __init__(self, *, goodbye_s: float = 0.0) -> None:
        self.stops: list[bool] = []
        self._goodbye_s = goodbye_s
        self._asked = trio.Event()
        self._ended_at_once = trio.Event()

    def stop(self, *, at_once: bool = False) -> None:
        self.stops.append(at_once)
        self._asked.set()
        if at_once:
            self._ended_at_once.set()

    async def wait_ended(self) -> None:
        await self._asked.wait()
        with trio.CancelScope(shield=True), trio.move_on_after(self._goodbye_s):
            await self._ended_at_once.wait()


async def raise_signal_when_all_wait(number: int) -> None:
    await trio.testing.wait_all_tasks_blocked()
    signal.raise_signal(number)


def run(recorder: Recorder, *signals: int, stop_within_s: float = 30) -> int:
    async def main(app: App) -> int:
        async with trio.open_nursery() as nursery:
            with app.stops(recorder):

                async def send() -> None:
                    for number in signals:
                        await raise_signal_when_all_wait(number)

                nursery.start_soon(send)
                await recorder.wait_ended()
        return 7

    return run_app(main, stop_within_s=stop_within_s, clock=virtual_clock())


def test_what_main_returns_is_the_exit_code() -> None:
    async def main(app: App) -> int:
        assert not app.stop_requested.is_set()
        return 3

    assert run_app(main) == 3


def test_what_main_raises_comes_out_as_it_is() -> None:
    async def main(_app: App) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_app(main)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_an_ordered_stop_and_main_has_the_last_word(number: int) -> None:
    recorder = Recorder()
    assert run(recorder, number) == 7
    assert recorder.stops == [False]


def test_the_second_signal_ends_at_once() -> None:
    recorder = Recorder(goodbye_s=3600)
    assert run(recorder, signal.SIGTERM, signal.SIGINT, stop_within_s=7200) == 130
    assert recorder.stops == [False, True]


def test_the_total_deadline_cuts_an_ordered_stop_short() -> None:
    recorder = Recorder(goodbye_s=3600)
    times: list[float] = []

    async def main(app: App) -> int:
        try:
            with app.stops(recorder):
                app.request_stop()
                await recorder.wait_ended()
                await trio.sleep(math.inf)
        finally:
            times.append(trio.current_time())
        return 7

    assert run_app(main, stop_within_s=20, clock=virtual_clock()) == OVERDUE
    assert recorder.stops == [False, True]
    assert times == [20]


def test_a_signal_before_anything_is_registered_cancels_main() -> None:
    async def main(_app: App) -> int:
        await raise_signal_when_all_wait(signal.SIGTERM)
        await trio.sleep(math.inf)
        return 7

    assert run_app(main) == 128 + signal.SIGTERM


def test_what_is_registered_after_the_signal_is_stopped_as_it_comes() -> None:
    recorder = Recorder()

    async def main(app: App) -> int:
        with trio.CancelScope() as scope, app.stops(scope):
            await raise_signal_when_all_wait(signal.SIGINT)
            await trio.sleep(math.inf)
        with app.stops(recorder):
            await recorder.wait_ended()
        return 7

    assert run_app(main, clock=virtual_clock()) == 7
    assert recorder.stops == [False]


def test_the_handlers_of_signals_are_put_back() -> None:
    async def main(_app: App) -> int:
        return 0

    before = [signal.getsignal(number) for number in SIGNALS]
    run_app(main)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_under_nohup_the_end_of_the_terminal_stays_ignored() -> None:
    async def main(_app: App) -> int:
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)
        return 7

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_app(main) == 7
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_app_runs_in_another_thread_without_signals() -> None:
    codes: list[int] = []

    async def main(_app: App) -> int:
        return 3

    thread = threading.Thread(target=lambda: codes.append(run_app(main)))
    thread.start()
    thread.join()
    assert codes == [3]


# Real processes and real signals. Who holds the loop sleeps in between: CPython 3.11 may forget a signal that comes
# just as a write returns, until the next pause.


def started(body: str) -> subprocess.Popen[str]:
    """A process that runs `main`, whose body is given, and has printed "ready"."""
    script = (
        "import sys, time, trio\nfrom dogwatch.runtime import app as app_module\n"
        "from dogwatch.runtime.app import App, run_app\napp_module.LAST_RESORT_S = 0.1\n"
        f"async def main(app: App) -> int:\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        "sys.exit(run_app(main, stop_within_s=float(sys.argv[1])))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "0.1" if "hold" in body else "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_real_process_stops_in_order_at_the_first_signal() -> None:
    process = started("""
        with trio.CancelScope() as scope, app.stops(scope):
            print("ready", flush=True)
            await trio.sleep_forever()
        print("in order", flush=True)
        return 0
    """)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "in order\n", "")


def test_a_real_process_ends_at_once_at_the_second_signal() -> None:
    process = started("""
        with trio.CancelScope() as scope, app.stops(scope):
            print("ready", flush=True)
            await trio.sleep_forever()
        print("stopping", flush=True)
        await trio.sleep_forever()
        return 0
    """)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, "", "")


def test_a_task_that_holds_the_loop_does_not_outlive_the_deadline_and_is_shown() -> None:
    process = started("""
        def hold_the_loop() -> None:
            print("ready", flush=True)
            while True:
                time.sleep(0.001)
        hold_the_loop()
        return 0
    """)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "in hold_the_loop" in errors


def test_the_third_signal_ends_a_process_that_holds_its_loop() -> None:
    process = started("""
        app_module.LAST_RESORT_S = 3600.0
        print("ready", flush=True)
        while not app._signals: time.sleep(0.001)
        print("one", flush=True)
        while len(app._signals) < 2: time.sleep(0.001)
        print("two", flush=True)
        while True: time.sleep(0.001)
        return 0
    """)
    assert process.stdout is not None
    for word in ("one\n", "two\n"):
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == word
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
