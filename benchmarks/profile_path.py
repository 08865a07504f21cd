"""Where the time of an order, of a fill and of a quote goes, by stage, in µs that add up.

The whole tree as `dogwatch run` starts it, journal at level `process`, against the benchmarks' exchange. Each load runs
without any measuring inside to get its wall and CPU time, and again while its call stacks are counted (see
`profile_sampler.py`). The CPU time is divided by the shares of the samples, and what the wall time has above the CPU
time is waiting: so each column's sum is the wall time, by construction. `--stacks 5` prints the functions that take
most of each stage.
"""

import argparse
import gc
import logging
import os
import resource
import ssl
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trio.testing
from client import API, API_KEY, HOST, SEED, STREAMS, SYMBOL, Control, Job
from exchange_process import CLIENT_CORE, ExchangeProcess
from profile_sampler import Sampler, Stack
from profile_stages import OTHER, STAGES, TRIO, WAITING, file_of, stage_of

from dogwatch import Fill, Keep, Quote, Quotes, Strategy, TimeInForce
from dogwatch.actors.dialler import Dialler, Door, tcp_dialler, tls_dialler
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.journal import Durability

PRICE, QUANTITY = Decimal(40_000), Decimal(1)
WARM_UP = 200
ROWS = (*(stage.name for stage in STAGES), TRIO, OTHER, WAITING)


@dataclass
class Cost:
    """Of one order or event, in µs."""

    wall: float
    cpu: float
    beside: float
    """CPU time of other threads: the journal's."""


@dataclass(frozen=True)
class Load:
    """So many orders, fills or quotes, and how many orders at once."""

    name: str
    kind: str
    count: int
    in_flight: int = 1


class Measurement:
    """One run of a load: clocks at both ends, and with a sampler nothing but samples in between."""

    def __init__(self, load: Load, job: Job, sampler: Sampler | None = None) -> None:
        self.load = load
        self.order = ""
        self.number = 0
        self.cost: Cost
        self.listening = trio.Event()
        self.all_heard = trio.Event()
        self._control = Control(job)
        self._control.ask(do="reset")
        self._sampler = sampler

    async def blast(self) -> None:
        """Have the events sent, and wait until the last of them has come to the strategy."""
        await self.listening.wait()
        await trio.testing.wait_all_tasks_blocked()
        wish = {"do": "prepare", "kind": self.load.kind, "count": self.load.count, "order": self.order}
        self.number = await trio.to_thread.run_sync(lambda: self._control.ask(**wish))

        async def hear() -> None:
            self._control.tell(do="go")
            await self.all_heard.wait()

        await self.measure(hear)

    async def measure(self, work: Callable[[], Awaitable[None]]) -> None:
        gc.collect()
        count = self.load.count
        if self._sampler is not None:
            self._sampler.start()
        wall_ns, cpu_ns, all_us = time.perf_counter_ns(), time.thread_time_ns(), process_us()
        await work()
        cpu = (time.thread_time_ns() - cpu_ns) / 1000 / count
        wall = (time.perf_counter_ns() - wall_ns) / 1000 / count
        self.cost = Cost(wall=wall, cpu=cpu, beside=max(0.0, (process_us() - all_us) / count - cpu))
        if self._sampler is not None:
            self._sampler.stop()


class Placer(Strategy):
    """Places immediate-or-cancel orders, which the exchange lets expire at once."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        measurement: Measurement

    async def run(self) -> None:
        for _ in range(WARM_UP):
            await self.place_one()
        await self.config.measurement.measure(self.place_all)

    async def place_all(self) -> None:
        load = self.config.measurement.load
        numbers = iter(range(load.count))

        async def placing() -> None:
            for _ in numbers:
                await self.place_one()

        async with trio.open_nursery() as nursery:
            for _ in range(load.in_flight):
                nursery.start_soon(placing)

    async def place_one(self) -> object:
        return await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE, time_in_force=TimeInForce.IOC)


class Listener(Strategy):
    """Hears the fills of an order of its own, and quotes."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        measurement: Measurement

    def feeds(self) -> tuple[Quotes]:
        return (Quotes(SYMBOL, keep=Keep.ALL),)

    async def on_start(self) -> None:
        order = await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE)
        self.config.measurement.order = order.client_order_id
        self.config.measurement.listening.set()

    def on_fill(self, fill: Fill) -> None:
        self.hear(fill.trade_id)

    def on_quote(self, quote: Quote) -> None:
        self.hear(quote.update_id)

    def hear(self, number: int) -> None:
        measurement = self.config.measurement
        if number == measurement.number:
            measurement.all_heard.set()


