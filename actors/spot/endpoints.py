"""Where the venues are (WebSocket API, WebSocket Streams and REST API, General information; Demo mode). It dials
nothing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

TimeUnit: TypeAlias = Literal["MILLISECOND", "MICROSECOND"]
"""In which unit the exchange writes times; in milliseconds if nothing is said."""


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

    def asking(self, *, time_unit: TimeUnit | None = None, return_rate_limits: bool | None = None) -> "Address":
        """Return the address of a connection on which times are in this unit, and with or without the counts of the
        limits in each answer (WebSocket API, General API information; General information on rate limits)."""
        options: dict[str, str] = {}
        if time_unit is not None:
            options["timeUnit"] = time_unit
        if return_rate_limits is not None:
            options["returnRateLimits"] = "true" if return_rate_limits else "false"
        if not options:
            return self
        resource = f"{self.resource}{'&' if '?' in self.resource else '?'}{urlencode(options)}"
        return msgspec.structs.replace(self, resource=resource)

    @property
    def url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{self.host}:{self.port}{self.resource}"


def asks_for_microseconds(resource: str) -> bool:
    """Whether times on a connection with this path and query are in microseconds."""
    units = parse_qs(urlsplit(resource).query).get("timeUnit", [])
    return units[-1:] in (["MICROSECOND"], ["microsecond"])


class RestBases(msgspec.Struct, frozen=True, kw_only=True):
    """The base endpoints of the REST API as origins, such as `https://api.binance.com`: the first is the one to use,
    the others serve the same. `market_data` serves public market data alone, where there is such a thing. `time_unit`
    is that of the times in its answers, by a header of each request."""

    origins: tuple[str, ...]
    market_data: str | None = None
    time_unit: TimeUnit | None = None


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """A venue: the WebSocket API takes requests and sends user data, `streams` sends market data, `rest` takes requests
    too.

    `is_live` means real money. On paper the ports are not fixed: whoever serves the exchange tells them.
    """

    venue: str
    ws_api: Address
    streams: Address
    rest: RestBases
    is_live: bool

    def at(self, host: str, port: int, *, rest_port: int | None = None) -> "Endpoints":
        """Return the same venue served somewhere else, as the paper exchange is: REST has a port of its own."""
        return msgspec.structs.replace(
            self,
            ws_api=msgspec.structs.replace(self.ws_api, host=host, port=port, alternative_port=None),
            streams=msgspec.structs.replace(self.streams, host=host, port=port, alternative_port=None),
            rest=RestBases(
                origins=(f"http://{host}:{port if rest_port is None else rest_port}",), time_unit=self.rest.time_unit
            ),
        )

    def asking(self, *, time_unit: TimeUnit) -> "Endpoints":
        """Return the same venue as it is asked for times in this unit, by whatever way."""
        return msgspec.structs.replace(
            self,
            ws_api=self.ws_api.asking(time_unit=time_unit),
            streams=self.streams.asking(time_unit=time_unit),
            rest=msgspec.structs.replace(self.rest, time_unit=time_unit),
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


def parse_origin(url: str) -> str:
    """Return the origin that an http:// or https:// URL of a REST API names. Raises ValueError with what is wrong."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read to have it checked
    except ValueError as error:
        raise ValueError(f"{url!r} is not the address of a REST API: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url!r} is not the address of a REST API: it begins with http:// or https:// and names a host"
        )
    if parts.path.rstrip("/") not in ("", "/api", "/api/v3") or parts.query or parts.username is not None:
        raise ValueError(f"{url!r} is not the address of a REST API: leave out what follows the host and port")
    return f"{parts.scheme}://{parts.netloc}"


def default_port(*, is_tls: bool) -> int:
    return 443 if is_tls else 80


def _venue(
    venue: str, ws_api: str, streams: str, *rest: str, market_data: str | None = None, is_live: bool = False
) -> Endpoints:
    bases = RestBases(origins=rest, market_data=market_data)
    return Endpoints(venue=venue, ws_api=_known(ws_api), streams=_known(streams), rest=bases, is_live=is_live)


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
        "paper": _venue("paper", "ws://127.0.0.1:0/ws-api/v3", "ws://127.0.0.1:0/stream", "http://127.0.0.1:0"),
        "testnet": _venue(
            "testnet",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
            "wss://stream.testnet.binance.vision/stream",
            "https://testnet.binance.vision",
        ),
        "demo": _venue(
            "demo",
            "wss://demo-ws-api.binance.com/ws-api/v3",
            "wss://demo-stream.binance.com/stream",
            "https://demo-api.binance.com",
        ),
        # Of the others the documentation says that they may be faster, and are less stable.
        "mainnet": _venue(
            "mainnet",
            "wss://ws-api.binance.com:443/ws-api/v3",
            "wss://stream.binance.com:9443/stream",
            "https://api.binance.com",
            "https://api-gcp.binance.com",
            "https://api1.binance.com",
            "https://api2.binance.com",
            "https://api3.binance.com",
            "https://api4.binance.com",
            market_data="https://data-api.binance.vision",
            is_live=True,
        ),
    }
)
"""Every venue by its name in a configuration."""
