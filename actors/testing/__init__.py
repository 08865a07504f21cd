"""For tests of strategies: an exchange in memory whose market the test moves, and strategies started against it."""

from dogwatch.actors.testing.running_strategy import RunningStrategy, StrategyStarter
from dogwatch.actors.testing.staged_exchange import StagedExchange, staged_exchange

__all__ = ["RunningStrategy", "StagedExchange", "StrategyStarter", "staged_exchange"]
