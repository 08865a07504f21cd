"""Secrets: a configuration refers to them, `resolve` reads them or asks for them, and nothing ever prints them."""

import getpass
import os
import warnings
from pathlib import Path
from typing import NoReturn

import msgspec

from dogwatch.runtime.errors import ConfigError

SECRET_BYTES_MAX = 65_536
BY_REFERENCE = 'write { env = "NAME" }, { file = "path" } or { prompt = true }'
TERMINAL = "/dev/tty"


class Secret:
    """Bytes that no repr, log or traceback shows. `reveal` is the only way to them, so that every use can be found."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        return self._content

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not copied out of the process")


class SecretReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is found: in an environment variable, in a file, or with whoever sits at the terminal."""

    env: str | None = None
    file: Path | None = None
    prompt: bool = False

    def __post_init__(self) -> None:
        if (self.env is not None) + (self.file is not None) + self.prompt != 1:
            raise ValueError(f"a secret has one source: {BY_REFERENCE}")

    def resolve(self, *, where: str, note: str = "") -> Secret:
        """The secret, without the line break at its end. Raises ConfigError when it is missing, empty or unreadable.

        `where` is the place in the configuration that the error names, and the question at the terminal, where `note`
        is said before it.
        """
        if self.prompt:
            content, source = _asked(where, note), "what was typed"
        elif self.file is not None:
            content, source = _file_content(self.file, where), f"file {self.file}"
        else:
            content, source = _variable_content(self.env or "", where), f"environment variable {self.env}"
        content = content.rstrip(b"\r\n")
        if not content:
            raise ConfigError(where, f"{source} is empty")
        return Secret(content)


def _asked(where: str, note: str) -> bytes:
    """Ask at the terminal of this process, wherever its standard input comes from. What is typed is not shown."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it could be read, but would be seen
            return os.fsencode(getpass.getpass(f"{note}{where} (not shown): "))
    except (OSError, getpass.GetPassWarning):
        problem = "there is no terminal to ask at"
    except EOFError:
        problem = "nothing was typed"
    except UnicodeError:
        problem = "what was typed is no text"
    raise ConfigError(where, problem, hint='give it in another way: { env = "NAME" } or { file = "path" }')


def _variable_content(name: str, where: str) -> bytes:
    if name not in os.environ:
        raise ConfigError(where, f"environment variable {name} is not set", hint=f"export {name}=…")
    return os.fsencode(os.environ[name])


def _file_content(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        hint = "relative files start from the folder of the configuration"
        raise ConfigError(where, f"file {path}: {error.strerror or error}", hint=hint) from error
    if len(content) > SECRET_BYTES_MAX:
        raise ConfigError(where, f"file {path} is larger than {SECRET_BYTES_MAX} bytes: that is no key")
    return content
