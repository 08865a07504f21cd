"""The command line: `dogwatch …` and `python -m dogwatch …`."""

import sys

from dogwatch.actors.cli import main

if __name__ == "__main__":
    sys.exit(main())
