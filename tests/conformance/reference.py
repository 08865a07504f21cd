"""The exchange's documentation as data, where it is at hand. It is not part of this project, so tests that read it are
skipped without it: `DOGWATCH_REFERENCE` names its folder, by default `../shared/reference` beside the repository."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DOGWATCH_REFERENCE", ROOT.parent / "shared" / "reference"))

needs_reference = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the documentation as data is not at {FOLDER}: set DOGWATCH_REFERENCE"
)


@cache
def reference(name: str) -> Any:
    """The contents of one of its files, such as `weights`; an empty document where there is none, for parametrizing."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
