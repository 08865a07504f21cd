"""Dogwatch's session over a link, with nothing above it: stamps, signs, heeds limits, matches answers, types events."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, HOST, SECRET, SEED, SYMBOL, AutoResetEvent, Blasts, Figures, Job, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    from dogwatch.actors.link import api_link

import logging  # noqa: E402
import ssl  # noqa: E402
from typing import Any  # noqa: E402

import trio  # noqa: E402

from dogwatch.actors.dialler import tcp_dialler, tls_dialler  # noqa: E402
from dogwatch.actors.session import Call, SessionReady  # noqa: E402
from dogwatch.actors.spot.envelope import Response, UserEvent  # noqa: E402
from dogwatch.actors.spot.keys import Ed25519Key  # noqa: E402
from dogwatch.actors.spot.methods import Method  # noqa: E402
from dogwatch.actors.spot.results import OrderReport, decode_result  # noqa: E402
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer  # noqa: E402
from dogwatch.actors.spot.user_events import ExecutionReport  # noqa: E402
from dogwatch.runtime.clock import Clock  # noqa: E402
from dogwatch.runtime.specs import SupervisorSpec  # noqa: E402
from dogwatch.runtime.system import run_system  # noqa: E402

PARAMS: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "quantity": "1",
    "price": "40000",
    "newClientOrderId": "bench-1",
    "recvWindow": 5000,
}


class EachSigned(Ed25519Signer):
    """Has each request signed by itself, although its key could log on."""

    can_log_on = False


def signer(job: Job) -> Signer:
    if job.key == "hmac":
        return HmacSigner(API_KEY, SECRET)
    return (Ed25519Signer if job.logon else EachSigned)(API_KEY, Ed25519Key(SEED))


async def run_all(placers: list[Any]) -> None:
    async with trio.open_nursery() as nursery:
        for placer in placers:
            nursery.start_soon(placer)


async def main(job: Job) -> None:
    dial = tcp_dialler(HOST, job.port)
    if job.is_tls:
        dial = tls_dialler(HOST, job.port, ssl.create_default_context(cafile=job.authority))
    link = api_link("link", dial=dial, host=HOST, resource=API, clock=Clock.system(), signer=signer(job))

    async def place() -> object:
        response: Response = await link.session.ask(Call(method=Method.ORDER_PLACE, params=PARAMS), within_s=10)
        return decode_result(response.result, OrderReport)

    states = link.topics.states.latest()
    async with run_system(SupervisorSpec("benchmark", [link.spec])):
        async for state in states:
            if isinstance(state, SessionReady):
                break
        figures.connected()
        if job.task == "orders":
            await figures.alone(place)
            await figures.together(place, run_all)
        else:
            await Heard(link.topics.user_events).measure()
        figures.print()


class Heard:
    """The account's events as the session publishes them."""

    def __init__(self, topic: Any) -> None:
        self._all = AutoResetEvent(trio.Event)
        self._blasts = Blasts(figures)
        self._blasts.done = self._all.set
        topic.tap(self._hear, on_error=fail)

    async def measure(self) -> None:
        for kind in job.kinds:
            await self._blasts.measure(kind, self._all.wait)

    def _hear(self, frame: UserEvent) -> None:
        event: Any = frame.event
        is_fill = isinstance(event, ExecutionReport)
        self._blasts.delivered(event.trade_id if is_fill else int(event.balances[0].free))


def fail(error: BaseException) -> None:
    raise error


logging.disable(logging.WARNING)
trio.run(main, job)
