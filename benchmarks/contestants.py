"""Who takes part in the benchmark, in what, and what each of them really does there."""

from dataclasses import dataclass
from typing import Any

JOBS: dict[str, dict[str, Any]] = {
    "logged on": {"task": "orders", "logon": True},
    "ed25519": {"task": "orders", "key": "ed25519"},
    "hmac": {"task": "orders", "key": "hmac"},
    "user": {"task": "user", "kinds": ["fills", "balances"]},
    "quotes": {"task": "market", "kinds": ["quotes"]},
    "depth": {"task": "market", "kinds": ["depth"]},
}
RAW_JOBS = ("logged on", "ed25519", "hmac", "user", "quotes")

WHOLE = "Dogwatch"
IN_PYTHON = "Dogwatch in Python"
LINK = "Dogwatch's session"
FRAMES = "Dogwatch's bare link"
TRIO_WEBSOCKET = "trio-websocket, raw"
PICOWS = "picows+uvloop, raw"
SDK = "official SDK"
PYTHON_BINANCE = "python-binance"
UNICORN = "unicorn (picows)"
CCXT = "ccxt.pro"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One row of the report. `package` is what a peer is installed as; Dogwatch and what it
    stands on need none."""

    name: str
    client: str
    jobs: tuple[str, ...]
    does: str
    package: str = ""
    is_complete: bool = False
    """Whether it is a client for this exchange, and not only a WebSocket with something that reads it."""
    is_compiled: bool = False
    """Whether it imports the compiled build of Dogwatch, if there is one."""


CONTESTANTS = (
    Contestant(
        name=WHOLE,
        client="dogwatch_whole",
        jobs=tuple(JOBS),
        is_complete=True,
        is_compiled=True,
        does="strategy, orders with filters, state machine, table and journal at level `process`, rate limiter, "
        "session, connection, and back; typed events with Decimal at a strategy's handlers: fills through the state "
        "machine, balances through the account's table, books through the checks of their continuity. Ed25519 by "
        "libsodium; for signed orders its signer says that it cannot log on. The compiled build",
    ),
    Contestant(
        name=IN_PYTHON,
        client="dogwatch_whole",
        jobs=tuple(JOBS),
        is_complete=True,
        does="the same without the compiled build: every line of it is interpreted",
    ),
    Contestant(
        name=LINK,
        client="dogwatch_link",
        jobs=("logged on", "ed25519", "hmac", "user"),
        is_compiled=True,
        does="session over a link: stamps, signs, heeds limits, matches answers, decodes one result and all events "
        "into typed values with Decimal, through the product's own decoders",
    ),
    Contestant(
        name=FRAMES,
        client="dogwatch_frames",
        jobs=RAW_JOBS,
        is_compiled=True,
        does="Dogwatch's WebSocket with a sink; encoder, signer (libsodium) and decoders (msgspec, Decimal) are those "
        "of the other raw ones",
    ),
    Contestant(
        name=TRIO_WEBSOCKET,
        client="trio_websocket_raw",
        jobs=RAW_JOBS,
        does="send_message and get_message, with the same encoder, signer and decoders",
    ),
    Contestant(
        name=PICOWS,
        client="picows_raw",
        package="picows",
        jobs=RAW_JOBS,
        does="C, from its callbacks, with the same encoder, signer and decoders",
    ),
    Contestant(
        name=SDK,
        client="sdk",
        package="binance-sdk-spot",
        jobs=("logged on", "ed25519", "hmac", "user", "quotes"),
        is_complete=True,
        does="asyncio and aiohttp; answers and events as pydantic models with strings for amounts; Ed25519 by "
        "PyCryptodome; keeps no book",
    ),
    Contestant(
        name=PYTHON_BINANCE,
        client="python_binance",
        package="python-binance",
        jobs=("ed25519", "hmac", "user", "quotes", "depth"),
        is_complete=True,
        does="asyncio and websockets; answers and events as dictionaries with strings (orjson), book with floats; "
        "Ed25519 by PyCryptodome; does not log on",
    ),
    Contestant(
        name=UNICORN,
        client="unicorn",
        package="unicorn-binance-websocket-api",
        jobs=("hmac", "user", "quotes"),
        is_complete=True,
        does="a thread for each stream, compiled by Cython, with picows; answers and events as dictionaries with "
        "strings (orjson) at callbacks; signs with HMAC only and does not log on; its books are another package; "
        "quotes over TLS with its default, websockets, as a blast of them stops half-way with picows",
    ),
    Contestant(
        name=CCXT,
        client="ccxt_pro",
        package="ccxt",
        jobs=("ed25519", "hmac", "user", "quotes", "depth"),
        is_complete=True,
        does="asyncio and aiohttp on uvloop; its own dictionaries with floats, of which only the latest are returned; "
        "does not log on",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure of a job. More is better unless it `is_cost`."""

    job: str
    figure: str
    title: str
    is_cost: bool = True


def _orders(job: str, title: str) -> tuple[Column, ...]:
    return (
        Column(job=job, figure="p50_us", title=f"{title}: p50, µs"),
        Column(job=job, figure="p99_us", title=f"{title}: p99, µs"),
        Column(job=job, figure="requests_s", title=f"{title}: requests/s, 100 in flight", is_cost=False),
        Column(job=job, figure="request_cpu_us", title=f"{title}: CPU µs each, in flight"),
    )


def _events(job: str, kind: str, title: str) -> tuple[Column, ...]:
    return (
        Column(job=job, figure=f"{kind}_s", title=f"{title}/s", is_cost=False),
        Column(job=job, figure=f"{kind}_cpu_us", title=f"{title}: CPU µs each"),
    )


ANY = "any"
GROUPS: dict[str, tuple[Column, ...]] = {
    "Orders, logged on": _orders("logged on", "logged on"),
    "Orders, each signed with Ed25519": _orders("ed25519", "Ed25519"),
    "Orders, each signed with HMAC": _orders("hmac", "HMAC"),
    "The account's events": (*_events("user", "fills", "fills"), *_events("user", "balances", "balances")),
    "Market data": (*_events("quotes", "quotes", "quotes"), *_events("depth", "depth", "depth changes")),
    "Footprint": (
        Column(job=ANY, figure="import_ms", title="import, ms"),
        Column(job=ANY, figure="rss_mib", title="memory after connecting, MiB"),
    ),
}
COLUMNS = tuple(column for columns in GROUPS.values() for column in columns)
