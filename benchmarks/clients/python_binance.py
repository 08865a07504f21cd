"""python-binance: coroutines on asyncio and websockets, JSON by orjson into dictionaries with strings for amounts.

User events come from the queue of `user_socket()`, the book is a DepthCacheManager with its default, floats.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, PRIVATE_KEY, SECRET, SYMBOL, Blasts, Figures, Job, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    from binance import AsyncClient, BinanceSocketManager, DepthCacheManager

QUEUE = 1_000_000
"""The manager's queue overflows at 100 messages by default: a blast is more."""


async def run_all(placers: list) -> None:
    await asyncio.gather(*[placer() for placer in placers])


async def orders(client: AsyncClient) -> None:
    async def place() -> dict:
        return await client.ws_create_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="IOC", quantity="1", price="40000"
        )

    assert (await place())["status"] == "EXPIRED"
    figures.connected()
    await figures.alone(place)
    await figures.together(place, run_all)


async def events(socket, number_of) -> None:
    blasts = Blasts(figures)

    async def read() -> None:
        while not blasts.delivered(number_of(await socket.recv())):
            pass

    async with socket:
        figures.connected()
        for kind in job.kinds:
            await blasts.measure(kind, read)


def user_number(event: dict) -> int:
    return event["t"] if event["e"] == "executionReport" else int(float(event["B"][0]["f"]))


async def book(client: AsyncClient, manager: BinanceSocketManager) -> None:
    blasts = Blasts(figures)
    async with DepthCacheManager(client, symbol=SYMBOL, bm=manager, ws_interval=100) as cache:
        await cache.recv()
        figures.connected()

        async def read() -> None:
            # Its cache does not say which update it has seen last.
            while not blasts.delivered(cache._last_update_id):  # noqa: SLF001
                await cache.recv()

        await blasts.measure("depth", read)


async def main(job: Job) -> None:
    AsyncClient.WS_API_URL = job.url(API)
    AsyncClient.API_URL = job.rest_url("/api")
    BinanceSocketManager.STREAM_URL = job.url("/")
    key = {"api_secret": SECRET} if job.key == "hmac" else {"private_key": PRIVATE_KEY}
    client = AsyncClient(API_KEY, **key)
    manager = BinanceSocketManager(client, max_queue_size=QUEUE)
    if job.task == "orders":
        await orders(client)
    elif job.task == "user":
        await events(manager.user_socket(), user_number)
    elif job.kinds == ["depth"]:
        await book(client, manager)
    else:
        await events(manager.symbol_book_ticker_socket(SYMBOL), lambda event: event["u"])
    figures.print()


asyncio.run(main(job))
