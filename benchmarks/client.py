"""What every client process of the benchmark shares: its job, its figures, and the exchange's control. Stdlib only.

A client is started as `python clients/NAME.py JOB`, with the job as JSON, measures one thing on a core of its own, and
prints its figures as one JSON object. Spans are wall time; CPU is user and system time of this process in that span.
"""

import gc
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGUN = time.perf_counter()

HOST = "localhost"
API = "/ws-api/v3"
STREAMS = "/stream"
SYMBOL = "BTCUSDT"
API_KEY = "k" * 64
SECRET = "s" * 64
SEED = bytes(32)
# The same private key as PEM, for those who read files.
PRIVATE_KEY = (
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
    "-----END PRIVATE KEY-----\n"
)
WARM_UP = 30
CALIBRATION = 1_000
"""So many events are sent at first, which tells how many fill the span that is to be measured."""


@dataclass
class Job:
    """What to measure: `task` is orders, user or market; `key` is ed25519 or hmac, and `logon` whether one logs on."""

    task: str
    port: int
    control: int
    authority: str = ""
    key: str = "ed25519"
    logon: bool = False
    alone: int = 500
    in_flight: int = 100
    span_s: float = 0.5
    kinds: list[str] = field(default_factory=list)
    events_max: int = 60_000
    folder: str = "."
    """Where files may be written."""

    @property
    def is_tls(self) -> bool:
        return bool(self.authority)

    def url(self, path: str) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{HOST}:{self.port}{path}"

    def rest_url(self, path: str = "") -> str:
        return f"{'https' if self.is_tls else 'http'}://{HOST}:{self.port}{path}"


def read_job() -> Job:
    """The job of this process, which is moved to its core."""
    wishes = json.loads(sys.argv[1])
    core = wishes.pop("core", None)
    if core is not None:
        os.sched_setaffinity(0, {core})
    job = Job(**wishes)
    if job.is_tls:  # for libraries that make a context of their own
        os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = job.authority
    return job


class Control:
    """What the exchange is to do, over a connection of its own. Blocks."""

    def __init__(self, job: Job) -> None:
        self._lines = socket.create_connection(("127.0.0.1", job.control)).makefile("rw")

    def ask(self, **wish: Any) -> Any:
        self.tell(**wish)
        return json.loads(self._lines.readline())

    def tell(self, **wish: Any) -> None:
        self._lines.write(json.dumps(wish) + "\n")
        self._lines.flush()


class Figures:
    """What has been measured, by name."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.control = Control(job)
        self.control.ask(do="reset")
        self.values: dict[str, float] = {}

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Around the import of what is measured, with nothing of it loaded before."""
        begun = time.perf_counter()
        yield
        self.values["import_ms"] = (time.perf_counter() - begun) * 1000

    def connected(self) -> None:
        """Note the memory that is resident now."""
        gc.collect()
        status = Path("/proc/self/status")
        if status.exists():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
            self.values["rss_mib"] = int(line.split()[1]) / 1024

    def print(self) -> None:
        """Tell them, and end this process at once: nothing more is to be measured."""
        print(json.dumps(self.values), flush=True)
        os._exit(0)

    async def listened(self, kind: str, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Return when the exchange knows that this client listens to such events."""
        while not self.control.ask(do="listens", kind=kind):
            await sleep(0.005)

    async def alone(self, place: Callable[[], Awaitable[object]]) -> None:
        """Orders one at a time."""
        for _ in range(WARM_UP):
            await place()
        latencies_us = []
        span = Span(self)
        for _ in range(self.job.alone):
            begun_ns = time.perf_counter_ns()
            await place()
            latencies_us.append((time.perf_counter_ns() - begun_ns) / 1000)
        self.take_latencies(latencies_us, span)

    def take_latencies(self, latencies_us: list[float], span: "Span") -> None:
        self.values["alone_cpu_us"] = span.cpu_us() / len(latencies_us)
        self.values["p50_us"] = percentile(latencies_us, 0.50)
        self.values["p99_us"] = percentile(latencies_us, 0.99)

    async def together(
        self,
        place: Callable[[], Awaitable[object]],
        run: Callable[[list[Callable[[], Awaitable[None]]]], Awaitable[object]],
    ) -> None:
        """Orders with many in flight, for a while: `run` runs tasks at once, and returns when all have ended."""
        counts = [0]
        until = 0.0

        async def placing() -> None:
            while time.perf_counter() < until:
                await place()
                counts[0] += 1

        placers = [placing] * self.job.in_flight
        until = time.perf_counter() + self.job.span_s / 4  # everything is warm afterwards
        await run(placers)
        counts[0] = 0
        until = time.perf_counter() + self.job.span_s
        span = Span(self)
        await run(placers)
        self.take_requests(counts[0], span)

    def take_requests(self, count: int, span: "Span") -> None:
        seconds, cpu_us = span.seconds(), span.cpu_us()
        self.values["requests_s"] = count / seconds
        self.values["request_cpu_us"] = cpu_us / count
        self.values["exchange_request_us"] = span.exchange_us() / count
        self.values["exchange_busy"] = span.exchange_us() / seconds / 1e6


class Span:
    """Wall, CPU and the exchange's CPU time since it was made."""

    def __init__(self, figures: Figures) -> None:
        self._control = figures.control
        self._exchange_s = self._control.ask(do="usage")["cpu_s"]
        self._cpu_s = cpu_s()
        self._begun = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def cpu_us(self) -> float:
        return (cpu_s() - self._cpu_s) * 1e6

    def exchange_us(self) -> float:
        used: float = self._control.ask(do="usage")["cpu_s"]
        return (used - self._exchange_s) * 1e6


class Blasts:
    """Events of several kinds, as fast as the client takes them: at first a few, then as many as fill the span.

    `delivered` is to be called by the client's handler with the number of each event, or at least of the last one;
    `done` is called at the last one.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._last = 0
        self.done: Callable[[], object] = lambda: None

    def delivered(self, number: int) -> bool:
        """Whether that was the last one."""
        if number < self._last:
            return False
        self.done()
        return True

    async def measure(self, kind: str, wait: Callable[[], Awaitable[object]], *, order: str = "") -> None:
        """Have the exchange send them twice and note the second time. `wait` returns when `done` has been called."""
        seconds, _ = await self._blast(kind, CALIBRATION, wait, order)
        job = self._figures.job
        count = min(job.events_max, max(CALIBRATION, round(CALIBRATION * job.span_s / seconds)))
        seconds, cpu_us = await self._blast(kind, count, wait, order)
        self._figures.values[f"{kind}_s"] = count / seconds
        self._figures.values[f"{kind}_cpu_us"] = cpu_us / count

    async def _blast(
        self, kind: str, count: int, wait: Callable[[], Awaitable[object]], order: str
    ) -> tuple[float, float]:
        control = self._figures.control
        self._last = control.ask(do="prepare", kind=kind, count=count, order=order)
        span = Span(self._figures)
        control.tell(do="go")
        await wait()
        return span.seconds(), span.cpu_us()


class AutoResetEvent:
    """What is waited for again and again: `wait` returns once it was `set`, and leaves it unset. `make` makes an event
    of the client's own loop, Trio's or asyncio's.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._event = make()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = self._make()


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
