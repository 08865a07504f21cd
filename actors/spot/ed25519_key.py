"""Ed25519 keys: what signs, and the PKCS#8 form that it is written in and read from (RFC 5958, RFC 8410).

Where random bytes come from is the caller's choice.
"""

from collections.abc import Callable
from typing import NoReturn

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from dogwatch.actors.spot.pem import COPY_AGAIN, MAKE_ONE, KeyFileError, pem

__all__ = ["Ed25519Key", "read_pkcs8"]

SEED_BYTES = 32


class Ed25519Key:
    """An Ed25519 private key. Its text forms are made only on request; `repr` shows the public half."""

    __slots__ = ("_secret", "_seed", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes")
        self._seed = seed
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes]) -> "Ed25519Key":
        """Return a new key made of `random_bytes(32)`. Give it `secrets.token_bytes`."""
        return cls(random_bytes(SEED_BYTES))

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return crypto_sign(message, self._secret)[:crypto_sign_BYTES]

    def private_pem(self) -> bytes:
        """Return the PKCS#8 PEM file. This is the secret."""
        return pem("PRIVATE KEY", _PRIVATE_PREFIX + self._seed)

    def public_pem(self) -> bytes:
        """Return the public key's PEM file: what is uploaded to the exchange."""
        return pem("PUBLIC KEY", _PUBLIC_PREFIX + self.public_key)

    def __eq__(self, other: object) -> bool:
        return self._seed == other._seed if isinstance(other, Ed25519Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.public_key)

    def __repr__(self) -> str:
        return f"Ed25519Key(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Ed25519Key is not pickled: it would leave this process")


def read_pkcs8(der: bytes) -> Ed25519Key | None:
    """Return the key of an unencrypted PKCS#8 block; None for an RSA key. Raises KeyFileError for anything else."""
    algorithm, private_key, public_key = _read_private_key_info(der)
    if algorithm == _RSA:
        return None
    if algorithm != _ED25519:
        name = _ALGORITHMS.get(algorithm, "some other kind of")
        raise KeyFileError(f"this is {name} key, and the exchange takes none", hint=MAKE_ONE)
    reader = _Der(private_key)
    seed = reader.take(_OCTET_STRING)
    reader.finish()
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"the key has {len(seed)} bytes, an Ed25519 key has {SEED_BYTES}", hint=COPY_AGAIN)
    key = Ed25519Key(seed)
    if public_key is not None and public_key != key.public_key:
        raise KeyFileError("the public key in the file does not belong to the private key", hint=COPY_AGAIN)
    return key


_PRIVATE_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC_PREFIX = bytes.fromhex("302a300506032b6570032100")

_ED25519 = bytes.fromhex("2b6570")
_RSA = bytes.fromhex("2a864886f70d010101")

_ALGORITHMS = {
    bytes.fromhex("2a864886f70d01010a"): "an RSA-PSS",
    bytes.fromhex("2a8648ce3d0201"): "an elliptic curve (EC)",
    bytes.fromhex("2a8648ce380401"): "a DSA",
    bytes.fromhex("2b656e"): "an X25519",
    bytes.fromhex("2b656f"): "an X448",
    bytes.fromhex("2b6571"): "an Ed448",
}

_INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_ATTRIBUTES, _PUBLIC_KEY = 0xA0, 0x81


def _read_private_key_info(der: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Return the algorithm's identifier, the private key's own DER, and the public key if the file carries it."""
    outer = _Der(der)
    info = _Der(outer.take(_SEQUENCE))
    outer.finish()
    version = info.take(_INTEGER)
    if version not in (b"\0", b"\1"):
        raise KeyFileError("this is no PKCS#8 private key, or of a version nobody has defined", hint=MAKE_ONE)
    algorithm_identifier = _Der(info.take(_SEQUENCE))
    algorithm = algorithm_identifier.take(_OBJECT_IDENTIFIER)
    if algorithm == _ED25519:
        algorithm_identifier.finish()  # Ed25519 has no parameters
    private_key = info.take(_OCTET_STRING)
    if info.next_tag() == _ATTRIBUTES:
        info.take(_ATTRIBUTES)
    public_key = None
    if info.next_tag() == _PUBLIC_KEY and version == b"\1":
        public_key = info.take(_PUBLIC_KEY)[1:]  # behind the count of unused bits
    info.finish()
    return algorithm, private_key, public_key


class _Der:
    """Reads one DER value after the other, as strictly as DER demands."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next_tag(self) -> int | None:
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self, tag: int) -> bytes:
        """Return the contents of the next value, which must have this tag."""
        found = self.next_tag()
        if found is None:
            raise _truncated()
        if found != tag:
            raise KeyFileError("the block does not hold a PKCS#8 private key", hint=COPY_AGAIN)
        length = self._take_length()
        start = self._at
        if start + length > len(self._data):
            raise _truncated()
        self._at = start + length
        return self._data[start : self._at]

    def finish(self) -> None:
        if self._at != len(self._data):
            raise KeyFileError("there is something behind the key's own bytes", hint=COPY_AGAIN)

    def _take_length(self) -> int:
        octets = self._data[self._at + 1 : self._at + 2]
        if not octets:
            raise _truncated()
        self._at += 2
        if octets[0] < 0x80:
            return octets[0]
        count = octets[0] & 0x7F
        digits = self._data[self._at : self._at + count]
        if len(digits) < count:
            raise _truncated()
        self._at += count
        length = int.from_bytes(digits, "big")
        if not 1 <= count <= 3 or digits[0] == 0 or length < 0x80:
            raise KeyFileError("a length in the key is not written as DER writes it", hint=COPY_AGAIN)
        return length


def _truncated() -> KeyFileError:
    return KeyFileError("the key is cut off", hint=COPY_AGAIN)
