"""Orders and pongs while 20,000 market events a second arrive: the latency of each beside that of a quiet market.

The whole tree with a journal at level `process`. One strategy places orders one at a time; another one has handlers for
quotes, trades and the live book, which the exchange sends on the market link a burst every millisecond, with pings
among them. What a pong takes is measured by the exchange, from the sending of the ping to the arrival of the pong.
Medians over rounds, each a fresh process; `--json FILE` writes what the report of `make bench` reads.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exchange_process import ExchangeProcess

CLIENT = Path(__file__).parent / "clients" / "dogwatch_under_load.py"
ROWS = {
    "order p50, quiet, µs": "quiet_p50_us",
    "order p50, under load, µs": "order_p50_us",
    "order p99, quiet, µs": "quiet_p99_us",
    "order p99, under load, µs": "order_p99_us",
    "ratio of the p99": "order_p99_ratio",
    "pong p50, ms": "pong_p50_ms",
    "pong p99, ms": "pong_p99_ms",
    "quotes and trades heard a second": "events_s",
    "of a core in use": "busy",
    "of the exchange's core": "exchange_busy",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=20_000, help="market events a second; default 20000")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load in each round; default 3")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    for transport in ("plain", "tls"):
        with ExchangeProcess(tls=transport == "tls") as exchange:
            rounds = [run_round(exchange, options.rate, options.seconds) for _ in range(options.rounds)]
        figures[transport] = {name: statistics.median(one[name] for one in rounds) for name in ROWS.values()}
    print("| " + " | ".join(["", *figures]) + " |\n| --- |" + " ---: |" * len(figures))
    for text, name in ROWS.items():
        cells = (
            f"{of_one[name]:,.2f}" if of_one[name] < 100 else f"{of_one[name]:,.0f}" for of_one in figures.values()
        )
        print(f"| {text} | " + " | ".join(cells) + " |")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


def run_round(exchange: ExchangeProcess, rate: int, seconds: float) -> dict[str, float]:
    """One client process."""
    with TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:  # on a disk, not in memory
        wishes: dict[str, Any] = {"rate": rate, "seconds": seconds, **exchange.job(task="orders", logon=True)}
        job = json.dumps(wishes | {"folder": folder})
        output = subprocess.run([sys.executable, str(CLIENT), job], stdout=subprocess.PIPE, check=True).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


if __name__ == "__main__":
    main()
