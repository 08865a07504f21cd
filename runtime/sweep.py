"""The one task that serves the timers of a system."""

import math

from dogwatch.runtime.parked_until import parked_until
from dogwatch.runtime.timers import Timers


async def sweep(timers: Timers) -> None:
    """Run what comes due until cancelled."""
    while True:
        next_due_s = timers.run_due()
        timers.sleeps_until_s = next_due_s
        await parked_until(timers.parking, next_due_s)
        timers.sleeps_until_s = -math.inf
