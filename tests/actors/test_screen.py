"""The screen: a line rewritten in place on a terminal, plain lines elsewhere, logs above it, nobody waits for it."""

import io
import os
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from dogwatch.actors.screen import CLEAR_LINE, Screen, say


class Terminal:
    """What was written, in order, by whichever door."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_gone = False

    def write(self, data: bytes) -> None:
        if self.is_gone:
            raise BrokenPipeError
        self.written += data


def screen_on(terminal: Terminal, *, is_terminal: bool, in_thread: bool = False) -> Screen:
    return Screen(terminal.write, terminal.write, is_terminal=is_terminal, in_thread=in_thread)


def test_on_a_terminal_each_line_takes_the_place_of_the_one_before() -> None:
    terminal = Terminal()
    with screen_on(terminal, is_terminal=True) as screen:
        screen.show("one")
        screen.show("two")
    assert terminal.written == CLEAR_LINE + b"one" + CLEAR_LINE + b"two" + b"\n"


def test_elsewhere_each_line_is_a_line() -> None:
    terminal = Terminal()
    with screen_on(terminal, is_terminal=False) as screen:
        screen.show("one")
        screen.log(b"log\n")
        screen.show("two")
    assert terminal.written == b"one\nlog\ntwo\n"


def test_logs_are_written_above_the_line_and_the_line_comes_back() -> None:
    terminal = Terminal()
    with screen_on(terminal, is_terminal=True) as screen:
        screen.log(b"before\n")
        screen.show("line")
        screen.log(b"log\n")
        screen.log(b"")  # the end of the logs: nothing to rewrite for
    assert terminal.written == b"before\n" + CLEAR_LINE + b"line" + CLEAR_LINE + b"log\n" + b"line" + b"\n"


def test_nothing_is_written_when_nothing_was_shown() -> None:
    terminal = Terminal()
    with screen_on(terminal, is_terminal=True):
        pass
    assert terminal.written == b""


def test_a_reader_that_has_gone_does_not_end_the_run() -> None:
    terminal = Terminal()
    with screen_on(terminal, is_terminal=True) as screen:
        screen.show("one")
        terminal.is_gone = True
        screen.show("two")
        with pytest.raises(BrokenPipeError):
            screen.log(b"log\n")  # the writer of the logs counts what is lost
    assert terminal.written == CLEAR_LINE + b"one"


def test_whoever_shows_never_waits_for_a_terminal_that_stalls() -> None:
    stalled, goes_on = threading.Event(), threading.Event()
    written: list[bytes] = []

    def write(data: bytes) -> None:
        stalled.set()
        goes_on.wait()
        written.append(data)

    with Screen(write, write, is_terminal=False) as screen:
        screen.show("first")
        stalled.wait()
        for number in range(1000):  # comes back at once each time, or this test never ends
            screen.show(f"line {number}")
        goes_on.set()
    assert written == [b"first\n", b"line 999\n"]


def test_the_last_line_is_shown_whenever_it_came() -> None:
    for _ in range(50):
        terminal = Terminal()
        with screen_on(terminal, is_terminal=False, in_thread=True) as screen:
            screen.show("early")
            screen.show("last")
        assert terminal.written.endswith(b"last\n")


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe: where it is read, and the stream that writes into it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield reading, stream
        os.close(reading)


def fill(stream: TextIO) -> int:
    """Write until nothing more goes in. Returns how many bytes that took."""
    descriptor, taken = stream.fileno(), 0
    os.set_blocking(descriptor, False)
    try:
        while True:
            taken += os.write(descriptor, bytes(4096))
    except BlockingIOError:
        os.set_blocking(descriptor, True)
        return taken


def test_the_last_words_are_written_line_by_line(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    assert say(stream, "one\ntwo", within_s=60)
    assert os.read(reading, 100) == b"one\ntwo\n"
    elsewhere = io.StringIO()
    assert say(elsewhere, "one", within_s=60)
    assert elsewhere.getvalue() == "one\n"


def test_the_last_words_do_not_wait_for_a_pipe_that_nobody_reads(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    taken = fill(stream)
    assert not say(stream, "one\ntwo", within_s=0.01)
    while taken:
        taken -= len(os.read(reading, taken))
    assert say(stream, "three", within_s=60)
    assert os.read(reading, 100) == b"three\n"


def test_the_last_words_to_a_reader_that_has_gone_are_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    with pytest.raises(BrokenPipeError):
        say(stream, "one", within_s=60)
    with pytest.raises(BrokenPipeError):
        stream.close()
