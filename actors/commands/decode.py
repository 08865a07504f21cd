"""`dogwatch decode`: captured frames, one JSON text per line, each as the type that it is."""

import argparse
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

import msgspec

from dogwatch.actors.cli import DONE, FAILED
from dogwatch.actors.commands.json_output import print_json_line
from dogwatch.actors.spot.captured import Captured, Kind, Reader, Unreadable
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.value_table import render_value
from dogwatch.runtime.errors import ConfigError

LINE_BYTES_MAX = 64 * 1024 * 1024
"""What the exchange says of all symbols is some megabytes long; a longer line is none of its frames."""
STANDARD_INPUT = "-"
WIDTH = 80
INDENT = "   "


def main(options: argparse.Namespace) -> int:
    """Print every line of a capture; what cannot be read is said on standard error. Returns 1 if there was such a line.

    Raises ConfigError when the capture cannot be opened, and for a method that does not exist.
    """
    reader = Reader(
        method=None if options.method is None else _method(options.method),
        kind=None if options.kind is None else Kind(options.kind),
    )
    show = _show_json if options.json else _show
    name = "standard input" if options.file == STANDARD_INPUT else options.file
    code = DONE
    with _opened(options.file) as file:
        for number, line in _lines(file):
            try:
                show(number, reader.read(_whole(line)))
            except Unreadable as why:
                sys.stdout.flush()  # so that both stand in their order where they go to one place
                sys.stderr.write(f"{name}:{number}: {_printable(str(why))}\n")
                code = FAILED
    return code


def _method(name: str) -> Method:
    try:
        return Method(name)
    except ValueError:
        close = get_close_matches(name, [method.value for method in Method], n=1)
        hint = f"did you mean {close[0]}?" if close else "names are those of the WebSocket API, such as order.place"
        raise ConfigError("--method", f"there is no method {name!r}", hint=hint) from None


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    if name == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        problem = f"the capture cannot be read: {error.strerror or error}"
        hint = "give a file with one JSON text per line, or - for the standard input"
        raise ConfigError(name, problem, hint=hint) from error


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that have something in them, with their numbers from 1 on. Of one that is too long comes the beginning,
    one byte more than a line may have."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM_UTF8)  # as some editors leave it there
        part = line
        while len(part) > LINE_BYTES_MAX and not part.endswith(b"\n"):
            part = file.readline(LINE_BYTES_MAX + 1)
        if line.strip():
            yield number, line


def _whole(line: bytes) -> bytes:
    if len(line) > LINE_BYTES_MAX:
        raise Unreadable(f"longer than {LINE_BYTES_MAX // 2**20} MiB")
    return line.strip()


def _show(number: int, captured: Captured) -> None:
    print(f"{number}  {_printable(captured.title)}")
    _show_value(captured.value)
    if captured.rate_limits:
        print(f"{INDENT}rate_limits")
        _show_value(captured.rate_limits)


def _show_value(value: object) -> None:
    for line in render_value(value, width=WIDTH - len(INDENT)).splitlines():
        print(f"{INDENT}{_printable(line)}".rstrip())


def _show_json(_number: int, captured: Captured) -> None:
    print_json_line(msgspec.json.encode(captured.form))


def _printable(text: str) -> str:
    """A text with escapes in place of what a terminal would act upon."""
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
