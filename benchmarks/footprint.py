"""How long importing takes in a fresh process, and how much memory `dogwatch run` holds once all of it stands.

The run is a real one: a standing `dogwatch paper` in a process of its own, `dogwatch run` with journal, market data and
one strategy that has heard a quote and placed an order. Bytecode is there as after an installation.
`--json FILE` writes the figures.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = {
    "nothing: Python itself": "pass",
    "trio": "import trio",
    "import dogwatch": "import dogwatch",
    "from dogwatch import Strategy": "from dogwatch import Strategy",
    "the whole tree": "from dogwatch.actors.tree import build",
    "`dogwatch run`": "import dogwatch.actors.cli, dogwatch.actors.commands.run",
}
STRATEGY = """
from decimal import Decimal
from pathlib import Path
from dogwatch import Quotes, Rounding, Strategy


class Standing(Strategy):
    class Config(Strategy.Config, frozen=True):
        symbol: str
        mark: Path

    async def run(self) -> None:
        async for quote in self.follow(Quotes(self.config.symbol)):
            price = self.symbol(self.config.symbol).round_price(quote.bid * Decimal("0.9"), Rounding.DOWN)
            await self.buy(self.config.symbol, quantity=Decimal("0.001"), price=price)
            self.config.mark.touch()
            await self.sleep(3600)
"""
CONFIG = """
[venue]
name = "paper"
ws_api = "{ws_api}"
streams = "{streams}"

[account]
api_key = {{ file = "{folder}/api_key" }}
private_key = {{ file = "{private_key_file}" }}

[journal]
file = "{folder}/orders.journal"

[[strategy]]
name = "standing"
use = "standing.py:Standing"

[strategy.config]
symbol = "BTCUSDT"
mark = "{folder}/mark"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        environment = os.environ | {
            "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT)),
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        figures: dict[str, dict[str, float]] = {}
        for name, (wall_ms, cpu_ms) in import_times(environment, options.rounds).items():
            figures[name] = {"wall_ms": wall_ms, "cpu_ms": cpu_ms}
        memory = memory_mib(Path(folder), environment)
    floor = figures["nothing: Python itself"]
    print("| import, in a fresh process | wall ms | CPU ms |\n| --- | ---: | ---: |")
    for name, figure in figures.items():
        print(f"| {name} | {figure['wall_ms'] - floor['wall_ms']:.0f} | {figure['cpu_ms'] - floor['cpu_ms']:.0f} |")
    print("\n| memory of `dogwatch run`, connected | MiB |\n| --- | ---: |")
    for name, mib in memory.items():
        print(f"| {name} | {mib:.1f} |")
    if options.json is not None:
        options.json.write_text(json.dumps({"imports": figures, "memory_mib": memory}, indent=1))


def import_times(environment: dict[str, str], rounds: int) -> dict[str, tuple[float, float]]:
    """Wall and CPU milliseconds of a whole process that imports this, medians over rounds that take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for number in range(rounds + 1):
        for name, code in IMPORTS.items():
            spent_s, began_ns = children_s(), time.perf_counter_ns()
            subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True)
            wall_ms = (time.perf_counter_ns() - began_ns) / 1e6
            if number:  # the first round writes the bytecode
                times[name].append((wall_ms, (children_s() - spent_s) * 1000))
    return {
        name: (statistics.median(wall for wall, _ in of_one), statistics.median(cpu for _, cpu in of_one))
        for name, of_one in times.items()
    }


def children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def memory_mib(folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """What `dogwatch run` holds once its strategy has an order at a standing paper exchange."""
    ready, mark = folder / "ready.json", folder / "mark"
    (folder / "standing.py").write_text(STRATEGY)
    with process("paper", "--ready-file", str(ready), environment=environment):
        wait_for(ready)
        addresses = json.loads(ready.read_text())
        (folder / "api_key").write_text(addresses["api_key"])
        configuration = folder / "standing.toml"
        configuration.write_text(CONFIG.format(folder=folder, **addresses))
        with process("run", str(configuration), environment=environment) as run:
            wait_for(mark, run)
            time.sleep(1)
            return status_of(run.pid)


@contextmanager
def process(*arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A `dogwatch` command, until a signal."""
    command = [sys.executable, "-P", "-m", "dogwatch", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.terminate()


def wait_for(file: Path, running: "subprocess.Popen[bytes] | None" = None) -> None:
    for _ in range(6_000):
        if file.exists() and (file.name == "mark" or file.stat().st_size):
            return
        if running is not None and running.poll() is not None:
            break
        time.sleep(0.01)
    raise SystemExit(f"{file} did not appear")


def status_of(pid: int) -> dict[str, float]:
    """Resident memory, and of it what no file stands behind."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    names = {"resident": "VmRSS", "of it anonymous": "RssAnon", "of it libraries": "RssFile", "peak": "VmHWM"}
    return {name: int(fields[field].split()[0]) / 1024 for name, field in names.items()}


if __name__ == "__main__":
    main()
