"""Waiting in a Parking for no longer than to a certain moment."""

import math

import trio

from dogwatch.runtime.parking import Parking


async def parked_until(parking: Parking, deadline_s: float) -> None:
    """Wait until woken, or until `deadline_s` in Trio's time."""
    if deadline_s == math.inf:
        await parking.wait()
        return
    with trio.CancelScope(deadline=deadline_s):
        await parking.wait()
