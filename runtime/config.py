"""Configuration: TOML files read strictly into types, every mistake with its place and a hint, all of them at once.

Which settings exist is the business of whoever asks. Secrets are in `secrets.py`. Nothing here prints a value.
"""

import re
import tomllib
import types
from collections.abc import Iterable, Iterator
from decimal import Decimal
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.secrets import BY_REFERENCE, Secret, SecretReference

__all__ = ["ConfigErrors", "Secret", "SecretReference", "convert", "load_toml", "read_toml"]

Settings = TypeVar("Settings")

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
PLACE_IN_MESSAGE = re.compile(r" - at `(?:key in )?\$(?P<place>[^`]*)`$")
MISSING_IN_MESSAGE = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
POSITION_IN_MESSAGE = re.compile(r" \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$")
TOML_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "decimal": "a number with a fraction",
    "bool": "a boolean",
    "array": "an array",
    "object": "a table",
    "datetime": "a date with time",
    "date": "a date",
    "time": "a time",
    "null": "nothing",
}


class ConfigErrors(ConfigError):
    """All mistakes that were found in one configuration, each a ConfigError of its own in `problems`."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        super().__init__(first.where, first.problem, hint=first.hint)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load_toml(path: Path, into: type[Settings]) -> Settings:
    """The settings in the file at `path`.

    Strict: no unknown keys (where the type forbids them), no conversion between kinds. Numbers with a fraction keep
    their digits when the type says Decimal. Fields of type Path start from the file's folder. Raises ConfigErrors with
    every mistake; `where` is a place in the document such as `strategy[0].config.symbol`, or the file (and line).
    """
    settings: Settings = convert(read_toml(path), into, base=path.parent)
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of the file at `path` as they stand, numbers with a fraction as Decimal. Raises ConfigErrors."""
    return _parsed(_text_of(path), path)


def convert(value: object, into: type[Settings], *, base: Path, where: str = "") -> Settings:
    """`value`, as parsed from TOML, as an instance of `into`; `where` goes before every place that an error names.

    Raises ConfigErrors. Relative Paths start from the folder `base`.
    """
    problems = list(_Reader(base).problems(value, into, where))
    if problems:
        raise ConfigErrors(problems)
    converted: Settings = _converted(value, into, base)
    return converted


# Files


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _file_error(path, "there is no such file", _neighbour_hint(path)) from None
    except IsADirectoryError:
        raise _file_error(path, "this is a folder", "name the file in it") from None
    except PermissionError:
        raise _file_error(path, "may not be read", "check the permissions of the file and its folders") from None
    except OSError as error:
        raise _file_error(path, f"cannot be read: {error.strerror or error}", "") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line, column = _line_and_column(content[: error.start].decode())
        raise _file_error(
            f"{path}, line {line}, column {column}", "this is not UTF-8", "save the file as UTF-8"
        ) from None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = POSITION_IN_MESSAGE.search(message)
        if position and position["line"]:
            line, column = int(position["line"]), int(position["column"])
        else:
            line, column = _line_and_column(text)
        problem = POSITION_IN_MESSAGE.sub("", message)
        raise _file_error(f"{path}, line {line}, column {column}", f"this is not TOML: {problem}", "") from None
    except RecursionError:
        raise _file_error(path, "is nested too deeply", "") from None


def _file_error(where: Path | str, problem: str, hint: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(str(where), problem, hint=hint)])


def _neighbour_hint(path: Path) -> str:
    try:
        return did_you_mean(path.name, [file.name for file in path.parent.glob("*.toml")])
    except OSError:
        return ""


def _line_and_column(text: str) -> tuple[int, int]:
    """The position behind `text`, both counted from 1."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


# Values


def did_you_mean(word: str, possible: Iterable[str]) -> str:
    """A hint that names the closest of the possible words; empty when none is close."""
    matches = get_close_matches(word, list(possible), n=1)
    return f"did you mean '{matches[0]}'?" if matches else ""


class _Reader:
    """Walks a value beside its type, so that one mistake does not hide the next."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def problems(self, value: object, into: Any, where: str) -> Iterator[ConfigError]:
        into = _narrowed(value, into)
        found = False
        for problem in self._problems_inside(value, into, where):
            found = True
            yield problem
        if not found:
            yield from self._own_problem(value, into, where)

    def _problems_inside(self, value: object, into: Any, where: str) -> Iterator[ConfigError]:
        origin, arguments = get_origin(into), get_args(into)
        if isinstance(value, dict):
            if _is_struct(into):
                yield from self._problems_of_table(value, into, where)
            elif origin is dict:
                for key, item in value.items():
                    yield from self.problems(item, arguments[1], _place(where, key))
        elif isinstance(value, list) and origin in {list, tuple, set, frozenset}:
            fixed = origin is tuple and Ellipsis not in arguments
            kinds = arguments if fixed else arguments[:1] * len(value)
            for position, (item, kind) in enumerate(zip(value, kinds, strict=False)):
                yield from self.problems(item, kind, f"{where}[{position}]")

    def _problems_of_table(self, table: dict[str, Any], into: Any, where: str) -> Iterator[ConfigError]:
        fields = {field.encode_name: field for field in msgspec.structs.fields(into)}
        config = into.__struct_config__
        known = {*fields, config.tag_field} if config.tag_field else set(fields)
        unknown = [key for key in table if key not in known] if config.forbid_unknown_fields else []
        for key in unknown:
            free = sorted(known - table.keys())
            hint = did_you_mean(key, free) or did_you_mean(key, sorted(known))
            hint = hint or (f"known: {', '.join(sorted(known))}" if known else "nothing can be set here")
            yield ConfigError(_place(where, key), "unknown key", hint=hint)
        for name, field in fields.items():
            if name in table:
                yield from self.problems(table[name], field.type, _place(where, name))
            elif field.required:
                misspelt = get_close_matches(name, unknown, n=1)
                if not misspelt:
                    place = _place(where, name)
                    yield ConfigError(place, "is missing", hint=_required_hint(field.type, place))

    def _own_problem(self, value: object, into: Any, where: str) -> Iterator[ConfigError]:
        if isinstance(value, Decimal) and not value.is_finite():
            yield ConfigError(where, "expected a finite number")
            return
        try:
            converted = _converted(value, into, self._base)
        except msgspec.ValidationError as error:
            yield _problem_of(error, value, into, where)
        except RecursionError:
            yield ConfigError(where, "is nested too deeply")
        else:
            if isinstance(converted, Decimal) and not converted.is_finite():
                yield ConfigError(where, "expected a finite number")


