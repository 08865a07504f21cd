"""The keys that the exchange has given out: for which account, with which permissions, revoked or not."""

from collections.abc import Iterable, Mapping
from itertools import count

import msgspec

from dogwatch.actors.paper.keys import EVERYTHING, ApiKey, IssuedKey, Permission, make_api_key, make_ed25519, make_hmac
from dogwatch.runtime.errors import ConfigError


class KeyRing:
    """Gives out keys. The same seed gives the same ones in the same order, but for RSA pairs, which are always new.

    `permissions` is what a key may be used for, `addresses` from where: from anywhere when there are none. A request
    under a key that lacks either is refused (-2015, status 401).
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._serials: dict[tuple[str, str], count[int]] = {}
        self._valid: dict[str, ApiKey] = {}
        self._revoked: dict[str, ApiKey] = {}
        self._registered: list[str] = []

    @property
    def valid(self) -> Mapping[str, ApiKey]:
        """Those that are good now, by their names; always the newest state."""
        return self._valid

    def issue_ed25519(
        self, account: str, *, permissions: Iterable[Permission] = EVERYTHING, addresses: Iterable[str] = ()
    ) -> IssuedKey:
        """A new key pair; it may log sessions on."""
        issued, key = make_ed25519(account, seed=self._seed, serial=self._next(account, "ed25519"))
        return self._give(issued, key, permissions, addresses)

    def issue_hmac(
        self, account: str, *, permissions: Iterable[Permission] = EVERYTHING, addresses: Iterable[str] = ()
    ) -> IssuedKey:
        """A new shared secret."""
        issued, key = make_hmac(account, seed=self._seed, serial=self._next(account, "hmac"))
        return self._give(issued, key, permissions, addresses)

    def issue_rsa(
        self, account: str, *, permissions: Iterable[Permission] = EVERYTHING, addresses: Iterable[str] = ()
    ) -> IssuedKey:
        """A new key pair of 2048 bits, made on the spot. Raises ConfigError where `cryptography` is not installed."""
        try:
            from dogwatch.actors.paper.rsa_key import make_rsa
        except ModuleNotFoundError as error:
            raise _no_cryptography() from error
        issued, key = make_rsa(self._next_name(account, "rsa"), account)
        return self._give(issued, key, permissions, addresses)

    def register(
        self,
        public_key_pem: bytes,
        account: str,
        *,
        permissions: Iterable[Permission] = EVERYTHING,
        addresses: Iterable[str] = (),
    ) -> str:
        """Take a customer's own public key (PEM, Ed25519 or RSA); the name it goes by from now on.

        Raises ValueError for what is no such key, ConfigError where `cryptography` is not installed.
        """
        try:
            from dogwatch.actors.paper.rsa_key import read_public_key
        except ModuleNotFoundError as error:
            raise _no_cryptography() from error
        key = read_public_key(
            public_key_pem,
            api_key=self._next_name(account, "registered"),
            account=account,
            permissions=frozenset(permissions),
            addresses=frozenset(addresses),
        )
        self._valid[key.api_key] = key
        self._registered.append(key.api_key)
        return key.api_key

    @property
    def registered(self) -> tuple[str, ...]:
        """The names of the keys that customers have brought, oldest first."""
        return tuple(self._registered)

    def names_of(self, account: str) -> list[str]:
        """The names of the account's keys, oldest first; those that are revoked come last."""
        return [key.api_key for key in (*self._valid.values(), *self._revoked.values()) if key.account == account]

    def revoke(self, api_key: str) -> None:
        """It is no longer good. Nothing happens where it was not."""
        if api_key in self._valid:
            self._revoked[api_key] = self._valid.pop(api_key)

    def restore(self, api_key: str) -> None:
        """A revoked key is good again."""
        if api_key in self._revoked:
            self._valid[api_key] = self._revoked.pop(api_key)

    def _give(
        self, issued: IssuedKey, key: ApiKey, permissions: Iterable[Permission], addresses: Iterable[str]
    ) -> IssuedKey:
        self._valid[key.api_key] = msgspec.structs.replace(
            key, permissions=frozenset(permissions), addresses=frozenset(addresses)
        )
        return issued

    def _next(self, account: str, kind: str) -> int:
        return next(self._serials.setdefault((account, kind), count()))

    def _next_name(self, account: str, kind: str) -> str:
        return make_api_key(account, kind, seed=self._seed, serial=self._next(account, kind))


def _no_cryptography() -> ConfigError:
    hint = "install it with: pip install 'dogwatch[crypto]'"
    return ConfigError("paper", "RSA keys, and keys of yours, need the package cryptography", hint=hint)
