"""What an order, a fill and a quote cost, against the number of strategies, of open orders and of symbols.

CPU time of the thread that runs the loop, in µs; each line is the complete tree in a process of its own (journal at
level `process`), against the benchmarks' exchange. Orders are measured with 100 in flight, fills are those of one
order, quotes those of one symbol with one handler: so each column should be flat.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from exchange_process import CLIENT_CORE, EXCHANGE_CORE

HERE = Path(__file__).parent
CLIENT = HERE / "clients" / "dogwatch_growth.py"
BASE = {"strategies": 1, "open_orders": 10, "symbols": 1}
SIZES = {
    "strategies": (1, 10, 100),
    "open_orders": (10, 100, 1_000, 10_000, 100_000),
    "symbols": (1, 10, 100, 500),
}
COLUMNS = {"order": "order_us", "fill": "fill_us", "quote": "quote_us", "memory MiB": "rss_mib"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=SIZES, help="one of the three")
    parser.add_argument("--largest", type=int, default=100_000, help="leave out greater numbers; default 100000")
    options = parser.parse_args()
    cases = [
        (name, size)
        for name, sizes in SIZES.items()
        for size in sizes
        if options.only in (None, name) and size <= options.largest
    ]
    rounds = [[measure({**BASE, name: size}) for name, size in cases] for _ in range(options.rounds)]  # they take turns
    print("| " + " | ".join(["µs of CPU", *COLUMNS]) + " |\n| --- |" + " ---: |" * len(COLUMNS))
    for (name, size), measured in zip(cases, zip(*rounds, strict=True), strict=True):
        cells = [f"{statistics.median(one[key] for one in measured):,.1f}" for key in COLUMNS.values()]
        print("| " + " | ".join([f"{name.replace('_', ' ')}: {size:,}", *cells]) + " |")


def measure(sizes: dict[str, int]) -> dict[str, float]:
    """One process with an exchange of its own."""
    arguments = [sys.executable, str(HERE / "growth_exchange.py"), str(sizes["symbols"])]
    with (
        TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder,  # on a disk, not in memory
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as exchange,
    ):
        if EXCHANGE_CORE is not None:
            os.sched_setaffinity(exchange.pid, {EXCHANGE_CORE})
        assert exchange.stdout is not None
        assert exchange.stdin is not None
        port, control = map(int, exchange.stdout.readline().split())
        job = json.dumps({**sizes, "port": port, "control": control, "folder": folder, "core": CLIENT_CORE})
        output = subprocess.run([sys.executable, str(CLIENT), job], stdout=subprocess.PIPE, check=True).stdout
        exchange.stdin.close()
    figures: dict[str, float] = json.loads(output)
    return figures


if __name__ == "__main__":
    main()
