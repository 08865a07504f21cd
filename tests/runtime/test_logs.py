import json
import os
import threading
from decimal import Decimal
from typing import Any, Literal

import pytest
import trio

from dogwatch.runtime.clock import Clock
from dogwatch.runtime.logs import LINE_BYTES_MAX, Logs, Patience, file_writer
from dogwatch.runtime.secrets import Secret
from dogwatch.runtime.testing.virtual_time import run_virtual


class FixedClock(Clock):
    def unix_us(self) -> int:
        return 1_767_225_600_123_456


class Lines:
    """A writer that keeps what it gets; it waits while it is stalled."""

    def __init__(self) -> None:
        self.content = b""
        self.flowing = threading.Event()
        self.flowing.set()
        self.reached = threading.Event()
        self.threads: set[str] = set()

    def write(self, data: bytes) -> None:
        self.reached.set()
        self.flowing.wait()
        self.threads.add(threading.current_thread().name)
        self.content += data

    def text(self) -> list[str]:
        return self.content.decode().splitlines()

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text()]


def logged_at_once(lines: Lines, style: Literal["json", "human"] = "json") -> Logs:
    return Logs(lines.write, clock=FixedClock(), style=style, in_thread=False)


def test_a_record_is_one_line_of_json_with_time_level_actor_and_facts() -> None:
    lines = Lines()
    with logged_at_once(lines) as logs:
        logs.get_logger("dogwatch/link/connection").info("connected", epoch=1, price=Decimal("1.50"))
    assert lines.text() == [
        '{"at":"2026-01-01T00:00:00.123Z","level":"info","actor":"dogwatch/link/connection","event":"connected",'
        '"epoch":1,"price":"1.50"}'
    ]


def test_lines_for_people_carry_the_same_and_quote_what_is_not_plain() -> None:
    lines = Lines()
    with logged_at_once(lines, "human") as logs:
        logs.get_logger("orders").warning("refused", reason="Filter failure: LOT_SIZE", price=Decimal("1.50"), note="")
    assert lines.text() == [
        "2026-01-01T00:00:00.123Z warning orders refused reason='Filter failure: LOT_SIZE' price=1.50 note=''"
    ]


def test_words_from_elsewhere_cannot_make_lines_or_move_the_cursor() -> None:
    lines = Lines()
    with logged_at_once(lines, "human") as logs:
        logs.get_logger("orders").info("refused\n\x1b[2J", reason="forged\nerror orders\x1b[2J")
    assert len(lines.text()) == 1
    assert "\x1b" not in lines.text()[0]


def test_only_levels_from_the_chosen_one_up_are_written() -> None:
    lines = Lines()
    with Logs(lines.write, clock=FixedClock(), level="warning", in_thread=False) as logs:
        logger = logs.get_logger("orders")
        for log in (logger.debug, logger.info, logger.warning, logger.error):
            log("said")
    assert [record["level"] for record in lines.records()] == ["warning", "error"]


@pytest.mark.parametrize("style", ["json", "human"])
def test_a_secret_stays_hidden_in_every_style_and_in_a_traceback(style: Literal["json", "human"]) -> None:
    secret = Secret(b"hunter2")

    def fail() -> None:
        raise ValueError("the key is refused", secret)

    lines = Lines()
    with logged_at_once(lines, style) as logs:
        try:
            fail()
        except ValueError as error:
            logs.get_logger("session").error("failed", key=secret, keys=[secret], exc_info=error)
    assert b"hunter2" not in lines.content
    assert lines.content.count(b"Secret(hidden)") == 3
    assert b"the key is refused" in lines.content


@pytest.mark.parametrize("style", ["json", "human"])
def test_a_fact_that_cannot_be_shown_does_not_crash_who_logs(style: Literal["json", "human"]) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    lines = Lines()
    with logged_at_once(lines, style) as logs:
        logs.get_logger("orders").info("said", fact=Broken())
    assert "said (facts cannot be shown: RuntimeError)" in lines.text()[0]


def test_facts_never_replace_what_a_record_says_of_itself() -> None:
    lines = Lines()
    with logged_at_once(lines) as logs:
        logs.get_logger("orders").info("said", level=7, at="noon")
    [record] = lines.records()
    assert (record["level"], record["level_"], record["at_"]) == ("info", 7, "noon")


