"""The command line: `dogwatch …` and `python -m dogwatch …`."""

import sys


def main() -> int:
    """Run one command and return its exit code."""
    try:
        from dogwatch.actors.cli import main as run  # it takes a while, and Ctrl-C may come meanwhile
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
