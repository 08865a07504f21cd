"""A standing exchange on a loopback port: reachable by any client, announced by a ready file, gone without a trace."""

import base64
import json
import socket
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
from nacl.signing import SigningKey
from trio_websocket import open_websocket_url

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.faults import Cut, LoseAnswer
from dogwatch.actors.paper.port import LOOPBACK, listen, serve_on_port, write_ready_file
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Version": "13",
}


def exchange() -> PaperExchange:
    return PaperExchange(PaperConfig(), clock=Clock.system(), seed=1)


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def signing_key(ready: dict[str, str]) -> SigningKey:
    pem = Path(ready["private_key_file"]).read_text(encoding="ascii")
    return SigningKey(base64.b64decode(pem.splitlines()[1])[-32:])


async def test_the_ready_file_is_all_that_a_client_needs(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    clock = Clock.system()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_on_port, exchange(), LOOPBACK, 0, ready_file)
        ready = json.loads(ready_file.read_bytes())
        assert set(ready) == {"ws_api", "streams", "api_key", "private_key_file", "hmac_api_key", "hmac_secret"}
        assert ready["streams"] == f"ws://127.0.0.1:{port}"
        assert [mode_of(file) for file in (ready_file, Path(ready["private_key_file"]))] == [0o600, 0o600]
        params = {"apiKey": ready["api_key"], "timestamp": clock.unix_ms()}
        payload = f"apiKey={params['apiKey']}&timestamp={params['timestamp']}".encode()
        params["signature"] = base64.b64encode(signing_key(ready).sign(payload).signature).decode()
        async with open_websocket_url(ready["ws_api"]) as websocket:
            await websocket.send_message(json.dumps({"id": 1, "method": "session.logon", "params": params}))
            assert json.loads(await websocket.get_message())["result"]["apiKey"] == ready["api_key"]
        async with open_websocket_url(f"{ready['streams']}/stream?streams=btcusdt@trade") as websocket:
            await websocket.send_message('{"id":1,"method":"LIST_SUBSCRIPTIONS"}')
            assert json.loads(await websocket.get_message())["result"] == ["btcusdt@trade"]
        nursery.cancel_scope.cancel()
    assert names_in(tmp_path) == []


async def test_rest_is_served_on_a_port_of_its_own_until_the_end(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    paper = exchange()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_on_port, rest_port=0), paper, LOOPBACK, 0, ready_file)
        rest = json.loads(ready_file.read_bytes())["rest"]
        async with httpx2.AsyncClient(base_url=rest) as http:
            assert (await http.get("/api/v3/depth?symbol=BTCUSDT")).json().keys() == {"lastUpdateId", "bids", "asks"}
            response = await http.get("/api/v3/depth?symbol=BTCUSDT")
            assert response.headers["x-mbx-used-weight-1m"] == "10"
            assert paper.limits_of_address(LOOPBACK).weight.count == 10
            paper.faults.add(Cut(on="time"))
            with pytest.raises(httpx2.RemoteProtocolError):
                await http.get("/api/v3/time")
            paper.faults.add(LoseAnswer(method="time"))
            with pytest.raises(httpx2.ReadTimeout):
                await http.get("/api/v3/time", timeout=0.05)
            assert (await http.get("/api/v3/time")).status_code == 200
            # Somebody takes it for the WebSocket API.
            assert (await http.get("/ws-api/v3", headers=UPGRADE)).status_code == 404
        nursery.cancel_scope.cancel()
    port = int(rest.rpartition(":")[2])
    (listener,) = await listen(LOOPBACK, port)
    await listener.aclose()


async def test_a_rest_port_in_use_frees_the_other_port_too() -> None:
    (taken,) = await listen(LOOPBACK, 0)
    (free,) = await listen(LOOPBACK, 0)
    number = free.socket.getsockname()[1]
    await free.aclose()
    with pytest.raises(ConfigError, match="the port is in use"):
        await serve_on_port(exchange(), LOOPBACK, number, rest_port=taken.socket.getsockname()[1])
    (listener,) = await listen(LOOPBACK, number)
    for one in (listener, taken):
        await one.aclose()


async def test_a_ready_file_that_cannot_be_written_frees_the_port(tmp_path: Path) -> None:
    port = (await listen(LOOPBACK, 0))[0].socket
    number = port.getsockname()[1]
    port.close()
    with pytest.raises(ConfigError, match="the ready file cannot be written"):
        await serve_on_port(exchange(), LOOPBACK, number, tmp_path / "missing" / "ready.json")
    (listener,) = await listen(LOOPBACK, number)
    await listener.aclose()


async def test_a_port_in_use_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            await listen(LOOPBACK, port)
    assert str(error.value) == (f"127.0.0.1:{port}: the port is in use (choose another one, or 0 to have one picked)")


@pytest.mark.parametrize(("host", "port"), [(LOOPBACK, 70_000), ("203.0.113.1", 0)])
async def test_an_address_that_is_not_ours_is_refused_with_a_hint(host: str, port: int) -> None:
    with pytest.raises(ConfigError) as error:
        await listen(host, port)
    assert error.value.where == f"{host}:{port}"
    assert error.value.hint


def test_a_ready_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the ready file cannot be written") as error:
        write_ready_file(tmp_path / "missing" / "ready.json", exchange(), LOOPBACK, 1)
    assert error.value.hint == "check that its folder exists"


def test_an_older_ready_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    ready_file.write_text("old")
    write_ready_file(ready_file, exchange(), "::1", 5)
    assert json.loads(ready_file.read_bytes())["ws_api"] == "ws://[::1]:5/ws-api/v3"
    assert names_in(tmp_path) == ["ready.json", "ready.json.pem"]
