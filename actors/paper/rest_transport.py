"""HTTP in memory: an httpx2 transport that leads to an ASGI application, as a network would.

Beyond httpx2's own ASGITransport it lets connections end in the middle of an answer, and keeps the time limits of a
request; under a virtual clock they are virtual.
"""

import httpx2
import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class MemoryTransport(httpx2.AsyncBaseTransport):
    """Carries requests to `app`, from `address`. Raises ReadError for a connection that was cut, ReadTimeout."""

    def __init__(self, app: ASGIApp, *, address: str) -> None:
        self._inner = httpx2.ASGITransport(_ends_as_it_should(app), client=(address, 0))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        within_s = request.extensions.get("timeout", {}).get("read")
        with trio.move_on_after(float("inf") if within_s is None else within_s):
            return await self._inner.handle_async_request(request)
        raise httpx2.ReadTimeout("no answer came in time", request=request)


def _ends_as_it_should(app: ASGIApp) -> ASGIApp:
    """An answer that is not sent to its end is a connection that was cut."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        is_whole = False

        async def send_on(message: Message) -> None:
            nonlocal is_whole
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await app(scope, receive, send_on)
        if not is_whole:
            raise httpx2.ReadError("the connection was cut")

    return run
