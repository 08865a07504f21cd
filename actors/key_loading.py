"""Reads what an account signs with, from wherever its configuration says. No error shows, or carries, any of it."""

from dogwatch.actors.settings import AccountSettings
from dogwatch.actors.spot.keys import Ed25519Key, KeyFileError, PassphraseWrong, PrivateKey, load_private_key
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, RsaSigner, Signer
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.secrets import Secret, SecretReference

__all__ = ["load_signer"]

COPY_AGAIN = "copy it again from the exchange's page"
KEY_FILE_BEGIN = b"-----BEGIN "
ASKED_MAX = 3
"""How often somebody may mistype a passphrase."""


def load_signer(account: AccountSettings, *, where: str = "account") -> Signer:
    """Read the key and what signs for it, asking at the terminal for what is to be typed.

    Raises ConfigError with its place in the configuration, in which `where` is the account's.
    """
    try:
        return _signer(account, where)
    except ConfigError as error:
        place, problem, hint = error.where, error.problem, error.hint
    except ValueError as error:  # its text says which of the two is meant, and shows neither
        place, problem, hint = where, str(error), COPY_AGAIN
    # Made anew and out here, it carries no frame in which a secret was in sight.
    raise ConfigError(place, problem, hint=hint)


def _signer(account: AccountSettings, where: str) -> Signer:
    api_key = _text(account.api_key, f"{where}.api_key")
    if account.hmac_secret is not None:
        return HmacSigner(api_key, _text(account.hmac_secret, f"{where}.hmac_secret"))
    assert account.private_key is not None  # the configuration was checked
    content = account.private_key.resolve(where=f"{where}.private_key")
    key = _private_key(content, account.passphrase, where)
    return Ed25519Signer(api_key, key) if isinstance(key, Ed25519Key) else RsaSigner(api_key, key)


def _private_key(content: Secret, reference: SecretReference | None, where: str) -> PrivateKey:
    note = ""

    def passphrase() -> bytes:
        assert reference is not None
        return reference.resolve(where=f"{where}.passphrase", note=note).reveal()

    times_left = ASKED_MAX if reference is not None and reference.prompt else 1
    while True:
        times_left -= 1
        try:
            return load_private_key(content.reveal(), None if reference is None else passphrase)
        except PassphraseWrong as problem:
            if not times_left:
                raise ConfigError(f"{where}.passphrase", problem.message, hint=problem.hint) from None
            note = f"{problem.message}\n"
        except KeyFileError as problem:
            raise ConfigError(f"{where}.private_key", problem.message, hint=problem.hint) from None


def _text(reference: SecretReference, where: str) -> str:
    """What the exchange gives as text: letters and digits."""
    content = reference.resolve(where=where).reveal()
    if KEY_FILE_BEGIN in content:
        raise ConfigError(where, "this is a key file", hint="a private key is given as private_key")
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(where, "is not plain text", hint=COPY_AGAIN) from None
