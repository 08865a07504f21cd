"""For tests of strategies: an exchange in memory whose market the test moves, strategies started against it, faults."""

from dogwatch.actors.paper.armed_faults import Armed, Faults, Struck
from dogwatch.actors.paper.fault_rates import FaultRates
from dogwatch.actors.paper.faults import (
    AnswerUnknown,
    Cut,
    DelayAnswer,
    DelayEvent,
    DuplicateEvent,
    EventsFirst,
    GarbleAnswer,
    HalfClose,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    ReorderEvents,
    ServerError,
    ShutDown,
    Stall,
)
from dogwatch.actors.testing.running_strategy import RunningStrategy, StrategyStarter
from dogwatch.actors.testing.staged_exchange import StagedExchange, staged_exchange

__all__ = [
    "AnswerUnknown",
    "Armed",
    "Cut",
    "DelayAnswer",
    "DelayEvent",
    "DuplicateEvent",
    "EventsFirst",
    "FaultRates",
    "Faults",
    "GarbleAnswer",
    "HalfClose",
    "HideOrder",
    "LoseAnswer",
    "LoseEvent",
    "LoseRequest",
    "ReorderEvents",
    "RunningStrategy",
    "ServerError",
    "ShutDown",
    "StagedExchange",
    "Stall",
    "StrategyStarter",
    "Struck",
    "staged_exchange",
]
