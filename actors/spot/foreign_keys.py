"""Keys in all the forms that `cryptography` reads. Imported by keys.py alone, when there is such a key."""

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from dogwatch.actors.spot.ed25519_key import Ed25519Key
from dogwatch.actors.spot.pem import COPY_AGAIN, INSTALL, MAKE_ONE, KeyFileError, PassphraseWrong, PemBlock
from dogwatch.actors.spot.rsa_key import RSA_BITS_MIN, RsaKey

__all__ = ["load"]

OTHER_CIPHER = "encrypt it in a usual way: `ssh-keygen -p -Z aes256-ctr -f THIS_FILE`"
LONGER = "make one of 2048 or 4096 bits; or, as it signs much faster, an Ed25519 key: `dogwatch keygen`"


def load(block: PemBlock, passphrase: bytes | None) -> Ed25519Key | RsaKey:
    """Return the key. Raises KeyFileError; PassphraseWrong when nothing sensible comes out of an encrypted one."""
    key = _read(block, passphrase)
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Key(key.private_bytes_raw())
    if not isinstance(key, RSAPrivateKey):
        raise KeyFileError(
            "this is neither an Ed25519 key nor an RSA key: the exchange does not take it", hint=MAKE_ONE
        )
    if key.key_size < RSA_BITS_MIN:
        raise KeyFileError(f"this RSA key has {key.key_size} bits: that is too short", hint=LONGER)
    return RsaKey(key)


def _read(block: PemBlock, passphrase: bytes | None) -> PrivateKeyTypes:
    is_openssh = block.label == "OPENSSH PRIVATE KEY"
    try:
        return (load_ssh_private_key if is_openssh else load_pem_private_key)(block.text, passphrase)
    except UnsupportedAlgorithm as error:
        hint = INSTALL if "bcrypt" in str(error) else OTHER_CIPHER
        problem = KeyFileError("the key is encrypted in a way that is not supported", hint=hint)
    except (ValueError, TypeError, InvalidTag):
        if passphrase is None:
            problem = KeyFileError("the key cannot be read", hint=COPY_AGAIN)
        else:
            problem = PassphraseWrong("the passphrase does not open the key", hint="type it again, or look it up")
    raise problem  # out here it carries nothing of what was being read
