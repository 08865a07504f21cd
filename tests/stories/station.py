"""A watch over the links of an account: what the exchange told beside what was passed on, and what each rotation did.

The exchange's own record is the witness; nothing here takes the client's word for when it was logged on.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import trio

from dogwatch.actors.connection import Connected
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.rotation_messages import Rotated, RotationFailed
from dogwatch.actors.session import SessionLost, SessionState
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.user_events import AccountPosition, ExecutionReport
from dogwatch.actors.testing import StagedExchange
from tests.stories.scene import Account

EVENTS_KEPT = 200_000
Event = tuple[object, ...]


class Stir:
    """Says when something goes on at the links: between a new socket and the end of what it replaces."""

    def __init__(self) -> None:
        self._began = trio.Event()

    def begin(self) -> None:
        self._began.set()

    def end(self) -> None:
        self._began = trio.Event()

    async def wait(self, at_most_s: float) -> None:
        """Until something goes on, or so long."""
        with trio.move_on_after(at_most_s):
            await self._began.wait()


class Watch:
    """Follows the links of an account from now on. `stir` is told of every new socket while another one stands."""

    def __init__(self, exchange: StagedExchange, account: Account, stir: Stir) -> None:
        self._exchange = exchange
        self._stir = stir
        tree = account.tree
        self._links = (tree.link, tree.market_link)
        self.record = exchange.paper.record
        self.record.keep(EVENTS_KEPT)
        self.since_s = trio.current_time()
        self.passed_on: list[Event] = []
        self.losses: list[SessionLost] = []
        self.rotated: dict[str, list[Rotated]] = {"link": [], "market_link": []}
        self.failed: dict[str, list[RotationFailed]] = {"link": [], "market_link": []}
        tree.link.topics.user_events.tap(self._note_event, on_error=_fail)
        tree.link.topics.states.tap(self._note_state, on_error=_fail)
        for link in self._links:
            link.rotation.rotated.tap(self.rotated[link.name].append, on_error=_fail)
            link.rotation.failed.tap(self.failed[link.name].append, on_error=_fail)
            for line in link.lines:
                line.topics.states.tap(self._look_at_lines, on_error=_fail)

    def forget(self) -> None:
        """Count rotations anew."""
        for name in self.rotated:
            self.rotated[name].clear()
            self.failed[name].clear()

    def told(self) -> list[Event]:
        """What the exchange told of the account since the watch began, oldest first."""
        return [
            _as_told(told.event) for told in self.record.events if told.account == ACCOUNT and told.at_s >= self.since_s
        ]

    def away(self) -> list[tuple[float, float]]:
        """When no connection was logged on, or none was subscribed."""
        until_s = trio.current_time()
        return [
            *self.record.away(ACCOUNT, self.since_s, until_s),
            *self.record.away(ACCOUNT, self.since_s, until_s, what="subscribed"),
        ]

    def endings(self) -> Iterator[str]:
        """Why each connection was closed, by the exchange's account."""
        return (entry.closed_because for entry in self._exchange.paper.connections() if not entry.is_open)

    def _note_event(self, frame: UserEvent) -> None:
        event = frame.event
        if isinstance(event, ExecutionReport):
            self.passed_on.append((event.symbol, event.execution_id, str(event.execution_type)))
        elif isinstance(event, AccountPosition):
            amounts = sorted((balance.asset, balance.free, balance.locked) for balance in event.balances)
            self.passed_on.append((event.last_update_ms, *amounts))

    def _note_state(self, state: SessionState) -> None:
        if isinstance(state, SessionLost):
            self.losses.append(state)

    def _look_at_lines(self, state: object) -> None:
        stand = [sum(line.topics.epoch is not None for line in link.lines) for link in self._links]
        if isinstance(state, Connected) and 2 in stand:
            self._stir.begin()
        elif 2 not in stand:
            self._stir.end()


def _as_told(event: Mapping[str, Any]) -> Event:
    if event["e"] == "executionReport":
        return event["s"], event["I"], event["x"]
    assert event["e"] == "outboundAccountPosition", event["e"]
    amounts = sorted((balance["a"], Decimal(balance["f"]), Decimal(balance["l"])) for balance in event["B"])
    return event["u"], *amounts


def _fail(error: Exception) -> None:
    raise error
