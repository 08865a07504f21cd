"""Virtual time, a seeded scheduler, an in-memory network and pytest fixtures."""

from dogwatch.runtime.testing.network import MemoryConnection, MemoryListener, MemoryNetwork, MemoryStream
from dogwatch.runtime.testing.scheduler import seeded_scheduling
from dogwatch.runtime.testing.trace import Trace, TraceRecord, first_difference
from dogwatch.runtime.testing.virtual_time import run_virtual, virtual_clock

__all__ = [
    "MemoryConnection",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "Trace",
    "TraceRecord",
    "first_difference",
    "run_virtual",
    "seeded_scheduling",
    "virtual_clock",
]
