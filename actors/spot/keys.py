"""Ed25519 keys: reading a PKCS#8 PEM file strictly, and writing one (RFC 5958, RFC 7468, RFC 8410; API key types).

No bytes of a key ever appear in an error. Where the file lies and where random bytes come from is the caller's choice.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import NoReturn

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from dogwatch.runtime.errors import DogwatchError

SEED_BYTES = 32
FILE_BYTES_MAX = 65_536


class KeyFileError(DogwatchError):
    """A key file is not what is needed. The message says what it is instead, the hint what to do."""


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
        return _pem("PRIVATE KEY", _PRIVATE_PREFIX + self._seed)

    def public_pem(self) -> bytes:
        """Return the public key's PEM file: what is uploaded to the exchange."""
        return _pem("PUBLIC KEY", _PUBLIC_PREFIX + self.public_key)

    def __eq__(self, other: object) -> bool:
        return self._seed == other._seed if isinstance(other, Ed25519Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.public_key)

    def __repr__(self) -> str:
        return f"Ed25519Key(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Ed25519Key is not pickled: it would leave this process")


def load_ed25519_private_key(pem: bytes) -> Ed25519Key:
    """Return the key in a PEM file with one unencrypted PKCS#8 block. Raises KeyFileError for anything else."""
    der = _read_pem(pem)
    algorithm, private_key, public_key = _read_private_key_info(der)
    if algorithm != _ED25519:
        name = _ALGORITHMS.get(algorithm, "some other kind of")
        raise KeyFileError(f"this is {name} key, not an Ed25519 key", hint=_MAKE_ONE)
    reader = _Der(private_key)
    seed = reader.take(_OCTET_STRING)
    reader.finish()
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"the key has {len(seed)} bytes, an Ed25519 key has {SEED_BYTES}", hint=_COPY_AGAIN)
    key = Ed25519Key(seed)
    if public_key is not None and public_key != key.public_key:
        raise KeyFileError("the public key in the file does not belong to the private key", hint=_COPY_AGAIN)
    return key


_MAKE_ONE = "make an Ed25519 key with `dogwatch keygen` and register its public half at the exchange"
_COPY_AGAIN = "the file is damaged: copy it again from where it was made"

_PRIVATE_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC_PREFIX = bytes.fromhex("302a300506032b6570032100")

_ED25519 = bytes.fromhex("2b6570")
_ALGORITHMS = {
    bytes.fromhex("2a864886f70d010101"): "an RSA",
    bytes.fromhex("2a864886f70d01010a"): "an RSA-PSS",
    bytes.fromhex("2a8648ce3d0201"): "an elliptic curve (EC)",
    bytes.fromhex("2a8648ce380401"): "a DSA",
    bytes.fromhex("2b656e"): "an X25519",
    bytes.fromhex("2b656f"): "an X448",
    bytes.fromhex("2b6571"): "an Ed448",
}

_LABEL_PROBLEMS: dict[str, tuple[str, str]] = {
    "ENCRYPTED PRIVATE KEY": (
        "the key is encrypted with a passphrase",
        "write an unencrypted copy that only you can read: `openssl pkey -in THIS_FILE -out PLAIN_FILE`",
    ),
    "PUBLIC KEY": (
        "this is the public key",
        "give the private one, which begins with -----BEGIN PRIVATE KEY-----; the exchange gets the public one",
    ),
    "RSA PRIVATE KEY": ("this is an RSA key, not an Ed25519 key", _MAKE_ONE),
    "RSA PUBLIC KEY": ("this is a public RSA key, not a private Ed25519 key", _MAKE_ONE),
    "EC PRIVATE KEY": ("this is an elliptic curve (EC) key, not an Ed25519 key", _MAKE_ONE),
    "EC PARAMETERS": ("this is an elliptic curve (EC) key, not an Ed25519 key", _MAKE_ONE),
    "DSA PRIVATE KEY": ("this is a DSA key, not an Ed25519 key", _MAKE_ONE),
    "OPENSSH PRIVATE KEY": ("this is an OpenSSH key file, not a PKCS#8 one", _MAKE_ONE),
    "CERTIFICATE": ("this is a certificate, not a private key", _MAKE_ONE),
}

