"""Opening a venue: which dialler, which signer, and every wrong key named with its place and without its content."""

import base64
from pathlib import Path

import pytest
import trio

from dogwatch.actors.settings import AccountSettings, Settings, VenueSettings
from dogwatch.actors.spot.endpoints import VENUES
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner
from dogwatch.actors.venue import far_venue, load_signer, open_paper_venue
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.errors import ConfigError

API_KEY = "k" * 64
SECRET = "s3cret" * 10
PEM = Ed25519Key(bytes(range(32))).private_pem()


def block(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n".encode()


def rsa_private_key_info() -> bytes:
    """A PKCS#8 header that says RSA, around nothing of use."""
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return b"\x30\x16\x02\x01\x00" + algorithm + b"\x04\x02\x30\x00"


def account(
    folder: Path, pem: bytes | None = None, *, api_key: str = API_KEY, secret: str | None = None
) -> AccountSettings:
    (folder / "api_key").write_text(api_key, encoding="utf-8")
    if secret is not None:
        (folder / "secret").write_text(secret, encoding="utf-8")
    elif pem is not None:
        (folder / "key.pem").write_bytes(pem)
    return AccountSettings(
        api_key=SecretReference(file=folder / "api_key"),
        private_key=SecretReference(file=folder / "key.pem") if secret is None else None,
        hmac_secret=None if secret is None else SecretReference(file=folder / "secret"),
    )


@pytest.mark.parametrize(
    ("pem", "place", "words"),
    [
        (block("PRIVATE KEY", rsa_private_key_info()), "account.private_key", "this is an RSA key, not an Ed25519 key"),
        (block("RSA PRIVATE KEY", b"x"), "account.private_key", "this is an RSA key, not an Ed25519 key"),
        (block("EC PRIVATE KEY", b"x"), "account.private_key", "this is an elliptic curve"),
        (block("ENCRYPTED PRIVATE KEY", b"x"), "account.private_key", "encrypted with a passphrase"),
        (block("PUBLIC KEY", b"x"), "account.private_key", "this is the public key"),
        (block("OPENSSH PRIVATE KEY", b"x"), "account.private_key", "this is an OpenSSH key file"),
        (b"", "account.private_key", "key.pem is empty"),
        (b"\n\n", "account.private_key", "key.pem is empty"),
        (b"hello", "account.private_key", "this is no PEM file"),
        (PEM[:40], "account.private_key", ""),
        (b"x" * 70_000, "account.private_key", "larger than 65536 bytes"),
        (None, "account.private_key", "No such file"),
    ],
)
def test_a_wrong_key_file_is_named_with_its_place_and_a_hint(
    tmp_path: Path, pem: bytes | None, place: str, words: str
) -> None:
    with pytest.raises(ConfigError) as failure:
        load_signer(account(tmp_path, pem))
    assert failure.value.where == place
    assert words in failure.value.message


@pytest.mark.parametrize("api_key", ["with blank", '"quoted"', "a-b"])
def test_a_malformed_api_key_is_named_and_not_shown(tmp_path: Path, api_key: str) -> None:
    with pytest.raises(ConfigError, match="the API key is letters and digits only") as failure:
        load_signer(account(tmp_path, PEM, api_key=api_key))
    assert api_key not in str(failure.value)


def test_a_secret_of_blanks_and_a_key_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the HMAC secret is empty"):
        load_signer(account(tmp_path, secret="  "))
    with pytest.raises(ConfigError, match=r"account\.api_key: is not plain text"):
        load_signer(account(tmp_path, PEM, api_key="schlüssel"))


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOGWATCH_NONE", raising=False)
    settings = AccountSettings(api_key=SecretReference(env="DOGWATCH_NONE"), private_key=SecretReference(env="X"))
    with pytest.raises(ConfigError, match=r"account\.api_key: environment variable DOGWATCH_NONE is not set"):
        load_signer(settings)


def test_line_breaks_around_keys_do_no_harm_and_no_signer_shows_its_secret(tmp_path: Path) -> None:
    ed25519 = load_signer(account(tmp_path, PEM + b"\n\n", api_key=f"{API_KEY}\n"))
    hmac = load_signer(account(tmp_path, api_key=f"{API_KEY}\r\n", secret=f"{SECRET}\n"))
    assert isinstance(ed25519, Ed25519Signer)
    assert isinstance(hmac, HmacSigner)
    for signer in (ed25519, hmac):
        assert signer.sign({"timestamp": 1})["apiKey"] == API_KEY
        assert API_KEY not in repr(signer)
        assert SECRET not in repr(signer)


def test_a_far_venue_is_where_the_exchange_says_and_nothing_is_dialled(tmp_path: Path) -> None:
    settings = Settings(venue=VenueSettings(name="demo"), account=account(tmp_path, PEM), strategies=())
    venue = far_venue(settings)
    assert venue.endpoints == VENUES["demo"]
    assert venue.exchange is None
    assert (venue.api.host, venue.api.resource) == ("demo-ws-api.binance.com", "/ws-api/v3")
    assert (venue.streams.host, venue.streams.resource) == ("demo-stream.binance.com", "/stream")
    assert venue.api.alternative is venue.streams.alternative is None


def test_a_venue_with_a_second_port_has_a_second_door(tmp_path: Path) -> None:
    settings = Settings(venue=VenueSettings(name="mainnet"), account=account(tmp_path, PEM), strategies=())
    venue = far_venue(settings)
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
        stream = await venue.api.dial()
        await stream.aclose()
        nursery.cancel_scope.cancel()
