"""Where the venues are (WebSocket API and WebSocket Streams, General information; Demo mode). It dials nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One WebSocket endpoint. `resource` is the path with its query, as the upgrade request names it.

    `alternative_port` serves the same, for when there is something wrong with `port`.
    """

    host: str
    port: int
    resource: str
    is_tls: bool
    alternative_port: int | None = None

    @property
    def authority(self) -> str:
        """The host as an upgrade request names it: with its port, unless that goes without saying (RFC 9110, 4.2)."""
        return self.host if self.port == default_port(is_tls=self.is_tls) else f"{self.host}:{self.port}"

    @property
    def alternative(self) -> "Address | None":
        """The same served on the other port, if there is one."""
        if self.alternative_port is None:
            return None
        return msgspec.structs.replace(self, port=self.alternative_port, alternative_port=None)

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
            ws_api=msgspec.structs.replace(self.ws_api, host=host, port=port, alternative_port=None),
            streams=msgspec.structs.replace(self.streams, host=host, port=port, alternative_port=None),
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
        port = default_port(is_tls=is_tls)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(host=parts.hostname, port=port, resource=resource, is_tls=is_tls)


def default_port(*, is_tls: bool) -> int:
    return 443 if is_tls else 80


def _venue(venue: str, ws_api: str, streams: str, *, is_live: bool = False) -> Endpoints:
    return Endpoints(venue=venue, ws_api=_known(ws_api), streams=_known(streams), is_live=is_live)


def _known(url: str) -> Address:
    address = parse_address(url)
    return msgspec.structs.replace(address, alternative_port=ALTERNATIVE_PORTS.get(f"{address.host}:{address.port}"))


ALTERNATIVE_PORTS: Mapping[str, int] = MappingProxyType(
    {
        "ws-api.binance.com:443": 9443,
        "stream.binance.com:9443": 443,
        "ws-api.testnet.binance.vision:443": 9443,
    }
)
"""Where the documentation names a second port. Of the others it says nothing, so there is none to try."""


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
