"""`dogwatch paper`: a paper exchange that stands on a port of this machine, for any client."""

import argparse
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from pathlib import Path

import trio

from dogwatch.actors.paper.config import Feed, PaperConfig, RandomWalkFeed, TradesFeed
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.port import LOOPBACK, has_rest, serve_on_port
from dogwatch.runtime.app import App, run_app
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError, alone

SYMBOL = "BTCUSDT"
WALK = RandomWalkFeed(symbol=SYMBOL, price=Decimal(40_000), step=Decimal("1.50"), interval_ms=100)
PORT_MAX = 65_535


def main(options: argparse.Namespace) -> int:
    """Serve until a signal. Raises ConfigError for a port or a file that cannot be had."""
    for name, port in (("--port", options.port), ("--rest-port", options.rest_port)):
        if port is not None and not 0 <= port <= PORT_MAX:
            raise ConfigError(name, f"there is no port {port}", hint=f"0 to {PORT_MAX}; 0 picks a free one")
    if options.rest_port is None:
        options.rest_port = 0 if has_rest() else None
    elif not has_rest():
        raise ConfigError("--rest-port", "REST is not installed", hint="pip install 'dogwatch[paper]'")
    feed: Feed = WALK if options.trades is None else trades_feed(SYMBOL, options.trades)
    options.public_keys = [read_public_key(file) for file in options.public_key]
    config = PaperConfig(feed=feed, speed=options.speed)
    return run_app(partial(stand, config, options))


def trades_feed(symbol: str, file: Path) -> TradesFeed:
    """The feed that the option --trades asks for. Raises ConfigError when there is no such file."""
    if not file.is_file():
        hint = "a CSV file of spot trades, as the exchange publishes them"
        raise ConfigError("--trades", f"there is no file {file}", hint=hint)
    return TradesFeed(symbol=symbol, file=file)


def read_public_key(file: Path) -> bytes:
    """What the option --public-key names. Raises ConfigError for what cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "the PEM file that the key's maker would hand to the exchange"
        raise ConfigError("--public-key", f"{file} cannot be read: {error.strerror}", hint=hint) from error


def register_keys(exchange: PaperExchange, public_keys: Iterable[bytes]) -> None:
    """Take the user's own keys. Raises ConfigError for what is no public key of a type that the exchange takes."""
    for pem in public_keys:
        try:
            exchange.keys.register(pem, ACCOUNT)
        except ValueError as error:
            hint = "give a public key in PEM form, Ed25519 or RSA"
            raise ConfigError("--public-key", str(error), hint=hint) from error


async def stand(config: PaperConfig, options: argparse.Namespace, app: App) -> int:
    """Serve until a signal. It stands on when a finite feed has ended."""
    exchange = PaperExchange(config, clock=Clock.system(), seed=options.seed)
    register_keys(exchange, options.public_keys)
    try:
        with trio.CancelScope() as scope, app.stops(scope):
            async with trio.open_nursery() as nursery:
                serve = partial(serve_on_port, rest_port=options.rest_port)
                port = await nursery.start(serve, exchange, LOOPBACK, options.port, options.ready_file)
                print(f"paper exchange on {LOOPBACK}:{port}, keys in {options.ready_file}; Ctrl-C ends it", flush=True)
                await exchange.run_feed()
    except ExceptionGroup as group:
        raise alone(group) from None
    return 0
