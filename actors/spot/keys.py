"""Private keys from files: Ed25519 and RSA; in PKCS#8 PEM, as OpenSSH writes them, or in RSA's older form; plain, or
encrypted with a passphrase (API key types).

A plain Ed25519 key needs no other package; everything else is read by `cryptography`, which is imported for it alone.
No bytes of a key or a passphrase ever appear in an error, nor in what an error carries. Where the file lies is the
caller's choice.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from dogwatch.actors.spot.ed25519_key import Ed25519Key, read_pkcs8
from dogwatch.actors.spot.pem import COPY_AGAIN, INSTALL, MAKE_ONE, KeyFileError, PassphraseWrong, PemBlock, read_pem

if TYPE_CHECKING:
    from dogwatch.actors.spot.rsa_key import RsaKey

__all__ = [
    "Ed25519Key",
    "KeyFileError",
    "PassphraseNeeded",
    "PassphraseWrong",
    "PrivateKey",
    "load_ed25519_private_key",
    "load_private_key",
]

PrivateKey: TypeAlias = "Ed25519Key | RsaKey"

ENCRYPT = "leave the passphrase out, or encrypt the key: `openssl pkey -aes256 -in THIS_FILE -out ENCRYPTED_FILE`"

OPENSSH_MAGIC = b"openssh-key-v1\0"
OPENSSH_KINDS = {
    b"ssh-ed25519": "",
    b"ssh-rsa": "",
    b"ssh-dss": "a DSA",
    b"ecdsa-sha2-nistp256": "an elliptic curve (EC)",
    b"ecdsa-sha2-nistp384": "an elliptic curve (EC)",
    b"ecdsa-sha2-nistp521": "an elliptic curve (EC)",
    b"sk-ssh-ed25519@openssh.com": "a hardware security",
    b"sk-ecdsa-sha2-nistp256@openssh.com": "a hardware security",
}
"""What an OpenSSH file may hold; a name where the exchange does not take it."""


class PassphraseNeeded(KeyFileError):
    """The key is encrypted, and no passphrase was given."""


def load_private_key(content: bytes, passphrase: Callable[[], bytes] | None = None) -> PrivateKey:
    """Return the key in a file's content. `passphrase` is asked for it only if the key is encrypted.

    Raises KeyFileError, which says what the file is instead, and whatever `passphrase` raises.
    """
    try:
        return _load(content, passphrase)
    except Exception as error:  # noqa: BLE001 # it is raised again
        # Wherever it came from, in the frames of its traceback the key, or its passphrase, is in sight.
        problem = error.with_traceback(None)
    finally:
        del content
    raise problem


def _load(content: bytes, passphrase: Callable[[], bytes] | None) -> PrivateKey:
    block = read_pem(content)
    is_encrypted = _is_encrypted(block)
    if is_encrypted and passphrase is None:
        hint = "give its passphrase beside it: passphrase = { prompt = true }, or { env = … }, or { file = … }"
        raise PassphraseNeeded("the key is encrypted with a passphrase", hint=hint)
    if not is_encrypted and passphrase is not None:
        raise KeyFileError("the key is not encrypted, and a passphrase is given for it", hint=ENCRYPT)
    key = read_pkcs8(block.der) if block.label == "PRIVATE KEY" else None
    return key or _load_by_cryptography(block, None if passphrase is None else passphrase())


def load_ed25519_private_key(content: bytes) -> Ed25519Key:
    """Return the plain Ed25519 key in a file's content. Raises KeyFileError for anything else."""
    try:
        key = load_private_key(content)
    finally:
        del content
    if not isinstance(key, Ed25519Key):
        raise KeyFileError("this is an RSA key, not an Ed25519 key", hint=MAKE_ONE)
    return key


def _is_encrypted(block: PemBlock) -> bool:
    if block.label != "OPENSSH PRIVATE KEY":
        return block.is_encrypted
    cipher, kind = _read_openssh(block.der)
    taken_as = OPENSSH_KINDS.get(kind, "some other kind of")
    if taken_as:
        raise KeyFileError(f"this is {taken_as} key, and the exchange takes none", hint=MAKE_ONE)
    return cipher != b"none"


def _read_openssh(blob: bytes) -> tuple[bytes, bytes]:
    """The cipher and the kind of key, which stand in the clear (openssh: PROTOCOL.key)."""
    rest = blob.removeprefix(OPENSSH_MAGIC)
    if rest == blob:
        raise KeyFileError("the block does not hold an OpenSSH key", hint=COPY_AGAIN)
    cipher, rest = _take_string(rest)
    _, rest = _take_string(rest)  # how the passphrase becomes a key
    _, rest = _take_string(rest)  # and the numbers for it
    public, _ = _take_string(rest[4:])  # behind the count of keys
    kind, _ = _take_string(public)
    return cipher, kind


def _take_string(data: bytes) -> tuple[bytes, bytes]:
    """The first of SSH's strings, and what follows it."""
    if len(data) < 4:
        raise KeyFileError("the key is cut off", hint=COPY_AGAIN)
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise KeyFileError("the key is cut off", hint=COPY_AGAIN)
    return data[4 : 4 + length], data[4 + length :]


def _load_by_cryptography(block: PemBlock, passphrase: bytes | None) -> PrivateKey:
    try:
        from dogwatch.actors.spot.foreign_keys import load
    except ImportError:
        problem = KeyFileError("RSA keys, encrypted keys and OpenSSH keys need another package", hint=INSTALL)
    else:
        return load(block, passphrase)
    raise problem
