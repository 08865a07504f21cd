"""The compiled build of Dogwatch, made anew when a source is newer than it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "compiled"
SOURCES = ("actors", "runtime", "dogwatch", "pyproject.toml", "setup.py", "constraints.txt")


def compiled_build() -> tuple[str, str]:
    """The folder to import it from, or "" and why there is none."""
    if not _is_current():
        print("Compiling Dogwatch into build/compiled (about a minute)", flush=True)
        command = [str(ROOT / ".ci" / "compiled"), sys.executable]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            return "", (ended.stdout.splitlines() or ["it could not be built"])[-1]
    return str(FOLDER), ""


def _is_current() -> bool:
    """Whether nothing that it is made of has changed since."""
    if not FOLDER.exists():
        return False
    made_s = FOLDER.stat().st_mtime
    files = (file for name in SOURCES for file in [ROOT / name, *(ROOT / name).rglob("*.py")])
    return all(file.stat().st_mtime < made_s for file in files)
