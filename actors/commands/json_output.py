"""How commands print JSON: all of it, or an error."""

import sys

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Amounts are JSON numbers with every digit."""


def print_json(encoded: bytes) -> None:
    """Print a JSON document for people and programs, as UTF-8 whatever the terminal speaks.

    Raises OSError when not all of it could be written.
    """
    print_json_line(msgspec.json.format(encoded, indent=2))


def print_json_line(encoded: bytes) -> None:
    """Print a JSON document as it is, for programs that read one a line. Raises OSError as `print_json` does.

    Without a buffer (PYTHONUNBUFFERED) one write may take a part.
    """
    rest = memoryview(encoded + b"\n")
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
