"""Which faults are armed at an exchange, whom they strike, and which have struck. Pure: the time is passed in.

`faults.add(LoseAnswer())` arms a fault; it strikes the next request, event or connection that it fits. How it is
carried out stands in interference.py.
"""

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Generic, TypeVar

import msgspec

from dogwatch.actors.paper.fault_rates import FaultRates, SeededPlan
from dogwatch.actors.paper.faults import ConnectionFault, Door, Fault, HideOrder, ReorderEvents
from dogwatch.actors.paper.hidden_orders import HiddenOrders

STRUCK_MAX = 10_000

FaultT = TypeVar("FaultT", bound=Fault)
Predicate = Callable[[Mapping[str, Any]], bool]
BreakAll = Callable[[ConnectionFault, Door | None, Predicate | None], int]


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """A fault has struck. `method` is the request's, or `event` the event's kind; empty where there is none."""

    at_ms: int
    fault: Fault
    method: str = ""
    event: str = ""
    client_order_id: str = ""


class Armed(Generic[FaultT]):
    """A fault that waits for what it fits. `hits` counts how often it has struck."""

    def __init__(self, fault: FaultT, *, times: int | None, after: int, where: Predicate | None) -> None:
        self.fault = fault
        self.hits = 0
        self.is_disarmed = False
        self._times = times
        self._passes = after
        self._where = where

    def disarm(self) -> None:
        """It strikes no more. What it has already begun goes on."""
        self.is_disarmed = True

    @property
    def is_spent(self) -> bool:
        """Whether it will never strike again."""
        return self.is_disarmed or (self._times is not None and self.hits >= self._times)

    def takes(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether it strikes this request or event; counts those that it lets pass."""
        if self.is_spent or not self.fault.fits(name, facts):
            return False
        if self._where is not None and not self._where(facts):
            return False
        self._passes -= 1
        return self._passes < 0


class Faults:
    """The faults of one exchange. While none is armed, `is_armed` is false and nobody asks any further."""

    def __init__(self, *, now_ms: Callable[[], int], break_all: BreakAll) -> None:
        self.is_armed = False
        self._struck: deque[Struck] = deque(maxlen=STRUCK_MAX)
        self._now_ms = now_ms
        self._break_all = break_all
        self._armed: list[Armed[Any]] = []
        self._plan: SeededPlan | None = None
        self.hidden = HiddenOrders()

    @property
    def struck(self) -> list[Struck]:
        """Every fault that has struck, oldest first; the newest ten thousand."""
        return list(self._struck)

    def add(
        self, fault: FaultT, *, times: int | None = 1, after: int = 0, where: Predicate | None = None
    ) -> Armed[FaultT]:
        """Arm a fault: it lets `after` fitting requests or events pass and strikes the next `times` (None: all).

        `where` is asked about the request's parameters, or the event, as they stand in JSON. Of several faults
        of one kind the one that was armed first strikes; the others wait. Raises ValueError for senseless numbers.
        """
        if after < 0 or (times is not None and times < 1):
            raise ValueError(f"a fault strikes at least once, after zero or more: not times={times}, after={after}")
        armed = Armed(fault, times=times, after=after, where=where)
        self._armed.append(armed)
        self.is_armed = True
        return armed

    def now(self, fault: ConnectionFault, *, to: Door | None = "api", where: Predicate | None = None) -> int:
        """Strike open connections to the WebSocket API at once, or `to` the market streams, or (None) all of them.

        `where` is asked about each: `number` (as in the exchange's record), `to`, `target`, `address`, `port`,
        `is_logged_on`, `is_subscribed`. Returns how many were struck.
        """
        self.record(fault)
        return self._break_all(fault, to, where)

    def clear(self) -> None:
        """Disarm everything, the plan included, and show hidden orders again."""
        for armed in self._armed:
            armed.disarm()
        self._armed.clear()
        self.hidden.show_all()
        self._plan = None
        self.is_armed = False

    def seeded(self, rates: FaultRates, random: Random) -> None:
        """From now on faults strike by chance, where no armed fault does: the same requests and events in the same
        order under the same seed meet the same faults.
        """
        self._plan = SeededPlan(rates, random) if rates.are_any else None
        self.tidy()

    # For those who carry them out.

    def choose(self, kind: type[FaultT], name: str, facts: Mapping[str, Any]) -> Armed[FaultT] | None:
        """The fault of this kind that a request (its method and parameters) or an event meets; `strike` counts it.

        To be asked once for each kind: those that it lets pass are counted here.
        """
        chosen: Armed[FaultT] | None = None
        for armed in self._armed:
            if isinstance(armed.fault, kind) and armed.takes(name, facts):
                chosen = chosen or armed
        planned = self._plan.draw(kind, name) if self._plan is not None else None
        if chosen is not None or planned is None:
            return chosen
        made = Armed(planned, times=1, after=0, where=None)
        if isinstance(planned, ReorderEvents):
            # It is to meet the next events too.
            self._armed.append(made)
        return made

    def meet(self, kind: type[FaultT], name: str, facts: Mapping[str, Any]) -> FaultT | None:
        """What an attempt to connect meets: chosen, counted and recorded."""
        armed = self.choose(kind, name, facts)
        if armed is None:
            return None
        self.strike(armed)
        self.tidy()
        return armed.fault

    def strike(self, armed: Armed[Any], *, method: str = "", event: str = "", client_order_id: str = "") -> None:
        """Count and record it."""
        armed.hits += 1
        self.record(armed.fault, method=method, event=event, client_order_id=client_order_id)

    def record(self, fault: Fault, *, method: str = "", event: str = "", client_order_id: str = "") -> None:
        self._struck.append(
            Struck(at_ms=self._now_ms(), fault=fault, method=method, event=event, client_order_id=client_order_id)
        )

    def hide(self, symbol: str, order_id: int, fault: HideOrder) -> None:
        until_ms = self._now_ms() + round(fault.for_s * 1000)
        self.hidden.hide(symbol, order_id, until_ms=until_ms, everywhere=fault.everywhere)
        self.is_armed = True

    def tidy(self) -> None:
        """Forget what is spent and shown again; the exchange without faults is back when nothing is left."""
        self._armed = [armed for armed in self._armed if not armed.is_spent]
        self.hidden.tidy(self._now_ms())
        self.is_armed = bool(self._armed or self.hidden or self._plan is not None)
