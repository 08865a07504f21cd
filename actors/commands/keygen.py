"""`dogwatch keygen`: an Ed25519 key pair for the exchange's API. The private half never leaves this machine."""

import argparse
import os
import secrets
from pathlib import Path

from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.runtime.errors import ConfigError


def main(options: argparse.Namespace) -> int:
    """Write the private key and print the public one. Raises ConfigError rather than overwrite a file."""
    key = Ed25519Key.generate(secrets.token_bytes)
    write_private_key(options.file, key.private_pem())
    print(key.public_pem().decode("ascii"), end="")
    print()
    print(f"The private key is in {options.file}: keep it secret and back it up.")
    print("Register the public key above at the exchange (API management, self-generated key).")
    print(f'Then name both in the configuration: private_key = {{ file = "{options.file}" }}')
    return 0


def write_private_key(path: Path, pem: bytes) -> None:
    """Create the file with mode 0600. Raises ConfigError when it exists or cannot be created."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        hint = "choose another name: a key that is in use must not be overwritten"
        raise ConfigError(str(path), "the file exists already", hint=hint) from error
    except OSError as error:
        problem = f"the key file cannot be written: {error.strerror or error}"
        raise ConfigError(str(path), problem, hint="check that its folder exists and is yours") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
