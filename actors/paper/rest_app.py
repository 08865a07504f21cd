"""The REST API as an ASGI application: HTTP in, HTTP out. What requests mean is decided in rest_protocol.py.

Runs under any ASGI server; rest_port.py serves it, rest_transport.py carries requests to it in memory.
"""

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from dogwatch.actors.paper.rest_door import RestDoor, RestLink
from dogwatch.actors.paper.rest_protocol import FORM, RestAnswer, RestRequest

BODY_BYTES_MAX = 1 << 20


class RestApp:
    """An ASGI application. A client's address is what the server says it is; its limits are those of the address."""

    def __init__(self, door: RestDoor) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:  # somebody has taken this for the WebSocket API
            await WebSocket(scope, receive, send).send_denial_response(Response(status_code=404))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _read_body(request)
        if body is None:
            await Response(status_code=413)(scope, receive, send)
            return
        address, port = scope.get("client") or ("", 0)
        link = self._door.receive(_rest_request(request, body), address, port)
        if not link.ended.is_set():
            await _end_or_disconnect(link, receive)
        if not link.ended.is_set():
            return  # who asked has gone
        await trio.sleep(self._door.latency_s)
        if link.answer is None:
            await _break_off(send)
        else:
            await _response(link.answer)(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """There is nothing to start or to stop."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_body(request: Request) -> bytes | None:
    """None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return None
    return bytes(body)


def _rest_request(request: Request, body: bytes) -> RestRequest:
    headers = request.headers
    return RestRequest(
        verb=request.method,
        path=request.scope["path"],
        query=request.scope["query_string"],
        body=body,
        content_type=headers.get("content-type", FORM),
        api_key=headers.get("x-mbx-apikey", ""),
        time_unit=headers.get("x-mbx-time-unit", ""),
    )


async def _end_or_disconnect(link: RestLink, receive: Receive) -> None:
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        await link.ended.wait()
        nursery.cancel_scope.cancel()


def _response(answer: RestAnswer) -> Response:
    return Response(answer.payloads[0], status_code=answer.status, headers=dict(answer.headers))


async def _break_off(send: Send) -> None:
    """An answer that ends in its middle: the server has to cut the connection, since it cannot go on."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
