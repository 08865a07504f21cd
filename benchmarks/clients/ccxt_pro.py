"""ccxt.pro on asyncio with uvloop, which it has installed: orders, trades and books in its own shapes with floats.

`watch_…` returns the latest of what has come: what counts is that all were parsed and the last one was returned.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, PRIVATE_KEY, SECRET, Blasts, Figures, Job, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    import ccxt.pro

import uvloop  # noqa: E402  (ccxt has it installed)

SYMBOL = "BTC/USDT"


async def run_all(placers: list) -> None:
    await asyncio.gather(*[placer() for placer in placers])


async def orders(exchange: ccxt.pro.binance) -> None:
    async def place() -> dict:
        return await exchange.create_order_ws(SYMBOL, "limit", "buy", 1, 40000, {"timeInForce": "IOC"})

    assert (await place())["status"] == "expired"
    figures.connected()
    await figures.alone(place)
    await figures.together(place, run_all)


async def events(exchange: ccxt.pro.binance) -> None:
    blasts = Blasts(figures)
    watches = {
        "fills": (exchange.watch_my_trades, lambda trades: int(trades[-1]["id"])),
        "balances": (exchange.watch_balance, lambda balance: int(balance["BTC"]["free"])),
        "quotes": (lambda: exchange.watch_bids_asks([SYMBOL]), lambda quotes: int(quotes[SYMBOL]["info"]["u"])),
        "depth": (lambda: exchange.watch_order_book(SYMBOL), lambda book: book["nonce"]),
    }
    for kind in job.kinds:
        watch, number_of = watches[kind]
        if kind == "depth":
            await watch()
            figures.connected()
        else:
            waiting = asyncio.ensure_future(watch())
            await figures.listened(kind, asyncio.sleep)
            figures.connected()

        async def read(watch=watch, number_of=number_of) -> None:
            while not blasts.delivered(number_of(await watch())):
                pass

        await blasts.measure(kind, read)
        if kind != "depth":
            waiting.cancel()


async def main(job: Job) -> None:
    exchange = ccxt.pro.binance(
        {
            "apiKey": API_KEY,
            "secret": SECRET if job.key == "hmac" else PRIVATE_KEY,
            "enableRateLimit": False,
            "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}},
        }
    )
    if job.is_tls:
        exchange.cafile = job.authority
    api = exchange.urls["api"]
    api["public"] = api["private"] = job.rest_url("/api/v3")
    api["ws"]["spot"] = job.url("/ws")
    api["ws"]["ws-api"]["spot"] = job.url(API)
    await exchange.load_markets()
    await (orders if job.task == "orders" else events)(exchange)
    figures.print()


uvloop.install()
asyncio.run(main(job))
