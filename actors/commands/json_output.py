"""How commands print JSON: all of it, or an error."""

import sys

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Amounts are JSON numbers with every digit."""


def print_json(encoded: bytes) -> None:
    """Print a JSON document for people and programs, as UTF-8 whatever the terminal speaks.

    Raises OSError when not all of it could be written. Without a buffer (PYTHONUNBUFFERED) one write may take a part.
    """
    rest = memoryview(msgspec.json.format(encoded, indent=2) + b"\n")
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
