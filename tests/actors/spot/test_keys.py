"""Key files: the right one is read, every other one is named for what it is, and no secret shows."""

import base64
import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.keys import FILE_BYTES_MAX, Ed25519Key, KeyFileError, load_ed25519_private_key

SEED = bytes(range(32))
KEY = Ed25519Key(SEED)
PEM = KEY.private_pem()
DER = base64.b64decode(PEM.splitlines()[1])
PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
TRADITIONAL = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def pem_of(der: bytes, label: str = "PRIVATE KEY") -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n".encode()


def sequence(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return b"\x30" + bytes([len(body)]) + body


VERSION_1, VERSION_2 = b"\x02\x01\x00", b"\x02\x01\x01"
ALGORITHM = sequence(bytes.fromhex("06032b6570"))
INNER = b"\x04\x22\x04\x20" + SEED


@given(st.binary(min_size=32, max_size=32))
def test_a_key_survives_being_written_and_read(seed: bytes) -> None:
    key = Ed25519Key(seed)
    again = load_ed25519_private_key(key.private_pem())
    assert again == key
    assert again.sign(b"message") == key.sign(b"message")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_files_and_signatures_are_those_of_another_implementation(seed: bytes, message: bytes) -> None:
    ours, theirs = Ed25519Key(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert ours.private_pem() == theirs.private_bytes(*PKCS8)
    assert ours.public_pem() == theirs.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert ours.sign(message) == theirs.sign(message)
    assert load_ed25519_private_key(theirs.private_bytes(*PKCS8)) == ours
    assert isinstance(load_pem_private_key(ours.private_pem(), None), Ed25519PrivateKey)
    load_pem_public_key(ours.public_pem())


def test_a_new_key_is_made_of_the_bytes_it_is_given() -> None:
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return SEED

    assert Ed25519Key.generate(random_bytes) == KEY
    assert asked == [32]
    with pytest.raises(ValueError, match="32 bytes"):
        Ed25519Key(b"short")


@pytest.mark.parametrize(
    "pem",
    [
        PEM.replace(b"\n", b"\r\n"),
        PEM.rstrip(),
        b"\n\n" + PEM + b"\n \n",
        PEM.replace(b"\n", b"  \n"),
        b"-----BEGIN PRIVATE KEY-----\n%s\n%s\n-----END PRIVATE KEY-----\n"
        % tuple(PEM.splitlines()[1][i : i + 32] for i in (0, 32)),
        pem_of(sequence(VERSION_1, ALGORITHM, INNER, b"\xa0\x00")),
        pem_of(sequence(VERSION_2, ALGORITHM, INNER, b"\x81\x21\x00" + KEY.public_key)),
    ],
    ids=["crlf", "no last newline", "blank lines around", "blanks at line ends", "wrapped", "attributes", "version 2"],
)
def test_harmless_differences_are_accepted(pem: bytes) -> None:
    assert load_ed25519_private_key(pem) == KEY


RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
THEIRS = Ed25519PrivateKey.from_private_bytes(SEED)
ENCRYPTED = THEIRS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))

