"""How our names of fields become the exchange's: what differs is said, the rest follows from the English name."""

from collections.abc import Callable

_MILLISECONDS = "_ms"


def wire_name(name: str) -> str:
    """The exchange's name of a field or parameter: `new_client_order_id` → `newClientOrderId`, and without the unit of
    times, `start_time_ms` → `startTime`."""
    first, *others = name.removesuffix(_MILLISECONDS).split("_")
    return first + "".join(word.capitalize() for word in others)


def wire_names(**special: str) -> Callable[[str], str]:
    """The `rename` of a Struct: the names in `special` as they are there, all others by `wire_name`."""
    return lambda name: special.get(name) or wire_name(name)
