"""Dogwatch's bare link: its WebSocket with a sink, and the encoder and decoders of the other raw clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, HOST, STREAMS, Blasts, Figures, Job, Span, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    from dogwatch.actors.websocket import WebSocket, run_websocket

import ssl  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402

import trio  # noqa: E402
from raw import decode_answer, number_of, requests  # noqa: E402

from dogwatch.actors.dialler import tcp_dialler, tls_dialler  # noqa: E402


class Sink:
    """Hands what one `recv` has brought to one function."""

    def __init__(self) -> None:
        self.socket: WebSocket
        self.take: Callable[[list[bytes]], None] = lambda _payloads: None

    def opened(self, socket: WebSocket) -> None:
        self.socket = socket

    def received(self, payloads: list[bytes]) -> None:
        self.take(payloads)

    def pinged(self, payload: bytes) -> None:
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        del reason


class Orders:
    """Whoever waits is woken by the answers of one `recv`, and writes as many requests in one send."""

    def __init__(self, sink: Sink) -> None:
        sink.take = self._take
        self._socket = sink.socket
        self._next = requests(job)
        self._answers = 0
        self._waiting = trio.lowlevel.ParkingLot()

    async def place(self) -> None:
        await self._send(1)
        await self._answered()

    async def _send(self, count: int) -> None:
        text_frame = self._socket.outlet.text_frame
        await self._socket.send(b"".join([text_frame(self._next()) for _ in range(count)]))

    async def _answered(self) -> int:
        while not self._answers:
            await self._waiting.park()
        answers, self._answers = self._answers, 0
        return answers

    def _take(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            decode_answer(payload)
        self._answers += len(payloads)
        self._waiting.unpark_all()

    async def together(self, span_s: float) -> int:
        """So many in flight for a while. Returns how many have been answered."""
        until = time.perf_counter() + span_s
        await self._send(job.in_flight)
        sent, answers = job.in_flight, 0
        while answers < sent:
            fresh = await self._answered()
            answers += fresh
            if time.perf_counter() < until:
                await self._send(fresh)
                sent += fresh
        return answers


async def orders(sink: Sink) -> None:
    placing = Orders(sink)
    await figures.alone(placing.place)
    await placing.together(job.span_s / 4)
    span = Span(figures)
    figures.take_requests(await placing.together(job.span_s), span)


async def events(sink: Sink) -> None:
    blasts = Blasts(figures)
    waiting = trio.lowlevel.ParkingLot()
    blasts.done = waiting.unpark_all
    if job.task == "user":
        sink.take = lambda _payloads: waiting.unpark_all()
        await sink.socket.send(sink.socket.outlet.text_frame(b'{"id":0,"method":"userDataStream.subscribe"}'))
        await waiting.park()
    for kind in job.kinds:
        number_in, delivered = number_of(kind), blasts.delivered

        def take(
            payloads: list[bytes],
            number_in: Callable[[bytes], int] = number_in,
            delivered: Callable[[int], object] = delivered,
        ) -> None:
            for payload in payloads:
                delivered(number_in(payload))

        sink.take = take
        await blasts.measure(kind, waiting.park)


async def main(job: Job) -> None:
    dial = tcp_dialler(HOST, job.port)
    if job.is_tls:
        dial = tls_dialler(HOST, job.port, ssl.create_default_context(cafile=job.authority))
    path = STREAMS + "?streams=btcusdt@bookTicker" if job.task == "market" else API
    sink = Sink()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                run_websocket, await dial(), sink, host=HOST, resource=path, message_bytes_max=2**20, close_within_s=1
            )
        )
        figures.connected()
        await (orders if job.task == "orders" else events)(sink)
        figures.print()


trio.run(main, job)
