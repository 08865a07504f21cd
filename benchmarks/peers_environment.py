"""The environment of the other clients: made once, from the interpreter that runs this, beside Dogwatch's own."""

import os
import subprocess
import sys
from pathlib import Path

from contestants import CONTESTANTS

HERE = Path(__file__).parent
PINS = HERE / "peers.txt"


def peers_python() -> tuple[str, dict[str, str]]:
    """The interpreter with the peers, and which of them it does not have, and why. PEERS=/path/to/python names one that
    is there already."""
    chosen = os.environ.get("PEERS")
    if chosen:
        return chosen, _missing(chosen)
    folder = HERE / ".venv-peers"
    python, ready = str(folder / "bin" / "python"), folder / ".ready"
    if not ready.exists() or ready.read_text() != PINS.read_text():
        print("Setting up benchmarks/.venv-peers with the other clients (once, about a minute)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        if not _install(python, ["-r", str(PINS)]):  # one by one then, so that only what cannot be had is missing
            for package in _packages():
                _install(python, ["-c", str(PINS), package])
        ready.write_text(PINS.read_text())
    return python, _missing(python)


def _packages() -> list[str]:
    """What is to be installed: the peers, and what the raw client decodes and signs with."""
    peers = [contestant.package for contestant in CONTESTANTS if contestant.package]
    return [*peers, "uvloop", "msgspec", "pynacl"]


def _install(python: str, what: list[str]) -> bool:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        print((ended.stderr.splitlines() or ["pip failed"])[-1], flush=True)
    return ended.returncode == 0


def _missing(python: str) -> dict[str, str]:
    """Which packages are not installed there, and why."""
    found = versions(python)
    return {package: "it could not be installed" for package in _packages() if package not in found}


def versions(python: str) -> dict[str, str]:
    """The packages that are installed there, and their versions."""
    script = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    told = subprocess.run([python, "-c", script, *_packages()], capture_output=True, text=True, check=True)
    return dict(line.split() for line in told.stdout.splitlines())
