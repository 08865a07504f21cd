"""The exchange's clock in the shape of a Clock, for whoever takes one."""

from dogwatch.actors.server_clock import ServerClock
from dogwatch.runtime.clock import Clock

__all__ = ["ServerTime"]


class ServerTime(Clock):
    """Server time in the shape of a Clock, for times that are compared with one another: whoever sets this machine's
    wall clock moves none of them. Before the first measurement it is the wall clock."""

    def __init__(self, server_clock: ServerClock) -> None:
        self._server_clock = server_clock
        self.unix_ms = server_clock.now_ms  # type: ignore[method-assign] # orders ask: one call, not two

    def unix_us(self) -> int:
        return self._server_clock.now_ms() * 1000

    def asleep_s(self) -> float:
        return self._server_clock.asleep_s()
