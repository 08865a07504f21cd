"""RSA keys: signatures by PKCS#1 v1.5 with SHA-256 (API key types). The package `cryptography` makes them."""

from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["RSA_BITS_MIN", "RsaKey"]

RSA_BITS_MIN = 2048
"""The exchange takes keys of 2048 bits and of 4096."""


class RsaKey:
    """An RSA private key; `repr` shows its size only. A signature with 2048 bits costs some 0.5 ms of computing."""

    __slots__ = ("_key",)

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    @property
    def bits(self) -> int:
        return self._key.key_size

    def sign(self, message: bytes) -> bytes:
        """Return the signature, as many bytes as the key has."""
        return self._key.sign(message, PKCS1v15(), SHA256())

    def public_pem(self) -> bytes:
        """Return the public key's PEM file: what is uploaded to the exchange."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"RsaKey(bits={self.bits})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an RsaKey is not pickled: it would leave this process")
