"""The official SDK (binance-sdk-spot): coroutines on asyncio, answers and events validated by pydantic as documented.

An answer is read with `.data()`; user events are models with strings for amounts, book tickers too. It keeps no book.
"""

import asyncio
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, PRIVATE_KEY, SECRET, SYMBOL, AutoResetEvent, Blasts, Figures, Job, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    from binance_common.configuration import ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
    from binance_sdk_spot.spot import Spot

from binance_sdk_spot.websocket_api.models import (  # noqa: E402
    OrderPlaceSideEnum,
    OrderPlaceTimeInForceEnum,
    OrderPlaceTypeEnum,
)


def options(job: Job) -> dict[str, object]:
    context = ssl.create_default_context(cafile=job.authority) if job.is_tls else None
    return {} if context is None else {"https_agent": context}


async def run_all(placers: list) -> None:
    await asyncio.gather(*[placer() for placer in placers])


async def orders(connection) -> None:
    if job.logon:
        await connection.session_logon()

    async def place() -> object:
        response = await connection.order_place(
            symbol=SYMBOL,
            side=OrderPlaceSideEnum["BUY"].value,
            type=OrderPlaceTypeEnum["LIMIT"].value,
            time_in_force=OrderPlaceTimeInForceEnum["IOC"].value,
            quantity=1,
            price=40000,
            new_client_order_id="bench-1",
        )
        return response.data().result

    assert (await place()).status == "EXPIRED"
    figures.connected()
    await figures.alone(place)
    await figures.together(place, run_all)


async def events(stream, number_of) -> None:
    heard = AutoResetEvent(asyncio.Event)
    blasts = Blasts(figures)
    blasts.done = heard.set
    stream.on("message", lambda event: blasts.delivered(number_of(event)))
    figures.connected()
    for kind in job.kinds:
        await blasts.measure(kind, heard.wait)


def user_number(event) -> int:
    told = event.actual_instance
    return told.t if hasattr(told, "t") else int(float(told.B[0].f))


async def main(job: Job) -> None:
    key = {"api_secret": SECRET} if job.key == "hmac" else {"private_key": PRIVATE_KEY}
    if job.task == "market":
        configuration = ConfigurationWebSocketStreams(stream_url=job.url(""), **options(job))
        connection = await Spot(config_ws_streams=configuration).websocket_streams.create_connection()
        await events(await connection.book_ticker(symbol=SYMBOL.lower()), lambda event: event.u)
    else:
        configuration = ConfigurationWebSocketAPI(api_key=API_KEY, stream_url=job.url(API), **key, **options(job))
        connection = await Spot(config_ws_api=configuration).websocket_api.create_connection()
        if job.task == "orders":
            await orders(connection)
        else:
            subscribed = await connection.user_data_stream_subscribe_signature()
            await events(subscribed.stream, user_number)
    figures.print()


asyncio.run(main(job))