async def live(measurement: Measurement, job: Job) -> None:
    """The tree, from its start to its end, and the measurement in it."""
    strategy = Placer if measurement.load.kind == "orders" else Listener
    with (
        TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder,  # on a disk, not in memory
        OrderJournal.open(Path(folder) / "journal", durability=Durability.PROCESS) as journal,
    ):
        config = strategy.Config(symbol=SYMBOL, measurement=measurement)
        tree = build(
            api=Door(dialler(job), HOST, API),
            streams=Door(dialler(job), HOST, STREAMS),
            clock=Clock.system(),
            signer=Ed25519Signer(API_KEY, Ed25519Key(SEED)),
            strategies=[StrategyEntry(name="profiled", strategy=strategy, config=config)],
            journal=journal,
        )
        async with tree.system() as system:
            if strategy is Listener:
                await measurement.blast()
                system.stop(at_once=True)  # nothing is to be ended in order, and no order to be canceled
            else:
                await system.wait_ended()


def dialler(job: Job) -> Dialler:
    if job.is_tls:
        return tls_dialler(HOST, job.port, ssl.create_default_context(cafile=job.authority))
    return tcp_dialler(HOST, job.port)


def process_us() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


class Profile:
    """What all rounds of one load have given."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.stacks: Counter[Stack] = Counter()
        self.costs: list[Cost] = []
        self.sampled: list[Cost] = []

    def run_round(self, job: Job) -> None:
        plain = Measurement(self.load, job)
        trio.run(live, plain, job)
        self.costs.append(plain.cost)
        with Sampler() as sampler:
            sampled = Measurement(self.load, job, sampler)
            trio.run(live, sampled, job)
        self.sampled.append(sampled.cost)
        self.stacks += sampler.stacks

    def median(self, name: str) -> float:
        return statistics.median(getattr(cost, name) for cost in self.costs)

    def stages(self) -> dict[str, float]:
        """µs by stage, of which the sum is the wall time."""
        samples = Counter[str]()
        for stack, count in self.stacks.items():
            samples[stage_of(stack)] += count
        at_work = samples.total() - samples.pop(WAITING, 0)
        cpu, wall = self.median("cpu"), self.median("wall")
        stages = {stage: cpu * count / at_work for stage, count in samples.items()}
        return stages | {WAITING: wall - cpu}

    def functions(self, most: int) -> str:
        """Of each stage the functions, and what they call outside of the project, that take most."""
        found: dict[str, Counter[str]] = {}
        for stack, count in self.stacks.items():
            own = next((code for code in stack if file_of(code)), None)
            name = "the loop" if own is None else f"{Path(own.co_filename).stem}.{own.co_qualname}"
            found.setdefault(stage_of(stack), Counter())[name] += count
        at_work = sum(counts.total() for stage, counts in found.items() if stage != WAITING)
        cpu = self.median("cpu")
        lines = []
        for stage in ROWS:
            for name, count in found.get(stage, Counter()).most_common(most):
                lines.append(f"{cpu * count / at_work:7.2f}  {stage:36}  {name}")
        return "\n".join(lines)


def table(profiles: list[Profile]) -> str:
    """Markdown: a row for each stage, a column for each load."""
    columns = [profile.stages() for profile in profiles]
    rows = [["µs", *(profile.load.name for profile in profiles)]]
    rows += [
        [row, *(f"{column.get(row, 0.0):.1f}" for column in columns)]
        for row in ROWS
        if any(column.get(row, 0.0) >= 0.05 for column in columns)
    ]
    rows.append(["**sum: from end to end**", *(f"**{sum(column.values()):.1f}**" for column in columns)])
    rows.append(["CPU of it", *(f"{profile.median('cpu'):.1f}" for profile in profiles)])
    rows.append(["CPU of the journal's thread, beside", *(f"{profile.median('beside'):.1f}" for profile in profiles)])
    rows.append(["samples", *(f"{profile.stacks.total():,}" for profile in profiles)])
    slower = [statistics.median(c.cpu for c in p.sampled) / p.median("cpu") - 1 for p in profiles]
    rows.append(["slower while sampled", *(f"{share:.0%}" for share in slower)])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=3_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--stacks", type=int, default=0, help="so many functions of each stage; default none")
    options = parser.parse_args()
    if CLIENT_CORE is not None:
        os.sched_setaffinity(0, {CLIENT_CORE})
    logging.disable(logging.ERROR)  # the end of each connection is expected
    for tls in (False, True):
        loads = (
            Load("order, one at a time", "orders", options.orders),
            Load("order, 100 in flight", "orders", options.orders * 2, in_flight=100),
            Load("fill", "fills", options.events),
            Load("quote", "quotes", options.events * 5),
        )
        profiles = [Profile(load) for load in loads]
        with ExchangeProcess(tls=tls) as exchange:
            wishes = exchange.job(task="orders")
            del wishes["core"]
            for _ in range(options.rounds):
                for profile in profiles:
                    profile.run_round(Job(**wishes))
        print(f"{'TLS' if tls else 'plain'}\n\n{table(profiles)}\n")
        if options.stacks:
            print(*(f"{profile.load.name}\n{profile.functions(options.stacks)}\n" for profile in profiles), sep="\n")


if __name__ == "__main__":
    main()
