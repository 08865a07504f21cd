"""Key files: the right one is read, every other one is named for what it is, and no secret shows."""

import base64
import copy
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

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

from dogwatch.actors.spot.keys import (
    Ed25519Key,
    KeyFileError,
    PassphraseNeeded,
    PassphraseWrong,
    load_ed25519_private_key,
    load_private_key,
)
from dogwatch.actors.spot.pem import FILE_BYTES_MAX
from dogwatch.actors.spot.rsa_key import RsaKey

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


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
THEIRS = Ed25519PrivateKey.from_private_bytes(SEED)
PASSPHRASE = "schlüssel & co".encode()
LOCK = BestAvailableEncryption(PASSPHRASE)
OPENSSH_LOCK = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(PASSPHRASE)
FORMS = (PrivateFormat.PKCS8, PrivateFormat.OpenSSH, PrivateFormat.TraditionalOpenSSL)
ENCRYPTED = THEIRS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, LOCK)
OPENSSH = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
RSA_PEMS = [RSA.private_bytes(*PKCS8), RSA.private_bytes(*TRADITIONAL), RSA.private_bytes(*OPENSSH)]
ENCRYPTED_OPENSSH = THEIRS.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, OPENSSH_LOCK)

WRONG: list[tuple[str, bytes, str, str]] = [
    ("encrypted", ENCRYPTED, "encrypted with a passphrase", "passphrase ="),
    ("encrypted OpenSSH", ENCRYPTED_OPENSSH, "encrypted with a passphrase", "passphrase ="),
    ("encrypted RSA", RSA.private_bytes(*TRADITIONAL[:2], LOCK), "encrypted with a passphrase", "passphrase ="),
    ("short RSA", SHORT_RSA.private_bytes(*PKCS8), "1024 bits", "2048"),
    ("damaged RSA", pem_of(b"x", "RSA PRIVATE KEY"), "cannot be read", "copy it again"),
    ("EC, OpenSSH", EC.private_bytes(*OPENSSH), "elliptic curve", "keygen"),
    ("EC, encrypted OpenSSH", EC.private_bytes(*OPENSSH[:2], OPENSSH_LOCK), "elliptic curve", "keygen"),
    ("OpenSSH, cut off", pem_of(b"openssh-key-v1\0\0\0", "OPENSSH PRIVATE KEY"), "cut off", "copy it again"),
    ("OpenSSH, hollow", pem_of(b"openssh-key-v1\0\0\0\0\5none", "OPENSSH PRIVATE KEY"), "cut off", "copy"),
    ("OpenSSH by name only", pem_of(DER, "OPENSSH PRIVATE KEY"), "does not hold an OpenSSH key", "copy"),
    ("OpenSSH, public", THEIRS.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "the public key", ""),
    ("RSA, public", RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1), "the public key", "private one"),
    ("PuTTY", b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a PuTTY key", "puttygen"),
    ("HMAC secret", b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j\n", "HMAC", "hmac_secret"),
    ("EC, PKCS#8", EC.private_bytes(*PKCS8), "elliptic curve", "keygen"),
    ("EC, traditional", EC.private_bytes(*TRADITIONAL), "elliptic curve", "keygen"),
    ("EC with parameters", pem_of(b"x", "EC PARAMETERS") + EC.private_bytes(*TRADITIONAL), "elliptic curve", "keygen"),
    ("DSA", pem_of(sequence(VERSION_1, sequence(bytes.fromhex("06072a8648ce380401")), INNER)), "a DSA key", "keygen"),
    ("X25519", x25519.X25519PrivateKey.generate().private_bytes(*PKCS8), "an X25519 key", "keygen"),
    ("Ed448", ed448.Ed448PrivateKey.generate().private_bytes(*PKCS8), "an Ed448 key", "keygen"),
    ("public", KEY.public_pem(), "the public key", "private one"),
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
    ("no end", PEM[:40], "its last line, -----END …-----, is missing", "copy it again"),
    ("half an end", PEM[:-10], "its last line, -----END …-----, is missing", "copy it again"),
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
        load_private_key(pem)
    assert says in caught.value.message
    assert hints in caught.value.hint
    assert caught.value.hint or "public key" in says, f"{name}: what is to be done?"
    assert_no_secret_in(str(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("form", FORMS, ids=["PKCS#8", "OpenSSH", "traditional"])
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_key_is_read_in_every_form(form: PrivateFormat, is_encrypted: bool) -> None:
    lock = OPENSSH_LOCK if form is PrivateFormat.OpenSSH else LOCK
    lock, asked = (lock, lambda: PASSPHRASE) if is_encrypted else (NoEncryption(), None)
    rsa_key = load_private_key(RSA.private_bytes(Encoding.PEM, form, lock), asked)
    assert isinstance(rsa_key, RsaKey)
    assert rsa_key.sign(b"message") == RsaKey(RSA).sign(b"message")
    assert rsa_key.public_pem() == RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if form is not PrivateFormat.TraditionalOpenSSL:  # there is none for Ed25519
        assert load_private_key(THEIRS.private_bytes(Encoding.PEM, form, lock), asked) == KEY


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ed25519", []), ("ed25519", ["-Z", "aes256-gcm@openssh.com"]), ("rsa", ["-b", "2048"])],
)
def test_a_key_from_ssh_keygen_is_read_with_its_passphrase_only(tmp_path: Path, kind: str, options: list[str]) -> None:
    file = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-a", "1", "-t", kind, *options, "-N", "a passphrase", "-f", str(file)]
    subprocess.run(command, check=True)
    assert load_private_key(file.read_bytes(), lambda: b"a passphrase").public_pem()
    with pytest.raises(PassphraseWrong):
        load_private_key(file.read_bytes(), lambda: b"another one")


@pytest.mark.parametrize("pem", [ENCRYPTED, ENCRYPTED_OPENSSH, RSA.private_bytes(*TRADITIONAL[:2], LOCK)])
def test_a_passphrase_that_is_missing_and_a_wrong_one_are_told_apart(pem: bytes) -> None:
    with pytest.raises(PassphraseNeeded, match="encrypted with a passphrase"):
        load_private_key(pem)
    for wrong in (b"wrong", b"", PASSPHRASE + b" ", PASSPHRASE * 100):
        with pytest.raises(PassphraseWrong, match="does not open the key") as caught:
            load_private_key(pem, partial(bytes, wrong))
        assert caught.value.__context__ is None


@pytest.mark.parametrize("pem", [PEM, *RSA_PEMS])
def test_a_passphrase_for_a_key_that_everybody_can_read_is_a_mistake(pem: bytes) -> None:
    with pytest.raises(KeyFileError, match="not encrypted") as caught:
        load_private_key(pem, lambda: pytest.fail("nobody needs it"))
    assert "openssl pkey -aes256" in caught.value.hint


def test_a_cipher_that_nobody_uses_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "key"
    options = ["-a", "1", "-t", "ed25519", "-Z", "3des-cbc", "-N", "secret"]
    subprocess.run(["ssh-keygen", "-q", *options, "-f", str(file)], check=True)
    with pytest.raises(KeyFileError, match="not supported") as caught:
        load_private_key(file.read_bytes(), lambda: b"secret")
    assert "ssh-keygen -p" in caught.value.hint


def test_who_has_an_ed25519_key_needs_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dogwatch.actors.spot.foreign_keys", "dogwatch.actors.spot.rsa_key", "cryptography"):
        monkeypatch.setitem(sys.modules, module, None)
    assert load_private_key(PEM) == KEY
    with pytest.raises(KeyFileError, match="another package") as caught:
        load_private_key(ENCRYPTED, lambda: PASSPHRASE)
    assert caught.value.hint == "pip install 'dogwatch[crypto]'"
    assert caught.value.__context__ is None


def test_where_only_ed25519_will_do_an_rsa_key_is_refused() -> None:
    with pytest.raises(KeyFileError, match="an RSA key, not an Ed25519 key"):
        load_ed25519_private_key(RSA_PEMS[0])


def assert_no_secret_in(text: str) -> None:
    body = PEM.splitlines()[1].decode()
    assert not any(body[start : start + 8] in text for start in range(20, len(body) - 8))
    assert SEED.hex()[:16] not in text


def hint_or_key(pem: bytes) -> str:
    """Read a file and return what there is to show for it. Any other error than KeyFileError fails the test."""
    try:
        return load_private_key(pem).public_pem().decode()
    except KeyFileError as error:
        return error.hint


@given(st.binary(max_size=200))
def test_no_bytes_are_ever_more_than_a_key_or_an_error(payload: bytes) -> None:
    assert hint_or_key(payload)
    assert hint_or_key(pem_of(payload))
    assert hint_or_key(pem_of(b"\x30" + payload))


@given(st.sampled_from([PEM, DER, *RSA_PEMS, ENCRYPTED, THEIRS.private_bytes(*OPENSSH), ENCRYPTED_OPENSSH]), st.data())
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
    assert repr(RsaKey(RSA)) == "RsaKey(bits=2048)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(RsaKey(RSA))


def refuse() -> bytes:
    raise KeyFileError("nobody is at the terminal")


@pytest.mark.parametrize(
    ("pem", "passphrase"),
    [
        (ENCRYPTED, lambda: b"wrong " + PASSPHRASE),
        (ENCRYPTED_OPENSSH, lambda: b"wrong " + PASSPHRASE),
        (ENCRYPTED, refuse),
        (PEM, lambda: PASSPHRASE),
        (PEM[:-40], None),
        (PEM.replace(b"MC4C", b"MC4D"), None),
    ],
)
def test_neither_a_key_nor_a_passphrase_is_in_sight_from_the_traceback_of_an_error(
    pem: bytes, passphrase: Callable[[], bytes] | None
) -> None:
    load = load_ed25519_private_key if passphrase is None else partial(load_private_key, passphrase=passphrase)
    with pytest.raises(KeyFileError) as caught:
        load(pem)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    seen = "".join(repr(frame.f_locals) for frame in frames if frame.f_code.co_filename != __file__)
    assert seen
    assert_no_secret_in(seen)
    assert PASSPHRASE.decode() not in seen
    assert pem.splitlines()[1].decode()[20:] not in seen


def test_keys_compare_by_what_they_are() -> None:
    assert Ed25519Key(SEED) == KEY
    assert hash(Ed25519Key(SEED)) == hash(KEY)
    assert Ed25519Key(bytes(32)) != KEY
    assert KEY != SEED
