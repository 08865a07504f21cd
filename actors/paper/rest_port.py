"""Serves the REST API on a TCP port: HTTP/1.1 by hypercorn, in the exchange's Trio run. Needs `dogwatch[paper]`."""

import logging
from collections.abc import Sequence
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from dogwatch.actors.paper.rest_app import RestApp

KEEP_ALIVE_S = 75.0


async def serve_rest(
    app: RestApp,
    listeners: Sequence[trio.SocketListener],
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on these listeners until cancelled; they are closed at the end. What goes wrong inside is logged."""
    config = Config()
    config.bind = [f"fd://{listener.socket.detach()}" for listener in listeners]
    config.accesslog = None
    config.errorlog = _logger()
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = 0
    # Both mean ASGI, each by types of its own.
    await serve(cast(Any, app), config, task_status=task_status)


def _logger() -> logging.Logger:
    """Where it runs is not worth a line."""
    logger = logging.getLogger("dogwatch.paper.rest")
    logger.setLevel(logging.WARNING)
    return logger