_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]*)-----")
_END = re.compile(r"-----END [A-Z0-9 ]*-----")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]*)-----[ \t]*\n((?:[^\n]*\n)*?)-----END ([A-Z0-9 ]*)-----")


def _read_pem(pem: bytes) -> bytes:
    """Return the DER inside the one block of a PEM file."""
    text = _read_text(pem)
    begins = _BEGIN.findall(text)
    if not begins:
        raise KeyFileError(
            "this is no PEM file: it has no line -----BEGIN PRIVATE KEY-----",
            hint="give the whole file, with its first and its last line",
        )
    for label in begins:
        if label in _LABEL_PROBLEMS:
            problem, hint = _LABEL_PROBLEMS[label]
            raise KeyFileError(problem, hint=hint)
        if label != "PRIVATE KEY":
            raise KeyFileError("the PEM block is not a PRIVATE KEY", hint=_MAKE_ONE)
    if len(begins) > 1:
        raise KeyFileError(f"the file holds {len(begins)} keys", hint="keep one key in one file")
    block = _BLOCK.search(text)
    if block is None:
        raise _unfinished(text)
    if block[3] != "PRIVATE KEY":
        raise KeyFileError("the block's first and last line do not name the same thing", hint=_COPY_AGAIN)
    if (text[: block.start()] + text[block.end() :]).strip():
        raise KeyFileError("there is other text around the key", hint="keep nothing but the key in the file")
    try:
        return base64.b64decode("".join(block[2].split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyFileError("the lines between BEGIN and END are not base64", hint=_COPY_AGAIN) from None


def _read_text(pem: bytes) -> str:
    if len(pem) > FILE_BYTES_MAX:
        raise KeyFileError("the file is too large to be a key", hint="give the private key file itself")
    if not pem.strip():
        raise KeyFileError("the file is empty", hint=_MAKE_ONE)
    if pem.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in pem[:4]:
        raise KeyFileError(
            "the file was saved as UTF-16, or with a byte order mark", hint="save it as plain ASCII or UTF-8 text"
        )
    if pem.translate(None, _TEXT_BYTES):
        hint = "if it is a DER file, convert it: `openssl pkey -inform DER -in THIS_FILE -out PEM_FILE`"
        raise KeyFileError("this is no PEM file: it holds bytes that are no plain text", hint=hint)
    text = pem.decode("ascii").replace("\r\n", "\n")
    if "\r" in text:
        raise KeyFileError("the lines end in CR alone", hint="save the file with LF or CR LF line ends")
    if "\\n" in text:
        raise KeyFileError(
            "the line breaks are written out as backslash and n", hint="put real line breaks in their place"
        )
    return text


def _unfinished(text: str) -> KeyFileError:
    if _END.search(text):
        return KeyFileError(
            "the line breaks are missing: BEGIN and END stand on lines of their own", hint="put the line breaks back"
        )
    return KeyFileError("the file is cut off: the line -----END PRIVATE KEY----- is missing", hint=_COPY_AGAIN)


_INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_ATTRIBUTES, _PUBLIC_KEY = 0xA0, 0x81


def _read_private_key_info(der: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Return the algorithm's identifier, the private key's own DER, and the public key if the file carries it."""
    outer = _Der(der)
    info = _Der(outer.take(_SEQUENCE))
    outer.finish()
    version = info.take(_INTEGER)
    if version not in (b"\0", b"\1"):
        raise KeyFileError("this is no PKCS#8 private key, or of a version nobody has defined", hint=_MAKE_ONE)
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
            raise KeyFileError("the block does not hold a PKCS#8 private key", hint=_COPY_AGAIN)
        length = self._take_length()
        start = self._at
        if start + length > len(self._data):
            raise _truncated()
        self._at = start + length
        return self._data[start : self._at]

    def finish(self) -> None:
        if self._at != len(self._data):
            raise KeyFileError("there is something behind the key's own bytes", hint=_COPY_AGAIN)

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
            raise KeyFileError("a length in the key is not written as DER writes it", hint=_COPY_AGAIN)
        return length


def _truncated() -> KeyFileError:
    return KeyFileError("the key is cut off", hint=_COPY_AGAIN)


def _pem(label: str, der: bytes) -> bytes:
    body = base64.b64encode(der).decode("ascii")
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode("ascii")