WRONG: list[tuple[str, bytes, str, str]] = [
    ("encrypted", ENCRYPTED, "encrypted with a passphrase", "openssl pkey"),
    ("RSA, PKCS#8", RSA.private_bytes(*PKCS8), "an RSA key", "keygen"),
    ("RSA, traditional", RSA.private_bytes(*TRADITIONAL), "an RSA key", "keygen"),
    ("EC, PKCS#8", EC.private_bytes(*PKCS8), "elliptic curve", "keygen"),
    ("EC, traditional", EC.private_bytes(*TRADITIONAL), "elliptic curve", "keygen"),
    ("EC with parameters", pem_of(b"x", "EC PARAMETERS") + EC.private_bytes(*TRADITIONAL), "elliptic curve", "keygen"),
    ("DSA", pem_of(sequence(VERSION_1, sequence(bytes.fromhex("06072a8648ce380401")), INNER)), "a DSA key", "keygen"),
    ("X25519", x25519.X25519PrivateKey.generate().private_bytes(*PKCS8), "an X25519 key", "keygen"),
    ("Ed448", ed448.Ed448PrivateKey.generate().private_bytes(*PKCS8), "an Ed448 key", "keygen"),
    ("public", KEY.public_pem(), "the public key", "BEGIN PRIVATE KEY"),
    (
        "OpenSSH",
        THEIRS.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "an OpenSSH key",
        "keygen",
    ),
    ("certificate", pem_of(b"x", "CERTIFICATE"), "a certificate", "keygen"),
    ("unheard of", pem_of(b"x", "PGP MESSAGE"), "not a PRIVATE KEY", "keygen"),
    ("DER", DER, "no plain text", "openssl pkey -inform DER"),
    ("empty", b"", "empty", "keygen"),
    ("blank", b" \n", "empty", "keygen"),
    ("garbage", b"hello", "no PEM file", "whole file"),
    ("base64 alone", PEM.splitlines()[1], "no PEM file", "whole file"),
    ("huge", PEM + b" " * FILE_BYTES_MAX, "too large", "key file itself"),
    ("UTF-16", PEM.decode().encode("utf-16"), "UTF-16", "plain ASCII"),
    ("byte order mark", b"\xef\xbb\xbf" + PEM, "byte order mark", "plain ASCII"),
    ("CR alone", PEM.replace(b"\n", b"\r"), "CR alone", "LF"),
    ("written-out newlines", PEM.replace(b"\n", b"\\n"), "backslash and n", "real line breaks"),
    ("one line", PEM.replace(b"\n", b""), "line breaks are missing", "back"),
    ("one line with blanks", PEM.replace(b"\n", b" "), "line breaks are missing", "back"),
    ("no end", PEM[:40], "END PRIVATE KEY----- is missing", "copy it again"),
    ("half an end", PEM[:-10], "END PRIVATE KEY----- is missing", "copy it again"),
    ("other end", PEM.replace(b"END PRIVATE", b"END PUBLIC"), "do not name the same", "copy it again"),
    ("two keys", PEM + PEM, "holds 2 keys", "one key in one file"),
    ("key and public key", PEM + KEY.public_pem(), "the public key", ""),
    ("text around", b"my key:\n" + PEM, "other text around", "nothing but the key"),
    ("not base64", PEM.replace(b"MC4", b"M*4"), "not base64", "copy it again"),
    ("a character missing", PEM.replace(b"MC4", b"M4"), "not base64", "copy it again"),
    ("nothing inside", pem_of(b""), "cut off", "copy it again"),
    ("cut off", pem_of(DER[:-1]), "cut off", "copy it again"),
    ("half", pem_of(DER[:16]), "cut off", "copy it again"),
    ("more behind", pem_of(DER + b"\0"), "something behind", "copy it again"),
    ("short seed", pem_of(sequence(VERSION_1, ALGORITHM, b"\x04\x21\x04\x1f" + SEED[:31])), "31 bytes", "copy"),
    ("no seed wrapper", pem_of(sequence(VERSION_1, ALGORITHM, b"\x04\x20" + SEED)), "PKCS#8", "copy"),
    ("long length", pem_of(b"\x30\x81\x2e" + DER[2:]), "not written as DER", "copy"),
    ("endless length", pem_of(b"\x30\x80" + DER[2:] + b"\0\0"), "not written as DER", "copy"),
    ("length in many bytes", pem_of(b"\x30\x84\x00\x00\x00\x2e" + DER[2:]), "not written as DER", "copy"),
    ("length cut off", pem_of(b"\x30"), "cut off", "copy"),
    ("long length cut off", pem_of(b"\x30\x82\x01"), "cut off", "copy"),
    ("version 3", pem_of(sequence(b"\x02\x01\x02", ALGORITHM, INNER)), "no PKCS#8", "keygen"),
    (
        "parameters",
        pem_of(sequence(VERSION_1, sequence(bytes.fromhex("06032b6570"), b"\x05\x00"), INNER)),
        "something behind",
        "copy",
    ),
    (
        "unheard algorithm",
        pem_of(sequence(VERSION_1, sequence(b"\x06\x01\x2a"), INNER)),
        "some other kind of key",
        "keygen",
    ),
    (
        "foreign public key",
        pem_of(sequence(VERSION_2, ALGORITHM, INNER, b"\x81\x21\x00" + bytes(32))),
        "does not belong",
        "copy",
    ),
    (
        "public key in version 1",
        pem_of(sequence(VERSION_1, ALGORITHM, INNER, b"\x81\x21\x00" + KEY.public_key)),
        "something behind",
        "copy",
    ),
]


@pytest.mark.parametrize(("name", "pem", "says", "hints"), WRONG, ids=[name for name, *_ in WRONG])
def test_every_other_file_is_named_for_what_it_is(name: str, pem: bytes, says: str, hints: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_ed25519_private_key(pem)
    assert says in caught.value.message
    assert hints in caught.value.hint
    assert caught.value.hint, f"{name}: what is to be done?"
    assert_no_secret_in(str(caught.value))
    assert caught.value.__cause__ is None


def assert_no_secret_in(text: str) -> None:
    body = PEM.splitlines()[1].decode()
    assert not any(body[start : start + 8] in text for start in range(20, len(body) - 8))
    assert SEED.hex()[:16] not in text


def hint_or_key(pem: bytes) -> str:
    """Read a file and return what there is to show for it. Any other error than KeyFileError fails the test."""
    try:
        return load_ed25519_private_key(pem).public_pem().decode()
    except KeyFileError as error:
        return error.hint


@given(st.binary(max_size=200))
def test_no_bytes_are_ever_more_than_a_key_or_an_error(payload: bytes) -> None:
    assert hint_or_key(payload)
    assert hint_or_key(pem_of(payload))
    assert hint_or_key(pem_of(b"\x30" + payload))


@given(st.sampled_from([PEM, DER, RSA.private_bytes(*PKCS8), ENCRYPTED]), st.data())
def test_no_damage_to_a_file_is_ever_more_than_a_key_or_an_error(good: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 10)))
    damaged = good[:start] + data.draw(st.binary(max_size=4)) + good[end:]
    assert hint_or_key(damaged)
    assert hint_or_key(pem_of(damaged))


def test_the_secret_stays_in_the_process() -> None:
    assert KEY.public_key.hex() in repr(KEY)
    assert_no_secret_in(repr(KEY))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(KEY)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(KEY)


def test_keys_compare_by_what_they_are() -> None:
    assert Ed25519Key(SEED) == KEY
    assert hash(Ed25519Key(SEED)) == hash(KEY)
    assert Ed25519Key(bytes(32)) != KEY
    assert KEY != SEED
