"""The compiled build: with DOGWATCH_COMPILED=1 in the environment, mypyc makes machine code of the modules that
pyproject.toml lists.

Without it everything stays Python, as in development. tests/test_compiled.py says what may be on the list.
"""

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from setuptools import setup

PYPROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
COMPILER = "mypy>=1.15"  # which mypyc is a part of


def compiled() -> dict[str, Any]:
    """What is to be built; or, when pip asks for that first, the compiler and all whose types it reads."""
    if {"egg_info", "dist_info"} & set(sys.argv):
        return {"setup_requires": [COMPILER, *PYPROJECT["project"]["dependencies"]]}
    from mypyc.build import mypycify

    for room in ("actors", "runtime"):
        if not (link := Path("dogwatch", room)).exists():
            link.symlink_to(Path("..", room))  # as in the repository: a source distribution has no links
    files = [f"dogwatch/{module}.py" for module in PYPROJECT["tool"]["dogwatch"]["compiled"]]
    options = ["--config-file=", "--ignore-missing-imports"]  # `make types` is strict, with all that is optional
    return {"ext_modules": mypycify([*options, *files], opt_level="2", debug_level="0", group_name="dogwatch")}


setup(**compiled() if os.environ.get("DOGWATCH_COMPILED") == "1" else {})
