"""The argument parser of the `dogwatch` command."""

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="dogwatch")
    parser.parse_args(arguments)
    return 0
