"""No secret shows: not in what a running tree says of itself, not in a log or a traceback; and nothing of it lies about
in memory but within the key that signs.
"""

import gc
import logging
import pickle
import traceback
from decimal import Decimal
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dogwatch.actors.key_loading import load_signer
from dogwatch.actors.session import Session
from dogwatch.actors.settings import AccountSettings
from dogwatch.actors.spot.ed25519_key import Ed25519Key
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.tree import render
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, open_exchange

PASSPHRASE = "correct horse battery staple"
HOLDERS = (Ed25519Key,)
"""Who keep a secret as bytes, in attributes that nothing prints."""
ELSEWHERE = ("trio", "_pytest", "pytest", "logging", "tests", "dogwatch.actors.paper", "dogwatch.runtime.testing")
"""Whose objects lead to what is not the tree: the test itself, which knows all secrets, and the exchange."""


def account_of(kind: str, exchange: StagedExchange, folder: Path) -> tuple[AccountSettings, list[bytes]]:
    """A configured account, and every secret that its signer was made of: a key in parts, whatever its form."""
    if kind == "hmac":
        key = exchange.paper.keys.issue_hmac("main")
        (folder / "signs").write_text(key.secret, encoding="utf-8")
        secrets = [key.secret.encode()]
    else:
        key = exchange.paper.keys.issue_ed25519("main") if kind == "ed25519" else exchange.paper.rsa_key
        private = load_pem_private_key(key.private_key_pem, None)
        lock = BestAvailableEncryption(PASSPHRASE.encode())
        encrypted = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
        (folder / "signs").write_bytes(encrypted)
        plain = key.private_key_pem.splitlines()[1:-1]
        secrets = [PASSPHRASE.encode(), plain[-1], plain[0][20:60], encrypted.splitlines()[2]]
        if isinstance(private, Ed25519PrivateKey):
            secrets.append(private.private_bytes_raw())
    (folder / "api_key").write_text(key.api_key, encoding="utf-8")
    (folder / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    signs = SecretReference(file=folder / "signs")
    settings = AccountSettings(
        api_key=SecretReference(file=folder / "api_key"),
        private_key=None if kind == "hmac" else signs,
        passphrase=None if kind == "hmac" else SecretReference(file=folder / "passphrase"),
        hmac_secret=signs if kind == "hmac" else None,
    )
    return settings, secrets


class Memory:
    """All that can be reached from some objects without leaving the tree."""

    def __init__(self, *roots: object) -> None:
        self.objects: list[object] = []
        self._seen: set[int] = set()
        waiting: list[object] = list(roots)
        while waiting:
            found = waiting.pop()
            if id(found) in self._seen or self._is_elsewhere(found):
                continue
            self._seen.add(id(found))
            self.objects.append(found)
            if not isinstance(found, HOLDERS):
                waiting += gc.get_referents(found)

    def _is_elsewhere(self, found: object) -> bool:
        if isinstance(found, ModuleType | type) or (isinstance(found, dict) and "__builtins__" in found):
            return True
        if isinstance(found, FrameType):
            return "/dogwatch/" not in found.f_code.co_filename.replace("/actors/", "/dogwatch/")
        return type(found).__module__.startswith(ELSEWHERE)

    def showing(self, secrets: list[bytes]) -> list[str]:
        """What shows one of them: text and bytes as they are, objects of this project as they print themselves."""
        return [repr(found)[:200] for found in self.objects if any(secret in content(found) for secret in secrets)]


def content(found: object) -> bytes:
    if isinstance(found, str):
        return found.encode(errors="replace")
    if isinstance(found, bytes | bytearray):
        return bytes(found)
    if type(found).__module__.startswith("dogwatch"):
        return f"{found!r} {found}".encode(errors="replace")
    return b""


class Trader(Character):
    async def run(self) -> None:
        await self.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000))
        await trio.sleep_forever()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "hmac"])
async def test_a_tree_that_trades_shows_no_secret_wherever_one_looks(
    virtual_clock: object, caplog: pytest.LogCaptureFixture, tmp_path: Path, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_exchange(seed=1) as exchange:
        exchange.quote(SYMBOL, "40000", "40100")
        settings, secrets = account_of(kind, exchange, tmp_path)
        signer = load_signer(settings)
        account = Account(exchange, Part("trader", Trader).entry, seed=1, signer=signer)
        async with account.trading() as system:
            await trio.sleep(1)
            exchange.cut()
            await trio.sleep(30)
            assert len(exchange.orders()) == 1
            memory = Memory(account.tree, system)
            assert any(isinstance(found, Session) for found in memory.objects), "the walk gets around"
            assert any(found is signer for found in memory.objects)
            assert memory.showing(secrets) == []
            assert Memory(secrets).showing(secrets), "what is there is found"
            shown = [render(system.tree()), repr(system.tree()), str(msgspec.to_builtins(system.tree(), enc_hook=repr))]
            shown += [repr(settings), repr(signer), repr(vars(signer)), caplog.text]
        assert "session ready" in caplog.text
        for secret in secrets:
            assert not any(repr(secret)[2:-1] in text for text in shown)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "hmac"])
async def test_a_traceback_from_within_a_signature_shows_no_secret_and_no_signer_is_pickled(
    virtual_clock: object, tmp_path: Path, kind: str
) -> None:
    async with open_exchange(seed=1) as exchange:
        settings, secrets = account_of(kind, exchange, tmp_path)
        signer = load_signer(settings)
    bad: Any = {"price": 0.1}
    with pytest.raises(TypeError, match="cannot be signed") as failure:
        signer.sign(bad)
    frames = [frame for frame, _ in traceback.walk_tb(failure.tb) if frame.f_code.co_filename != __file__]
    assert frames
    for variables in (repr(frame.f_locals) for frame in frames):
        assert not any(repr(secret)[2:-1] in variables for secret in secrets)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)
