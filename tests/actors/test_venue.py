"""Opening a venue: which dialler, and who signs."""

import sys
from pathlib import Path

import pytest
import trio

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.dialler import Door
from dogwatch.actors.rest_wire import RestDoor, Wire
from dogwatch.actors.settings import AccountSettings, Settings, VenueSettings
from dogwatch.actors.spot.endpoints import VENUES
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.rest_requests import RestRequest
from dogwatch.actors.venue import far_venue, open_paper_venue
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.errors import ConfigError

API_KEY = "k" * 64
PEM = Ed25519Key(bytes(range(32))).private_pem()


def account(folder: Path) -> AccountSettings:
    (folder / "api_key").write_text(API_KEY, encoding="utf-8")
    (folder / "key.pem").write_bytes(PEM)
    return AccountSettings(
        api_key=SecretReference(file=folder / "api_key"), private_key=SecretReference(file=folder / "key.pem")
    )


def test_a_far_venue_is_where_the_exchange_says_and_nothing_is_dialled(tmp_path: Path) -> None:
    settings = Settings(venue=VenueSettings(name="demo"), account=account(tmp_path), strategies=())
    venue = far_venue(settings)
    assert venue.endpoints == VENUES["demo"]
    assert venue.exchange is None
    assert venue.signer.api_key == API_KEY
    assert isinstance(venue.api, Door)
    assert (venue.api.host, venue.api.resource) == ("demo-ws-api.binance.com", "/ws-api/v3")
    assert (venue.streams.host, venue.streams.resource) == ("demo-stream.binance.com", "/stream")
    assert venue.api.alternative is venue.streams.alternative is None


def test_a_venue_with_a_second_port_has_a_second_door(tmp_path: Path) -> None:
    settings = Settings(venue=VenueSettings(name="mainnet"), account=account(tmp_path), strategies=())
    venue = far_venue(settings)
    assert isinstance(venue.api, Door)
    api, streams = venue.api.alternative, venue.streams.alternative
    assert api is not None
    assert streams is not None
    assert (venue.api.host, api.host) == ("ws-api.binance.com", "ws-api.binance.com:9443")
    assert (venue.streams.host, streams.host) == ("stream.binance.com:9443", "stream.binance.com")
    assert (api.resource, streams.resource) == (venue.api.resource, venue.streams.resource)
    assert api.alternative is streams.alternative is None


@pytest.mark.usefixtures("virtual_clock")
async def test_the_paper_venue_serves_its_own_key_in_memory() -> None:
    settings = Settings(venue=VenueSettings(name="paper"), strategies=())
    async with trio.open_nursery() as nursery:
        venue = await open_paper_venue(settings, clock=Clock.virtual(), seed=3, nursery=nursery)
        assert venue.exchange is not None
        assert venue.signer.sign({"timestamp": 1})["apiKey"] == venue.exchange.api_key
        assert venue.endpoints.ws_api.host == venue.endpoints.streams.host == "paper"
        assert isinstance(venue.api, Door)
        stream = await venue.api.dial()
        await stream.aclose()
        nursery.cancel_scope.cancel()


def test_a_venue_is_asked_for_microseconds_by_every_way(tmp_path: Path) -> None:
    connection = ConnectionSettings(time_unit="microsecond")
    venue = far_venue(
        Settings(venue=VenueSettings(name="mainnet"), account=account(tmp_path), connection=connection, strategies=())
    )
    assert isinstance(venue.api, Door)
    for door in (venue.api, venue.streams, venue.api.alternative, venue.streams.alternative):
        assert door is not None
        assert door.resource.endswith("?timeUnit=MICROSECOND")
    assert venue.endpoints.rest.time_unit == "MICROSECOND"


OVER_REST = ConnectionSettings(api="rest")


def test_over_rest_a_venue_is_reached_at_its_base_endpoints(tmp_path: Path) -> None:
    settings = Settings(
        venue=VenueSettings(name="testnet"), account=account(tmp_path), connection=OVER_REST, strategies=()
    )
    venue = far_venue(settings)
    assert isinstance(venue.api, RestDoor)
    assert venue.api.bases.origins == ("https://testnet.binance.vision",)


@pytest.mark.usefixtures("virtual_clock")
async def test_the_paper_venue_serves_rest_in_memory() -> None:
    settings = Settings(venue=VenueSettings(name="paper"), connection=OVER_REST, strategies=())
    async with trio.open_nursery() as nursery:
        venue = await open_paper_venue(settings, clock=Clock.virtual(), seed=3, nursery=nursery)
        assert isinstance(venue.api, RestDoor)
        async with Wire(venue.api) as wire:
            answer = await wire.exchange(
                venue.api.bases.origins[0], RestRequest(verb="GET", path="/api/v3/ping"), within_s=5
            )
        assert (answer.status, answer.body) == (200, b"{}")
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("virtual_clock")
async def test_a_package_that_rest_lacks_here_is_missed_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dogwatch.actors.paper.rest_app", None)
    connection = ConnectionSettings(api="rest")
    settings = Settings(venue=VenueSettings(name="paper"), connection=connection, strategies=())
    async with trio.open_nursery() as nursery:
        with pytest.raises(ConfigError, match="REST needs the package") as lack:
            await open_paper_venue(settings, clock=Clock.virtual(), seed=3, nursery=nursery)
        assert "dogwatch[paper]" in lack.value.hint
        nursery.cancel_scope.cancel()
