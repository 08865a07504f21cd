"""How our names of fields become the exchange's: what differs is said, the rest follows from the English name."""

import re
from collections.abc import Callable

_MILLISECONDS = "_ms"


def wire_name(name: str) -> str:
    """The exchange's name of a field or parameter: `new_client_order_id` → `newClientOrderId`, and without the unit of
    times, `start_time_ms` → `startTime`."""
    first, *others = name.removesuffix(_MILLISECONDS).split("_")
    return first + "".join(word.capitalize() for word in others)


def field_name(wire: str) -> str:
    """The other way, of a parameter: `timeInForce` → `time_in_force`, `startTime` → `start_time_ms`."""
    name = re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", wire)
    return f"{name}{_MILLISECONDS}" if name in ("start_time", "end_time") else name


def wire_names(**special: str) -> Callable[[str], str]:
    """The `rename` of a Struct: the names in `special` as they are there, all others by `wire_name`."""
    return lambda name: special.get(name) or wire_name(name)
