"""Loading what signs: every kind of key from every source, every mistake at its place, no secret in what is raised."""

import base64
import os
import pty
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from dogwatch.actors.key_loading import load_signer
from dogwatch.actors.settings import AccountSettings
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, RsaSigner
from dogwatch.runtime import secrets
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.errors import ConfigError

API_KEY = "k" * 64
SECRET = "s3cret" * 10
PASSPHRASE = "open sesame"
SEED = bytes(range(32))
PEM = Ed25519Key(SEED).private_pem()
ENCRYPTED = Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode())
)


def block(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n".encode()


def account(
    folder: Path, pem: bytes | None = None, *, api_key: str = API_KEY, secret: str | None = None, **others: Any
) -> AccountSettings:
    (folder / "api_key").write_text(api_key, encoding="utf-8")
    if secret is not None:
        (folder / "secret").write_text(secret, encoding="utf-8")
    elif pem is not None:
        (folder / "key.pem").write_bytes(pem)
    return AccountSettings(
        api_key=SecretReference(file=folder / "api_key"),
        private_key=SecretReference(file=folder / "key.pem") if secret is None else None,
        hmac_secret=None if secret is None else SecretReference(file=folder / "secret"),
        **others,
    )


@pytest.mark.parametrize(
    ("pem", "place", "words"),
    [
        (block("RSA PRIVATE KEY", b"x"), "account.private_key", "the key cannot be read"),
        (block("EC PRIVATE KEY", b"x"), "account.private_key", "this is an elliptic curve"),
        (ENCRYPTED, "account.private_key", "encrypted with a passphrase"),
        (block("PUBLIC KEY", b"x"), "account.private_key", "this is the public key"),
        (block("OPENSSH PRIVATE KEY", b"x"), "account.private_key", "does not hold an OpenSSH key"),
        (b"", "account.private_key", "key.pem is empty"),
        (b"\n\n", "account.private_key", "key.pem is empty"),
        (b"hello", "account.private_key", "this is no PEM file"),
        (PEM[:40], "account.private_key", ""),
        (b"x" * 70_000, "account.private_key", "larger than 65536 bytes"),
        (None, "account.private_key", "No such file"),
    ],
)
def test_a_wrong_key_file_is_named_with_its_place_and_a_hint(
    tmp_path: Path, pem: bytes | None, place: str, words: str
) -> None:
    with pytest.raises(ConfigError) as failure:
        load_signer(account(tmp_path, pem))
    assert failure.value.where == place
    assert words in failure.value.message


@pytest.mark.parametrize("api_key", ["with blank", '"quoted"', "a-b"])
def test_a_malformed_api_key_is_named_and_not_shown(tmp_path: Path, api_key: str) -> None:
    with pytest.raises(ConfigError, match="the API key is letters and digits only") as failure:
        load_signer(account(tmp_path, PEM, api_key=api_key))
    assert api_key not in str(failure.value)


def test_a_secret_of_blanks_and_a_key_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the HMAC secret is empty"):
        load_signer(account(tmp_path, secret="  "))
    with pytest.raises(ConfigError, match=r"account\.api_key: is not plain text"):
        load_signer(account(tmp_path, PEM, api_key="schlüssel"))


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOGWATCH_NONE", raising=False)
    settings = AccountSettings(api_key=SecretReference(env="DOGWATCH_NONE"), private_key=SecretReference(env="X"))
    with pytest.raises(ConfigError, match=r"account\.api_key: environment variable DOGWATCH_NONE is not set"):
        load_signer(settings)


def test_line_breaks_around_keys_do_no_harm_and_no_signer_shows_its_secret(tmp_path: Path) -> None:
    ed25519 = load_signer(account(tmp_path, PEM + b"\n\n", api_key=f"{API_KEY}\n"))
    hmac = load_signer(account(tmp_path, api_key=f"{API_KEY}\r\n", secret=f"{SECRET}\n"))
    assert isinstance(ed25519, Ed25519Signer)
    assert isinstance(hmac, HmacSigner)
    for signer in (ed25519, hmac):
        assert signer.sign({"timestamp": 1})["apiKey"] == API_KEY
        assert API_KEY not in repr(signer)
        assert SECRET not in repr(signer)


questions: list[str] = []
"""The questions of a test, in their order."""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal at which these lines are typed, first to last. What is not typed stays in the list."""
    lines: list[str] = []
    monkeypatch.setattr(secrets, "TERMINAL", os.devnull)
    questions.clear()

    def ask(question: str) -> str:
        questions.append(question)
        return lines.pop(0)

    monkeypatch.setattr("getpass.getpass", ask)
    return lines


PROMPT = SecretReference(prompt=True)


def test_an_rsa_key_signs_as_one(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    signer = load_signer(account(tmp_path, pem))
    assert isinstance(signer, RsaSigner)
    assert signer.api_key == API_KEY


def test_a_passphrase_comes_from_a_file_the_environment_or_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    monkeypatch.setenv("DOGWATCH_TEST_PASSPHRASE", PASSPHRASE)
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    typed.append(PASSPHRASE)
    for reference in (
        SecretReference(env="DOGWATCH_TEST_PASSPHRASE"),
        SecretReference(file=tmp_path / "passphrase"),
        PROMPT,
    ):
        signer = load_signer(account(tmp_path, ENCRYPTED, passphrase=reference))
        assert signer.sign({"timestamp": 1}) == Ed25519Signer(API_KEY, Ed25519Key(SEED)).sign({"timestamp": 1})
    assert not typed


def test_a_wrong_passphrase_is_named_at_once_and_one_that_was_mistyped_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    monkeypatch.setenv("DOGWATCH_TEST_PASSPHRASE", "shut")
    with pytest.raises(ConfigError, match=r"account\.passphrase: the passphrase does not open the key"):
        load_signer(account(tmp_path, ENCRYPTED, passphrase=SecretReference(env="DOGWATCH_TEST_PASSPHRASE")))
    typed[:] = ["opne sesame", "open sesam", PASSPHRASE, "never asked"]
    assert load_signer(account(tmp_path, ENCRYPTED, passphrase=PROMPT)).api_key == API_KEY
    assert typed == ["never asked"]
    question = "account.passphrase (not shown): "
    again = f"the passphrase does not open the key\n{question}"
    assert questions == [question, again, again]
    typed[:] = ["one", "two", "three", "never asked"]
    with pytest.raises(ConfigError, match=r"account\.passphrase: the passphrase does not open the key"):
        load_signer(account(tmp_path, ENCRYPTED, passphrase=PROMPT))
    assert typed == ["never asked"]


def test_nobody_is_asked_for_the_passphrase_of_a_key_that_has_none(tmp_path: Path, typed: list[str]) -> None:
    typed.append(PASSPHRASE)
    with pytest.raises(ConfigError, match=r"account\.private_key: the key is not encrypted"):
        load_signer(account(tmp_path, PEM, passphrase=PROMPT))
    assert typed == [PASSPHRASE]


@pytest.mark.parametrize("secret", [PEM.decode(), "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"])
def test_a_key_file_given_as_a_secret_is_noticed(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ConfigError, match=r"account\.hmac_secret: this is a key file") as failure:
        load_signer(account(tmp_path, secret=secret))
    assert "private_key" in failure.value.hint


def test_the_place_of_a_mistake_is_that_of_its_account(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"accounts\.hedge\.private_key: this is no PEM file"):
        load_signer(account(tmp_path, b"hello"), where="accounts.hedge")


WITHOUT_A_TERMINAL = """
from dogwatch.runtime.secrets import SecretReference
try:
    print(len(SecretReference(prompt=True).resolve(where="account.passphrase").reveal()))
except Exception as problem:
    print(problem)
"""


def test_without_a_terminal_nothing_is_read_from_elsewhere() -> None:
    command = [sys.executable, "-c", WITHOUT_A_TERMINAL]
    run = subprocess.run(command, input="typed\n", capture_output=True, text=True, start_new_session=True, check=True)
    assert run.stdout.startswith("account.passphrase: there is no terminal to ask at")
    assert not run.stderr


def test_what_is_typed_is_not_shown() -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", WITHOUT_A_TERMINAL])
    shown = b""
    while b"(not shown): " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, PASSPHRASE.encode() + b"\n")
    while not shown.endswith(b"11\r\n"):
        shown += os.read(terminal, 1024)
    assert os.waitpid(process, 0)[1] == 0
    os.close(terminal)
    assert shown.startswith(b"account.passphrase (not shown): ")
    assert PASSPHRASE.encode() not in shown


def secrets_in(error: BaseException | None) -> list[str]:
    """The local variables of all frames behind an error, and behind those that it carries, which show a secret."""
    secrets = (PASSPHRASE, SECRET, "AgMEBQYHCAkK", repr(SEED)[2:-1], ENCRYPTED.splitlines()[1].decode())
    found = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                for name, value in frame.f_locals.items():
                    found += [name for secret in secrets if secret in repr(value)]
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize(
    "others",
    [
        {"pem": ENCRYPTED, "passphrase": SecretReference(env="DOGWATCH_TEST_PASSPHRASE")},
        {"pem": ENCRYPTED},
        {"pem": PEM[:-40]},
        {"pem": PEM.replace(b"MC4C", b"M*4C")},
        {"pem": PEM, "passphrase": SecretReference(env="DOGWATCH_TEST_PASSPHRASE")},
        {"secret": f"{SECRET}ü"},
        {"secret": PEM.decode()},
        {"pem": PEM, "api_key": SECRET + "!"},
    ],
    ids=lambda others: "-".join(others),
)
def test_no_error_carries_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]) -> None:
    monkeypatch.setenv("DOGWATCH_TEST_PASSPHRASE", PASSPHRASE + "?")
    with pytest.raises(ConfigError) as failure:
        load_signer(account(tmp_path, **others))
    assert secrets_in(failure.value) == []
