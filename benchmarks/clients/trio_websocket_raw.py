"""trio-websocket as it is: `send_message` and `get_message`, with nothing above them."""

import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, STREAMS, Blasts, Figures, Job, Span, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    import trio
    import trio_websocket

import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

from raw import decode_answer, number_of, requests  # noqa: E402


async def orders(connection: trio_websocket.WebSocketConnection) -> None:
    next_request = requests(job)

    async def send() -> None:
        await connection.send_message(next_request().decode())

    async def place() -> None:
        await send()
        decode_answer(await connection.get_message())

    await figures.alone(place)
    for measured in (False, True):
        until = time.perf_counter() + job.span_s / (1 if measured else 4)
        span = Span(figures)
        for _ in range(job.in_flight):
            await send()
        answers, awaited = 0, job.in_flight
        while answers < awaited:
            decode_answer(await connection.get_message())
            answers += 1
            if time.perf_counter() < until:
                await send()
                awaited += 1
        if measured:
            figures.take_requests(answers, span)


async def events(connection: trio_websocket.WebSocketConnection) -> None:
    blasts = Blasts(figures)
    for kind in job.kinds:
        number_in = number_of(kind)

        async def read(number_in: Callable[[str], int] = number_in) -> None:
            while not blasts.delivered(number_in(await connection.get_message())):
                pass

        await blasts.measure(kind, read)


async def main(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.authority) if job.is_tls else None
    path = STREAMS + "?streams=btcusdt@bookTicker" if job.task == "market" else API
    async with trio_websocket.open_websocket_url(job.url(path), ssl_context=context) as connection:
        figures.connected()
        if job.task == "orders":
            await orders(connection)
        else:
            if job.task == "user":
                await connection.send_message('{"id":0,"method":"userDataStream.subscribe"}')
                await connection.get_message()
            await events(connection)
        figures.print()


trio.run(main, job)
