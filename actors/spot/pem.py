"""PEM files: one private key in one file, read strictly (RFC 7468). What is in it is keys.py's business.

No bytes of a key ever appear in an error.
"""

import base64
import binascii
import re
from typing import NamedTuple

from dogwatch.runtime.errors import DogwatchError

__all__ = [
    "COPY_AGAIN",
    "FILE_BYTES_MAX",
    "INSTALL",
    "MAKE_ONE",
    "KeyFileError",
    "PassphraseWrong",
    "PemBlock",
    "pem",
    "read_pem",
]

FILE_BYTES_MAX = 65_536

MAKE_ONE = "make an Ed25519 key with `dogwatch keygen` and register its public half at the exchange"
INSTALL = "pip install 'dogwatch[crypto]'"
COPY_AGAIN = "the file is damaged: copy it again from where it was made"
_GIVE_THE_PRIVATE_ONE = "give the private one: its file says PRIVATE KEY; the exchange gets the public one"
_NOT_TAKEN = "this is %s key, and the exchange takes none"


class KeyFileError(DogwatchError):
    """A key file is not what is needed. The message says what it is instead, the hint what to do."""


class PassphraseWrong(KeyFileError):
    """The key is encrypted with another passphrase than the one that was given."""


class PemBlock(NamedTuple):
    """The one block of a file. `text` is the whole block with plain line ends; `der` is empty where `headers` are."""

    label: str
    text: bytes
    headers: str
    der: bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether the label or the headers say so. An OpenSSH block says it inside."""
        return self.label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in self.headers

    def __repr__(self) -> str:
        return f"<PemBlock {self.label}>"


LABELS = frozenset({"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY"})

_LABEL_PROBLEMS: dict[str, tuple[str, str]] = {
    "PUBLIC KEY": ("this is the public key", _GIVE_THE_PRIVATE_ONE),
    "RSA PUBLIC KEY": ("this is the public key", _GIVE_THE_PRIVATE_ONE),
    "EC PRIVATE KEY": (_NOT_TAKEN % "an elliptic curve (EC)", MAKE_ONE),
    "EC PARAMETERS": (_NOT_TAKEN % "an elliptic curve (EC)", MAKE_ONE),
    "DSA PRIVATE KEY": (_NOT_TAKEN % "a DSA", MAKE_ONE),
    "CERTIFICATE": ("this is a certificate, not a private key", MAKE_ONE),
}

_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]*)-----")
_END = re.compile(r"-----END [A-Z0-9 ]*-----")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]*)-----[ \t]*\n((?:[^\n]*\n)*?)-----END ([A-Z0-9 ]*)-----")
_HEADERS = re.compile(r"(?:[A-Za-z-]+: [^\n]*\n)+\s*\n")
_OPENSSH_PUBLIC = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA")
_SHARED_SECRET = re.compile(r"(?!MC4CAQAwBQYDK2Vw)[A-Za-z0-9]{64}")
"""Not what an Ed25519 key's file has between its first and its last line, which is as long."""


def read_pem(content: bytes) -> PemBlock:
    """Return the one private key block of a file. Raises KeyFileError for everything else."""
    text = _read_text(content)
    begins = _BEGIN.findall(text)
    if not begins:
        raise _no_pem(text)
    for label in begins:
        if label in _LABEL_PROBLEMS:
            problem, hint = _LABEL_PROBLEMS[label]
            raise KeyFileError(problem, hint=hint)
        if label not in LABELS:
            raise KeyFileError("the PEM block is not a PRIVATE KEY", hint=MAKE_ONE)
    if len(begins) > 1:
        raise KeyFileError(f"the file holds {len(begins)} keys", hint="keep one key in one file")
    block = _BLOCK.search(text)
    if block is None:
        raise _unfinished(text)
    label, body, end_label = block.groups()
    if end_label != label:
        raise KeyFileError("the block's first and last line do not name the same thing", hint=COPY_AGAIN)
    if (text[: block.start()] + text[block.end() :]).strip():
        raise KeyFileError("there is other text around the key", hint="keep nothing but the key in the file")
    headers = _HEADERS.match(body)
    if headers is not None:
        return PemBlock(label, block[0].encode("ascii"), headers[0], b"")
    return PemBlock(label, block[0].encode("ascii"), "", _decoded(body))


def pem(label: str, der: bytes) -> bytes:
    """Write a PEM file, its body in one line."""
    body = base64.b64encode(der).decode("ascii")
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode("ascii")


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        problem = KeyFileError("the lines between BEGIN and END are not base64", hint=COPY_AGAIN)
    raise problem  # out here it carries nothing of what was being read


def _read_text(content: bytes) -> str:
    if len(content) > FILE_BYTES_MAX:
        raise KeyFileError("the file is too large to be a key", hint="give the private key file itself")
    if not content.strip():
        raise KeyFileError("the file is empty", hint=MAKE_ONE)
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise KeyFileError(
            "the file was saved as UTF-16, or with a byte order mark", hint="save it as plain ASCII or UTF-8 text"
        )
    if content.translate(None, _TEXT_BYTES):
        hint = "if it is a DER file, convert it: `openssl pkey -inform DER -in THIS_FILE -out PEM_FILE`"
        raise KeyFileError("this is no PEM file: it holds bytes that are no plain text", hint=hint)
    text = content.decode("ascii").replace("\r\n", "\n")
    if "\r" in text:
        raise KeyFileError("the lines end in CR alone", hint="save the file with LF or CR LF line ends")
    if "\\n" in text:
        raise KeyFileError(
            "the line breaks are written out as backslash and n", hint="put real line breaks in their place"
        )
    return text


def _no_pem(text: str) -> KeyFileError:
    text = text.strip()
    if _OPENSSH_PUBLIC.match(text):
        return KeyFileError("this is the public key", hint=_GIVE_THE_PRIVATE_ONE)
    if text.startswith("PuTTY-User-Key-File"):
        hint = "convert it: `puttygen THIS_FILE -O private-openssh -o KEY_FILE`"
        return KeyFileError("this is a PuTTY key file", hint=hint)
    if _SHARED_SECRET.fullmatch(text):
        hint = "a secret that the exchange has made is given as hmac_secret"
        return KeyFileError("these are 64 letters and digits, as of an HMAC secret: no key file", hint=hint)
    return KeyFileError(
        "this is no PEM file: it has no line -----BEGIN PRIVATE KEY-----",
        hint="give the whole file, with its first and its last line",
    )


def _unfinished(text: str) -> KeyFileError:
    if _END.search(text):
        return KeyFileError(
            "the line breaks are missing: BEGIN and END stand on lines of their own", hint="put the line breaks back"
        )
    return KeyFileError("the file is cut off: its last line, -----END …-----, is missing", hint=COPY_AGAIN)
