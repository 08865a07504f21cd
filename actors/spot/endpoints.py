"""Where the venues are (WebSocket API and WebSocket Streams, General information; Demo mode). It dials nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One WebSocket endpoint. `resource` is the path with its query, as the upgrade request names it."""

    host: str
    port: int
    resource: str
    is_tls: bool

    @property
    def url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{self.host}:{self.port}{self.resource}"


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """A venue: the WebSocket API takes requests and sends user data, `streams` sends market data.

    `is_live` means real money. On paper the port is not fixed: whoever serves the exchange tells it.
    """

    venue: str
    ws_api: Address
    streams: Address
    is_live: bool

    def at(self, host: str, port: int) -> "Endpoints":
        """Return the same venue served somewhere else, as the paper exchange is."""
        return msgspec.structs.replace(
            self,
            ws_api=msgspec.structs.replace(self.ws_api, host=host, port=port),
            streams=msgspec.structs.replace(self.streams, host=host, port=port),
        )


def parse_address(url: str) -> Address:
    """Return the address that a ws:// or wss:// URL names. Raises ValueError with what is wrong."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is not a WebSocket address: {error}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is not a WebSocket address: it begins with ws:// or wss:// and names a host")
    is_tls = parts.scheme == "wss"
    if port is None:
        port = 443 if is_tls else 80
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(host=parts.hostname, port=port, resource=resource, is_tls=is_tls)


def _venue(venue: str, ws_api: str, streams: str, *, is_live: bool = False) -> Endpoints:
    return Endpoints(venue=venue, ws_api=parse_address(ws_api), streams=parse_address(streams), is_live=is_live)


VENUES: Mapping[str, Endpoints] = MappingProxyType(
    {
        "paper": _venue("paper", "ws://127.0.0.1:0/ws-api/v3", "ws://127.0.0.1:0/stream"),
        "testnet": _venue(
            "testnet", "wss://ws-api.testnet.binance.vision/ws-api/v3", "wss://stream.testnet.binance.vision/stream"
        ),
        "demo": _venue("demo", "wss://demo-ws-api.binance.com/ws-api/v3", "wss://demo-stream.binance.com/stream"),
        "mainnet": _venue(
            "mainnet", "wss://ws-api.binance.com:443/ws-api/v3", "wss://stream.binance.com:9443/stream", is_live=True
        ),
    }
)
"""Every venue by its name in a configuration."""
