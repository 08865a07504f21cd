"""Decoding unions that the exchange extends without notice: filters, execution rules.

A member with a tag that is not known becomes the union's member for unknown ones, with its name and its JSON, so that
something new never stops a program from starting.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class OpenUnion(msgspec.Struct, frozen=True, kw_only=True):
    """A union of structs that are told apart by `tag_field`. `unknown` is the tag of the member for all others, which
    has the fields `name` and `raw`."""

    tag_field: str
    known: frozenset[str]
    unknown: str


class OpenDecoder(Generic[T]):
    """Decodes a `kind` that contains members of an open union, at any depth."""

    def __init__(self, kind: type[T], union: OpenUnion) -> None:
        self._kind = kind
        self._union = union
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, raw: bytes | msgspec.Raw) -> T:
        """Raises what msgspec raises for what is not such a `kind`; an unknown member is no reason."""
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError:
            document = msgspec.json.decode(raw)
        # Slow, and only on the day a member is new.
        if isinstance(document, dict | list):
            _rename_unknown(document, self._union)
        return msgspec.convert(document, self._kind, builtin_types=(bytes,))


def _rename_unknown(holder: Any, union: OpenUnion) -> None:
    """Put what `unknown` stands for in the place of each unknown member, at any depth of a dict or a list."""
    for place, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
        if isinstance(item, dict):
            name = item.get(union.tag_field)
            if isinstance(name, str) and name not in union.known:
                holder[place] = {union.tag_field: union.unknown, "name": name, "raw": msgspec.json.encode(item)}
                continue
        if isinstance(item, dict | list):
            _rename_unknown(item, union)
