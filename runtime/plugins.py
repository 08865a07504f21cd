"""Finding a plugin's class by the words in a configuration. Nothing is ever searched for: the words say where it is.

Three ways: the name of an entry point, `module:Class`, `path/to/file.py:Class`.
"""

import importlib
import inspect
import sys
import traceback
from hashlib import blake2b
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from dogwatch.runtime.config import did_you_mean
from dogwatch.runtime.errors import ConfigError

Plugin = TypeVar("Plugin")

OURS = Path(__file__).parent.parent
"""What is raised in here while a plugin is imported is about the plugin: its author wants to see his own line."""
THREE_WAYS = "give the name of an entry point, module:Class, or path/to/file.py:Class"


def load_plugin(use: str, *, base: Path, group: str, kind: type[Plugin], where: str = "use") -> type[Plugin]:
    """The class that `use` names; it is a subclass of `kind`.

    `base` is the folder that relative files start from, `group` the entry points' group, and `where` the place in the
    configuration that an error names. Raises ConfigError when there is no such plugin, when its module raises, or when
    it is something else than a subclass of `kind`.
    """
    place, colon, class_name = use.rpartition(":")
    if not colon and not use.endswith(".py"):
        return _checked(_from_entry_point(use, group, where), use, kind, where)
    if not place or not class_name.isidentifier():
        raise ConfigError(where, f"'{use}' names no class", hint=THREE_WAYS)
    if place.endswith(".py"):
        module = _import_file(base / Path(place).expanduser(), where)
    elif all(part.isidentifier() for part in place.split(".")):
        module = _import_module(place, where)
    else:
        raise ConfigError(where, f"'{place}' is neither a module nor a file that ends in .py", hint=THREE_WAYS)
    return _checked(_member(module, class_name, kind, where), use, kind, where)


def _from_entry_point(name: str, group: str, where: str) -> object:
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        raise ConfigError(
            where, f"there is no plugin '{name}' in '{group}'", hint=did_you_mean(name, found) or THREE_WAYS
        )
    return _load(found[name], where)


def _load(point: EntryPoint, where: str) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a plugin may raise whatever it likes
        raise _import_failed(f"plugin '{point.name}' ({point.value})", error, where) from error


def _import_module(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            hint = f"is '{error.name}' installed in this environment? For a file write path/to/file.py:Class"
            raise ConfigError(where, f"there is no module '{name}'", hint=hint) from error
        raise _import_failed(f"module '{name}'", error, where) from error
    except (Exception, SystemExit) as error:  # a plugin may raise whatever it likes
        raise _import_failed(f"module '{name}'", error, where) from error


def _import_file(path: Path, where: str) -> ModuleType:
    """The module of a file, once per process. It is registered by a stable name, so that type hints resolve."""
    path = path.resolve()
    if not path.is_file():
        neighbours = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, neighbours) or "relative files start from the folder of the configuration"
        raise ConfigError(where, f"there is no file {path}", hint=hint)
    name = f"dogwatch_plugin_{path.stem}_{blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(where, f"{path} cannot be loaded as a Python module")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a plugin may raise whatever it likes
        del sys.modules[name]
        raise _import_failed(str(path), error, where) from error
    return module


def _member(module: ModuleType, name: str, kind: type, where: str) -> object:
    if hasattr(module, name):
        return getattr(module, name)
    fitting = [
        candidate
        for candidate, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, kind) and value.__module__ == module.__name__
    ]
    hint = did_you_mean(name, fitting) or (f"it has {', '.join(fitting)}" if fitting else "")
    raise ConfigError(where, f"{_place_of(module)} has no '{name}'", hint=hint)


def _checked(found: object, use: str, kind: type[Plugin], where: str) -> type[Plugin]:
    if not inspect.isclass(found):
        raise ConfigError(where, f"'{use}' is no class but a {type(found).__name__}")
    if not issubclass(found, kind):
        bases = ", ".join(base.__qualname__ for base in found.__bases__)
        hint = f"write: class {found.__name__}({kind.__name__})"
        raise ConfigError(where, f"'{use}' is a subclass of {bases} and not of {kind.__name__}", hint=hint)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise ConfigError(where, f"'{use}' leaves out what {kind.__name__} asks for: {missing}")
    return found


def _import_failed(what: str, error: BaseException, where: str) -> ConfigError:
    return ConfigError(where, f"{what} raised {type(error).__name__}: {error}{_raised_at(error)}")


def _raised_at(error: BaseException) -> str:
    """The file and line that are the plugin's, neither the import machinery's nor ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f", at {error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename not in {__file__, importlib.__file__}
    ]
    frames = [frame for frame in frames if not Path(frame.filename).is_relative_to(OURS)] or frames
    return f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _place_of(module: ModuleType) -> str:
    return str(module.__file__) if module.__name__.startswith("dogwatch_plugin_") else f"module '{module.__name__}'"