def test_a_line_is_bounded() -> None:
    lines = Lines()
    with logged_at_once(lines) as logs:
        logs.get_logger("orders").info("said", answer="x" * 1_000_000)
    assert len(lines.content) <= LINE_BYTES_MAX
    assert lines.content.endswith(b"\n")


def test_lines_are_written_by_a_thread_in_order_and_all_of_them_before_the_end() -> None:
    lines = Lines()
    with Logs(lines.write, clock=FixedClock()) as logs:
        for number in range(1000):
            logs.get_logger("orders").info("said", number=number)
    assert [record["number"] for record in lines.records()] == list(range(1000))
    assert lines.threads == {"logs"}
    assert logs.statistics().written == 1000


async def test_a_stalled_writer_stops_nobody_and_what_was_dropped_is_counted_and_said() -> None:
    lines = Lines()
    lines.flowing.clear()
    with Logs(lines.write, clock=FixedClock(), capacity=10) as logs:
        logger = logs.get_logger("orders")
        logger.info("said", number=0)
        await trio.to_thread.run_sync(lines.reached.wait)
        for number in range(1, 101):
            logger.info("said", number=number)
        statistics = logs.statistics()
        assert (statistics.queued, statistics.dropped, statistics.written) == (10, 90, 0)
        lines.flowing.set()
    records = lines.records()
    assert [record["number"] for record in records if record["event"] == "said"] == list(range(11))
    [notice] = [record for record in records if "dropped" in record]
    assert (notice["actor"], notice["dropped"]) == ("logs", 90)


def test_a_writer_that_stays_stalled_does_not_hold_up_the_end() -> None:
    lines = Lines()
    lines.flowing.clear()
    with Logs(lines.write, clock=FixedClock(), flush_within_s=0.01) as logs:
        logs.get_logger("orders").info("said")
    assert lines.content == b""
    lines.flowing.set()


def test_who_has_kept_a_writer_waiting_for_long_is_not_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(2.0)
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    assert patience.left_s() == 2.0
    with patience:
        now_s = 101.5
        assert patience.left_s() == 0.5
        now_s = 160.0
        assert patience.left_s() == 0.0
    assert patience.left_s() == 2.0


def test_a_writer_that_fails_costs_lines_and_nothing_else() -> None:
    lines = Lines()
    fails = True

    def write(data: bytes) -> None:
        if fails:
            raise BrokenPipeError
        lines.write(data)

    with Logs(write, clock=FixedClock(), in_thread=False) as logs:
        logs.get_logger("orders").info("lost")
        fails = False
        logs.get_logger("orders").info("kept")
    assert [record["event"] for record in lines.records()][1:] == ["kept"]
    assert lines.records()[0]["dropped"] == 1
    assert logs.statistics().dropped == 1


def test_what_is_said_after_the_end_is_counted_not_written() -> None:
    lines = Lines()
    with Logs(lines.write, clock=FixedClock()) as logs:
        pass
    logs.get_logger("orders").info("too late")
    assert lines.content == b""
    assert logs.statistics().dropped == 1


def test_a_simulation_logs_without_a_thread_and_with_virtual_time() -> None:
    async def scenario() -> Lines:
        lines = Lines()
        with Logs(lines.write, clock=Clock.virtual(start_unix_ms=0), in_thread=False) as logs:
            await trio.sleep(86_400)
            logs.get_logger("orders").info("said")
        return lines

    lines = run_virtual(scenario)
    assert lines.records()[0]["at"] == "1970-01-02T00:00:00.000Z"
    assert lines.threads == {"MainThread"}


def test_a_file_writer_writes_everything_also_to_a_pipe_that_does_not_block() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    content = bytes(300_000)
    received = bytearray()

    def read() -> None:
        while piece := os.read(reading, 65_536):
            received.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    file_writer(writing)(content)
    os.close(writing)
    reader.join()
    os.close(reading)
    assert received == content


def test_a_file_writer_says_when_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        file_writer(writing)(b"said\n")
    os.close(writing)
