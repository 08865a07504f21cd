"""`dogwatch tree`: every actor of a running configuration, asked over its control socket."""

import argparse
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import trio

from dogwatch.actors.commands.json_output import print_json
from dogwatch.actors.settings import load_control_path
from dogwatch.runtime.control import ControlError, ask_control
from dogwatch.runtime.tree import TreeNode, render

OTHER_PATH = "set runtime.control in the configuration to a path of your own"


def main(options: argparse.Namespace) -> int:
    """Print the tree of the process that runs this configuration. Raises ControlError when none does."""
    path = load_control_path(options.config) or default_control_path(options.config)
    answer = trio.run(ask_control, path, "tree")
    if options.json:
        print_json(msgspec.json.encode(answer))
    else:
        print(render(read_tree(answer), width=max(80, shutil.get_terminal_size().columns)))
    return 0


def read_tree(answer: object) -> TreeNode:
    """The tree in an answer. Raises ControlError when the other process speaks of something else."""
    try:
        return msgspec.convert(answer, TreeNode)
    except msgspec.ValidationError as error:
        raise ControlError("the answer is no tree", hint="both sides should be the same version") from error


def default_control_path(config: Path) -> Path:
    """Where a run of this configuration serves unless it says otherwise: in a folder that is the user's alone."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or own_folder(Path(tempfile.gettempdir()) / f"dogwatch-{os.getuid()}")
    place = hashlib.blake2b(os.fsencode(config.resolve()), digest_size=6).hexdigest()
    return Path(folder) / f"dogwatch-{place}.sock"


def own_folder(path: Path) -> Path:
    """Make sure of a folder that nobody else may enter. Raises ControlError when it belongs to somebody else."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        owner = path.lstat().st_uid
    except OSError as error:
        raise ControlError(f"the folder {path} cannot be made: {error.strerror or error}", hint=OTHER_PATH) from error
    if owner != os.getuid():
        raise ControlError(f"the folder {path} belongs to another user", hint=OTHER_PATH)
    return path
