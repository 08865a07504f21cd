"""unicorn-binance-websocket-api with picows: a thread for each stream, events to callbacks, dictionaries by orjson.

It signs with HMAC only and does not log on. The next order is placed in the callback that brought the last answer,
which spares it a change of threads. Its books are another package.
"""

import asyncio
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, SECRET, SYMBOL, WARM_UP, Blasts, Figures, Job, Span, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    from unicorn_binance_websocket_api import BinanceWebSocketApiManager

import uvloop  # noqa: E402  (with it picows is at its fastest)


class Orders:
    """Places orders one after another, from the callbacks."""

    def __init__(self, manager: BinanceWebSocketApiManager, stream: str) -> None:
        self._create = manager.api.spot.create_order
        self._loop = manager.get_event_loop_by_stream_id(stream)
        self._stream = stream
        self._go_on = self._alone
        self._done = threading.Event()
        self._latencies_us: list[float] = []
        self._count = self._begun_ns = self._sent = self._answers = 0
        self._until = 0.0

    def measure(self) -> None:
        self._place_alone(WARM_UP)
        span = Span(figures)
        self._place_alone(job.alone)
        figures.take_latencies(self._latencies_us, span)
        self._go_on = self._together
        self._place_together(job.span_s / 4)
        span = Span(figures)
        self._place_together(job.span_s)
        figures.take_requests(self._answers, span)

    def _place(self) -> None:
        self._create(
            stream_id=self._stream,
            symbol=SYMBOL,
            side="BUY",
            order_type="LIMIT",
            time_in_force="IOC",
            quantity=1.0,
            price=40000.0,
            process_response=self._take,
        )

    def _take(self, answer: dict) -> None:
        assert answer["result"]["status"] == "EXPIRED"
        self._go_on()

    def _place_alone(self, count: int) -> None:
        self._latencies_us, self._count = [], count
        self._begin(1)

    def _alone(self) -> None:
        self._latencies_us.append((time.perf_counter_ns() - self._begun_ns) / 1000)
        if len(self._latencies_us) == self._count:
            self._done.set()
            return
        self._begun_ns = time.perf_counter_ns()
        self._place()

    def _place_together(self, span_s: float) -> None:
        self._until = time.perf_counter() + span_s
        self._sent, self._answers = job.in_flight, 0
        self._begin(job.in_flight)

    def _together(self) -> None:
        self._answers += 1
        if time.perf_counter() < self._until:
            self._sent += 1
            self._place()
        elif self._answers == self._sent:
            self._done.set()

    def _begin(self, count: int) -> None:
        """Place the first ones on the stream's own thread: it is told of a callback only after the request was sent."""
        self._begun_ns = time.perf_counter_ns()
        for _ in range(count):
            self._loop.call_soon_threadsafe(self._place)
        wait_for(self._done)


def orders(manager: BinanceWebSocketApiManager) -> None:
    stream = manager.create_stream(api=True, api_key=API_KEY, api_secret=SECRET, output="dict")
    assert manager.wait_till_stream_has_started(stream, timeout=10)
    figures.connected()
    Orders(manager, stream).measure()


def events(manager: BinanceWebSocketApiManager) -> None:
    heard = threading.Event()
    blasts = Blasts(figures)
    blasts.done = heard.set

    async def wait() -> None:
        wait_for(heard)

    if job.task == "user":
        manager.create_stream(
            ["arr"],
            ["!userData"],
            api_key=API_KEY,
            api_secret=SECRET,
            output="dict",
            process_stream_data=lambda event: blasts.delivered(user_number(event["event"])),
        )
    else:
        manager.create_stream(
            ["bookTicker"],
            [SYMBOL.lower()],
            output="dict",
            process_stream_data=lambda event: "data" in event and blasts.delivered(event["data"]["u"]),
        )
    for kind in job.kinds:
        asyncio.run(figures.listened(kind, asyncio.sleep))
        figures.connected()
        asyncio.run(blasts.measure(kind, wait))


def wait_for(event: threading.Event) -> None:
    assert event.wait(20)
    event.clear()


def user_number(event: dict) -> int:
    return event["t"] if event["e"] == "executionReport" else int(float(event["B"][0]["f"]))


def main(job: Job) -> None:
    manager = BinanceWebSocketApiManager(
        exchange="binance.com",
        websocket_base_uri=job.url("/"),
        websocket_api_base_uri=job.url(API),
        restful_base_uri=job.rest_url("/"),
        # Over TLS a blast of quotes stops half-way with picows 2.3, until its next ping: its other library does not.
        websocket_library="websockets" if job.is_tls and job.task == "market" else "picows",
        warn_on_update=False,
        disable_colorama=True,
    )
    (orders if job.task == "orders" else events)(manager)
    figures.print()


uvloop.install()
main(job)
