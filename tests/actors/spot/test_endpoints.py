"""Venues: four of them, and only one moves real money."""

from typing import Any

import pytest

from dogwatch.actors.spot.endpoints import VENUES, Address, parse_address, parse_origin


def test_only_mainnet_is_live() -> None:
    assert {name for name, venue in VENUES.items() if venue.is_live} == {"mainnet"}
    assert set(VENUES) == {"paper", "testnet", "demo", "mainnet"}
    assert all(name == venue.venue for name, venue in VENUES.items())


def test_every_venue_but_paper_is_encrypted_and_no_two_share_a_host() -> None:
    real = [venue for name, venue in VENUES.items() if name != "paper"]
    assert all(venue.ws_api.is_tls and venue.streams.is_tls for venue in real)
    hosts = [address.host for venue in real for address in (venue.ws_api, venue.streams)]
    assert len(hosts) == len(set(hosts))
    assert not VENUES["paper"].ws_api.is_tls


def test_the_addresses_are_the_documented_ones() -> None:
    assert VENUES["mainnet"].ws_api.url == "wss://ws-api.binance.com:443/ws-api/v3"
    assert VENUES["mainnet"].streams.url == "wss://stream.binance.com:9443/stream"
    assert VENUES["testnet"].ws_api.url == "wss://ws-api.testnet.binance.vision:443/ws-api/v3"
    assert VENUES["demo"].ws_api.url == "wss://demo-ws-api.binance.com:443/ws-api/v3"


def test_a_second_port_is_where_the_documentation_names_one() -> None:
    second = {
        address.url: address.alternative.url
        for venue in VENUES.values()
        for address in (venue.ws_api, venue.streams)
        if address.alternative is not None
    }
    assert second == {
        "wss://ws-api.binance.com:443/ws-api/v3": "wss://ws-api.binance.com:9443/ws-api/v3",
        "wss://stream.binance.com:9443/stream": "wss://stream.binance.com:443/stream",
        "wss://ws-api.testnet.binance.vision:443/ws-api/v3": "wss://ws-api.testnet.binance.vision:9443/ws-api/v3",
    }


def test_an_address_of_ones_own_has_no_second_port() -> None:
    assert parse_address("wss://ws-api.binance.com").alternative is None
    assert VENUES["mainnet"].at("localhost", 4711).ws_api.alternative is None


@pytest.mark.parametrize(
    ("url", "authority"),
    [("wss://h", "h"), ("wss://h:443", "h"), ("wss://h:9443", "h:9443"), ("ws://h:80", "h"), ("ws://h:443", "h:443")],
)
def test_the_port_is_named_in_the_upgrade_unless_it_goes_without_saying(url: str, authority: str) -> None:
    assert parse_address(url).authority == authority


def test_the_table_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        VENUES["paper"] = VENUES["mainnet"]  # type: ignore[index] # that it does not work is the point


def test_paper_is_wherever_it_is_served() -> None:
    served = VENUES["paper"].at("localhost", 4711)
    assert served.ws_api.url == "ws://localhost:4711/ws-api/v3"
    assert served.streams.url == "ws://localhost:4711/stream"
    assert not served.is_live


def test_an_address_is_read_from_its_url() -> None:
    assert parse_address("ws://h:81/a?b=c") == Address(host="h", port=81, resource="/a?b=c", is_tls=False)
    assert parse_address("wss://h") == Address(host="h", port=443, resource="/", is_tls=True)
    assert parse_address("ws://h").port == 80
    assert parse_address("ws://h:0").port == 0


@pytest.mark.parametrize("url", ["", "https://h/", "h:80", "ws://", "ws://h:port/", "ws://h:99999/", "ws://[::1/"])
def test_what_is_no_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"WebSocket address"):
        parse_address(url)


def test_every_real_venue_serves_rest_encrypted_and_mainnet_at_several_places() -> None:
    real = [venue.rest for name, venue in VENUES.items() if name != "paper"]
    assert all(origin.startswith("https://") for bases in real for origin in bases.origins)
    mainnet = VENUES["mainnet"].rest
    assert mainnet.origins[0] == "https://api.binance.com"
    assert len(set(mainnet.origins)) == 6
    assert mainnet.market_data == "https://data-api.binance.vision"
    assert [name for name, venue in VENUES.items() if venue.rest.market_data] == ["mainnet"]


def test_what_is_served_somewhere_else_serves_rest_there_too_and_nowhere_else() -> None:
    assert VENUES["mainnet"].at("localhost", 4711, rest_port=4712).rest.origins == ("http://localhost:4712",)
    assert VENUES["mainnet"].at("localhost", 4711).rest.market_data is None


@pytest.mark.parametrize(
    ("options", "resource"),
    [
        ({}, "/ws-api/v3"),
        ({"time_unit": "MICROSECOND"}, "/ws-api/v3?timeUnit=MICROSECOND"),
        ({"return_rate_limits": False}, "/ws-api/v3?returnRateLimits=false"),
        (
            {"time_unit": "MILLISECOND", "return_rate_limits": True},
            "/ws-api/v3?timeUnit=MILLISECOND&returnRateLimits=true",
        ),
    ],
)
def test_what_a_connection_is_to_do_is_asked_for_in_its_address(options: dict[str, Any], resource: str) -> None:
    assert VENUES["mainnet"].ws_api.asking(**options).resource == resource


def test_options_are_added_to_those_that_an_address_has() -> None:
    address = parse_address("ws://h/stream?streams=btcusdt@trade").asking(time_unit="MICROSECOND")
    assert address.resource == "/stream?streams=btcusdt@trade&timeUnit=MICROSECOND"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9002", "http://127.0.0.1:9002/", "http://127.0.0.1:9002/api/v3"])
def test_the_address_of_a_rest_api_is_its_origin(url: str) -> None:
    assert parse_origin(url) == "http://127.0.0.1:9002"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1", "ws://h", "https://", "http://h:x", "http://h/other", "http://h?a=1", "http://me:pw@h"]
)
def test_what_is_no_address_of_a_rest_api_is_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a REST API"):
        parse_origin(url)
