"""A standing exchange on a TCP port of this machine, and the file that tells other programs how to reach it."""

import errno
import json
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import trio

from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.runtime.errors import ConfigError

LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on a TCP port; port 0 picks a free one. Raises ConfigError with what to do about it."""
    if not 0 <= port <= PORT_MAX:
        # The system would silently take the lower sixteen bits.
        raise ConfigError(
            f"{host}:{port}", "there is no such port", hint=f"give 1 to {PORT_MAX}, or 0 to have one picked"
        )
    try:
        return list(await trio.open_tcp_listeners(port, host=host))
    except OSError as error:
        raise _listening_failed(host, port, error) from error


async def serve_on_port(
    exchange: PaperExchange,
    host: str = LOOPBACK,
    port: int = 0,
    ready_file: Path | None = None,
    *,
    rest_port: int | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the exchange on a port until cancelled; started, with the port's number, once clients may connect.

    `rest_port` is that of the REST API, 0 for a free one; None for no REST. The ready file is written before that, and
    removed at the end with the keys beside it. Raises ConfigError when a port cannot be had, the ready file cannot be
    written, or REST needs what is not installed.
    """
    if ready_file is not None and ready_file.is_dir():  # noqa: ASYNC240  # one quick system call
        raise ConfigError(str(ready_file), "this is a folder", hint="name a file in it")
    listeners = await listen(host, port)
    try:
        rest_listeners = [] if rest_port is None else await listen(host, rest_port)
        try:
            number = _port_of(listeners)
            if ready_file is not None:
                write_ready_file(
                    ready_file, exchange, host, number, _port_of(rest_listeners) if rest_listeners else None
                )
            # Clients may come from now on: until the exchange accepts them they wait in the system's queue.
            task_status.started(number)
            await _serve(exchange, listeners, rest_listeners)
        finally:
            _close(rest_listeners)
    finally:
        _close(listeners)
        if ready_file is not None:
            remove_ready_file(ready_file)


def has_rest() -> bool:
    """Whether what the REST API needs is installed."""
    return all(find_spec(name) is not None for name in ("starlette", "hypercorn"))


async def _serve(
    exchange: PaperExchange, listeners: list[trio.SocketListener], rest_listeners: list[trio.SocketListener]
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.serve, listeners)
        if rest_listeners:
            nursery.start_soon(_serve_rest, exchange, rest_listeners)


async def _serve_rest(exchange: PaperExchange, listeners: list[trio.SocketListener]) -> None:
    app = exchange.rest_app
    # Slow to import, and not always installed.
    from dogwatch.actors.paper.rest_port import serve_rest

    await serve_rest(app, listeners)


def _port_of(listeners: Sequence[trio.SocketListener]) -> int:
    return int(listeners[0].socket.getsockname()[1])


def _close(listeners: Iterable[trio.SocketListener]) -> None:
    for listener in listeners:
        listener.socket.close()


def write_ready_file(path: Path, exchange: PaperExchange, host: str, port: int, rest_port: int | None = None) -> None:
    """Write, at once and as a whole, how to reach the exchange; the private key stands beside it, both mode 0600.

    JSON: `ws_api`, `streams`, `rest` if it is served, `api_key`, `private_key_file`, `hmac_api_key`, `hmac_secret`,
    and `registered_api_keys` if customers have brought keys. Raises ConfigError.
    """
    name = f"[{host}]" if ":" in host else host
    key_file = _key_file(path)
    content = {
        "ws_api": f"ws://{name}:{port}/ws-api/v3",
        "streams": f"ws://{name}:{port}",
        **({} if rest_port is None else {"rest": f"http://{name}:{rest_port}"}),
        "api_key": exchange.api_key,
        "private_key_file": str(key_file.absolute()),
        "hmac_api_key": exchange.hmac_api_key,
        "hmac_secret": exchange.hmac_secret,
        **({"registered_api_keys": exchange.keys.registered} if exchange.keys.registered else {}),
    }
    try:
        _write_secretly(key_file, exchange.private_key_pem)
        _write_secretly(path, json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        problem = f"the ready file cannot be written: {error.strerror or error}"
        raise ConfigError(str(path), problem, hint="check that its folder exists") from error


def remove_ready_file(path: Path) -> None:
    """Take back the ready file and the key beside it; nobody listens any more."""
    for file in (path, _key_file(path)):
        try:
            file.unlink(missing_ok=True)
        except OSError:
            pass  # its folder has gone or is closed to us: nothing can be taken back there


def _key_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.pem")


def _write_secretly(path: Path, data: bytes) -> None:
    """Nobody ever sees half of it, and nobody but the owner sees any of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _listening_failed(host: str, port: int, error: OSError) -> ConfigError:
    where = f"{host}:{port}"
    code = error.errno
    # Trio reports every failed address as the cause of one error.
    if isinstance(error.__cause__, OSError):
        code = error.__cause__.errno
    if code == errno.EADDRINUSE:
        return ConfigError(where, "the port is in use", hint="choose another one, or 0 to have one picked")
    if code in (errno.EACCES, errno.EPERM):
        return ConfigError(where, "this port is not permitted", hint="choose one above 1023, or 0 to have one picked")
    return ConfigError(where, f"cannot listen there: {error}", hint="check the host name and the port")
