"""RSA keys as the exchange holds them: PKCS#1 v1.5 with SHA-256, base64. Needs the extra that brings `cryptography`.

Imported only where somebody uses such a key. (REST API, "SIGNED request example (RSA)".)
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.signing import VerifyKey

from dogwatch.actors.paper.keys import ApiKey, Ed25519Key, IssuedKey, Permission

BITS = 2048


class RsaKey(ApiKey, frozen=True, kw_only=True):
    """A public RSA key. Signatures are base64 and case-sensitive. It may not log a session on."""

    public_key: rsa.RSAPublicKey

    def verify(self, payload: bytes, signature: str) -> bool:
        try:
            decoded = base64.b64decode(signature, validate=True)
            self.public_key.verify(decoded, payload, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def make_rsa(api_key: str, account: str) -> tuple[IssuedKey, RsaKey]:
    """A new key pair; another one each time, which takes a tenth of a second."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    issued = IssuedKey(api_key=api_key, account=account, private_key_pem=pem)
    return issued, RsaKey(api_key=api_key, account=account, public_key=private.public_key())


def read_public_key(
    pem: bytes, *, api_key: str, account: str, permissions: frozenset[Permission], addresses: frozenset[str]
) -> ApiKey:
    """The key that a customer brings: public, PEM, Ed25519 or RSA. Raises ValueError for anything else."""
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no public key in PEM form") from error
    if isinstance(public, rsa.RSAPublicKey):
        return RsaKey(api_key=api_key, account=account, permissions=permissions, addresses=addresses, public_key=public)
    if isinstance(public, Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return Ed25519Key(
            api_key=api_key,
            account=account,
            permissions=permissions,
            addresses=addresses,
            verify_key=VerifyKey(raw),
        )
    raise ValueError("the exchange takes public keys of Ed25519 and RSA")