def _converted(value: object, into: Any, base: Path) -> Any:
    return msgspec.convert(value, into, dec_hook=partial(_decoded, base))


def _decoded(base: Path, into: type, value: object) -> object:
    if into is Path:
        if not isinstance(value, str):
            raise TypeError("expected a string: the path of a file")
        return base / Path(value).expanduser()
    raise NotImplementedError(f"settings of type {into} cannot be read from TOML")


def _narrowed(value: object, into: Any) -> Any:
    """The member of a union that the value is meant to be; other types as they are."""
    if get_origin(into) is Annotated:
        return _narrowed(value, get_args(into)[0]) if _is_struct(get_args(into)[0]) else into
    if get_origin(into) not in {Union, types.UnionType}:
        return into
    structs = [member for member in get_args(into) if _is_struct(member)]
    if not isinstance(value, dict) or not structs:
        members = [member for member in get_args(into) if member is not type(None)]
        return members[0] if len(members) == 1 else into
    if len(structs) == 1:
        return structs[0]
    tagged = [member for member in structs if value.get(member.__struct_config__.tag_field) == _tag(member)]
    return tagged[0] if tagged else into


def _problem_of(error: msgspec.ValidationError, value: object, into: Any, where: str) -> ConfigError:
    """msgspec's message in the words of TOML, without any value in it."""
    message = str(error)
    place = PLACE_IN_MESSAGE.search(message)
    where += place["place"] if place else ""
    message = PLACE_IN_MESSAGE.sub("", message)
    if into is SecretReference and isinstance(value, str):
        return ConfigError(where.removeprefix("."), "a secret does not stand in the file", hint=BY_REFERENCE)
    missing = MISSING_IN_MESSAGE.fullmatch(message)
    if missing:  # the tag of a union; every other missing key is found by walking
        kinds = ", ".join(str(tag) for tag in _choices(into))
        return ConfigError(_place(where, missing["key"]), "is missing", hint=f"one of {kinds}")
    if message.startswith(("Invalid enum value", "Invalid value")):
        possible = [str(choice) for choice in _choices(into)]
        hint = did_you_mean(value, possible) if isinstance(value, str) else ""
        hint = hint or (f"one of {', '.join(possible)}" if possible else "")
        return ConfigError(where.removeprefix("."), "this value does not exist here", hint=hint)
    where = where.removeprefix(".")
    if message == "Invalid decimal string":
        return ConfigError(where, "this text is not a number", hint='a number such as "0.001"')
    hint = f"write [[{where}]]" if isinstance(value, dict) and _holds_tables(into) else ""
    return ConfigError(where, _in_words_of_toml(message), hint=hint)


def _in_words_of_toml(message: str) -> str:
    def word(match: re.Match[str]) -> str:
        return " or ".join(TOML_WORDS.get(kind, f"'{kind}'") for kind in match[1].split(" | ") if kind != "null")

    text = re.sub(r"`([^`]*)`", word, message)
    return text[:1].lower() + text[1:]


def _choices(into: Any) -> list[object]:
    """What may be written: the members of an enum or a Literal, or the tags of a union of tables."""
    if get_origin(into) is Literal:
        return list(get_args(into))
    if get_origin(into) in {Union, types.UnionType}:
        return [_tag(member) for member in get_args(into) if _is_struct(member)]
    return [member.value for member in getattr(into, "__members__", {}).values()]


def _required_hint(into: Any, place: str) -> str:
    if into is SecretReference:
        return BY_REFERENCE
    if _holds_tables(into):
        return f"add a table [[{place}]]"
    return f"add a table [{place}]" if _is_struct(into) else ""


def _holds_tables(into: Any) -> bool:
    return get_origin(into) in {list, tuple} and bool(get_args(into)) and _is_struct(get_args(into)[0])


def _tag(struct: Any) -> object:
    return struct.__struct_config__.tag


def _is_struct(into: Any) -> bool:
    return isinstance(into, type) and issubclass(into, msgspec.Struct)


def _place(where: str, key: str) -> str:
    key = key if BARE_KEY.fullmatch(key) else f'"{key}"'
    return f"{where}.{key}" if where else key
