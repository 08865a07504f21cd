"""Whether the parameters of a request fit together: what the exchange refuses for certain is refused here.

All take the parameters under the exchange's names, as they will be sent, and raise ValueError with the names here.
"""

from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.wire_names import field_name

__all__ = ["DAY_MS", "check_times", "excludes", "one_of", "some_of"]

DAY_MS = 24 * 60 * 60 * 1000


def one_of(params: Params, *names: str, or_none: bool = False) -> None:
    """Raises ValueError unless exactly one of these parameters is given, or none of them with `or_none`."""
    given = [name for name in names if name in params]
    if len(given) == 1 or (or_none and not given):
        return
    fields = [field_name(name) for name in names]
    if given:
        raise ValueError(f"{' and '.join(map(field_name, given))} exclude each other: give one of them")
    raise ValueError(f"one of {', '.join(fields)} must be given")


def some_of(params: Params, *names: str) -> None:
    """Raises ValueError if none of these parameters is given."""
    for name in names:
        if name in params:
            return
    raise ValueError(f"{' or '.join(map(field_name, names))} must be given")


def excludes(params: Params, name: str, *others: str) -> None:
    """Raises ValueError if a parameter is given together with one of the others."""
    if name in params:
        for other in others:
            if other in params:
                raise ValueError(f"{field_name(name)} and {field_name(other)} exclude each other: give one of them")


def check_times(params: Params, *, width_ms_max: int | None = None) -> None:
    """Raises ValueError if a range of time ends before it begins, or is longer than this."""
    start, end = params.get("startTime"), params.get("endTime")
    if not isinstance(start, int) or not isinstance(end, int):
        return
    if end < start:
        raise ValueError(f"end_time_ms is before start_time_ms: {end} < {start}")
    if width_ms_max is not None and end - start > width_ms_max:
        hours = width_ms_max // 3_600_000
        raise ValueError(f"start_time_ms to end_time_ms is longer than {hours} hours: ask for shorter ranges in turn")
