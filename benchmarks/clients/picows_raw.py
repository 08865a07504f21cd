"""picows on uvloop, with nothing above its callbacks: the floor of what a WebSocket costs in Python."""

import asyncio
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, STREAMS, WARM_UP, AutoResetEvent, Blasts, Figures, Job, Span, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    import picows
    import uvloop

from raw import decode_answer, number_of, requests  # noqa: E402


class Listener(picows.WSListener):
    """Hands every text to one function, from the socket's own callback."""

    def __init__(self) -> None:
        super().__init__()
        self.take = lambda _payload: None

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.take(frame.get_payload_as_bytes())


class Orders:
    """Each answer has the next request sent, from the callback that brought it."""

    def __init__(self, transport: picows.WSTransport) -> None:
        self._send = transport.send
        self._next = requests(job)
        self.latencies_us: list[float] = []
        self.answers = 0
        self._until = 0.0
        self._sent = 0
        self._count = 0
        self._begun_ns = 0
        self.done = AutoResetEvent(asyncio.Event)

    def send(self) -> None:
        self._sent += 1
        self._send(picows.WSMsgType.TEXT, self._next())

    def begin_alone(self, count: int) -> None:
        self.latencies_us = []
        self._count = count
        self._send_alone()

    def _send_alone(self) -> None:
        self._begun_ns = time.perf_counter_ns()
        self.send()

    def take_alone(self, payload: bytes) -> None:
        decode_answer(payload)
        self.latencies_us.append((time.perf_counter_ns() - self._begun_ns) / 1000)
        if len(self.latencies_us) < self._count:
            self._send_alone()
        else:
            self.done.set()

    def begin_together(self, span_s: float) -> None:
        self._until = time.perf_counter() + span_s
        self._sent = self.answers = 0
        for _ in range(job.in_flight):
            self.send()

    def take_together(self, payload: bytes) -> None:
        decode_answer(payload)
        self.answers += 1
        if time.perf_counter() < self._until:
            self.send()
        elif self.answers == self._sent:
            self.done.set()


async def orders(transport: picows.WSTransport, listener: Listener) -> None:
    placing = Orders(transport)
    listener.take = placing.take_alone
    placing.begin_alone(WARM_UP)
    await placing.done.wait()
    span = Span(figures)
    placing.begin_alone(job.alone)
    await placing.done.wait()
    figures.take_latencies(placing.latencies_us, span)
    listener.take = placing.take_together
    placing.begin_together(job.span_s / 4)
    await placing.done.wait()
    span = Span(figures)
    placing.begin_together(job.span_s)
    await placing.done.wait()
    figures.take_requests(placing.answers, span)


async def events(transport: picows.WSTransport, listener: Listener) -> None:
    heard = AutoResetEvent(asyncio.Event)
    blasts = Blasts(figures)
    blasts.done = heard.set
    if job.task == "user":
        listener.take = lambda _payload: heard.set()
        transport.send(picows.WSMsgType.TEXT, b'{"id":0,"method":"userDataStream.subscribe"}')
        await heard.wait()
    for kind in job.kinds:
        number_in = number_of(kind)
        listener.take = lambda payload, number_in=number_in: blasts.delivered(number_in(payload))
        await blasts.measure(kind, heard.wait)


async def main(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.authority) if job.is_tls else None
    path = STREAMS + "?streams=btcusdt@bookTicker" if job.task == "market" else API
    transport, listener = await picows.ws_connect(Listener, job.url(path), ssl_context=context)
    figures.connected()
    await (orders if job.task == "orders" else events)(transport, listener)
    figures.print()


uvloop.install()
asyncio.run(main(job))
