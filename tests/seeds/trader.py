"""A strategy that does anything at any moment, and keeps a record of what it asked for and what it was told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, Protocol

import trio

from dogwatch import Context, Fill, Fills, Order, OrderChanged, OrderChanges, Side, Strategy, TimeInForce
from tests.seeds.plan import STEPS, StrategyPlan

DEADLINES_S = (0.02, 0.5, 0.5, 3.0, 10.0)
KINDS = ("place",) * 9 + ("cancel",) * 4 + ("replace",) * 4 + ("amend",) * 4 + ("query",) * 2 + ("cancel all",)
REMEMBERED = 40


class OwnMistake(RuntimeError):
    """The strategy crashes by itself."""


@dataclass
class Call:
    """Something that a strategy asked for. `amount` is used once in the whole simulation, so it finds the order."""

    kind: str
    story: "LifeStory"
    began_s: float
    within_s: float
    symbol: str
    amount: Decimal | None = None
    name: str | None = None
    """The order that it is about, if it was there before."""
    outcome: Order | Exception | None = None
    """None while it waits, and for good when its life ends meanwhile."""
    ended_s: float | None = None


@dataclass
class LifeStory:
    """One life of a strategy: what it was told, from where on in the list of everything that was published to it."""

    process: int
    strategy: str
    life: int
    first_fill: int = 0
    first_change: int = 0
    fills: list[Fill] = field(default_factory=list, repr=False)
    changes: list[OrderChanged] = field(default_factory=list, repr=False)


class World(Protocol):
    """What a trader needs to know of the simulation."""

    is_calm: bool
    prices: dict[str, Decimal]
    calls: list[Call]
    amended: set[tuple[str, Decimal]]
    """Order and quantity: no amend is tried twice, so that it is known which one was carried out."""

    def born(self, trader: "Trader") -> LifeStory: ...

    def next_amount(self, symbol: str) -> Decimal: ...

    def next_quote_amount(self) -> Decimal: ...

    def heard(self, call: Call) -> None: ...


class Trader(Strategy):
    """Several tasks that place, cancel, amend, replace and query as chance decides, while the world is not calm."""

    class Config(Strategy.Config, frozen=True, kw_only=True):
        symbols: tuple[str, ...]
        plan: Any
        world: Any
        process: int

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._world: World = self.config.world
        self._plan: StrategyPlan = self.config.plan
        self._random = Random(f"{self.config.process}/{self.name}/{self.life}/{self._plan.tasks}")
        self._known: list[Order] = []

    async def run(self) -> None:
        fills, changes = self.follow(Fills()), self.follow(OrderChanges())
        self._story = self._world.born(self)
        self._known.extend(self.orders)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, fills, self._story.fills)
            nursery.start_soon(self._keep, changes, self._story.changes)
            for _ in range(self._plan.tasks):
                nursery.start_soon(self._trade)

    async def _keep(self, following: Any, kept: list[Any]) -> None:
        async for event in following:
            kept.append(event)  # noqa: PERF401  # it never ends, and is looked at meanwhile

    async def _trade(self) -> None:
        while True:
            await trio.sleep(self._random.expovariate(1 / self._plan.pause_s))
            if self._world.is_calm:
                await trio.sleep_forever()
            if self._random.random() < self._plan.crash_share:
                raise OwnMistake("chance wanted it")
            await self._act(self._random.choice(KINDS))

    async def _act(self, kind: str) -> None:
        within_s = self._random.choice(DEADLINES_S)
        order = self._some_order()
        if kind == "cancel all":
            if self._random.random() < 0.3 and not self._plan.is_patient:
                await self.cancel_all(within_s=within_s)
        elif kind == "place" or order is None:
            await self._place(within_s)
        elif kind == "cancel":
            await self._ask("cancel", order, within_s, None, lambda: self.cancel(order, within_s=within_s))
        elif kind == "query":
            await self._ask("query", order, within_s, None, lambda: self.query(order, within_s=within_s))
        elif kind == "amend":
            await self._amend(order, within_s)
        else:
            await self._replace(order, within_s)

    def _some_order(self) -> Order | None:
        """One that is live, or any."""
        known = self._known[-REMEMBERED:] if self._random.random() < 0.2 else self.orders
        order = self._random.choice(known) if known else None
        is_let_alone = order is not None and self._plan.is_patient and self.latest(order).is_unknown
        return None if is_let_alone else order

    async def _place(self, within_s: float) -> None:
        symbol = self._random.choice(self.config.symbols)
        side = self._random.choice((Side.BUY, Side.SELL))
        quantity: Decimal | None = self._world.next_amount(symbol)
        amount = quantity
        options: dict[str, Any] = self._terms(symbol, side)
        if not options and self._random.random() < 0.3:
            amount, quantity = self._world.next_quote_amount(), None
            options = {"quote_quantity": amount}
        call = self._call("place", symbol, within_s, amount)
        await self._carry_out(call, lambda: self.place(side, symbol, quantity=quantity, within_s=within_s, **options))

    def _terms(self, symbol: str, side: Side) -> dict[str, Any]:
        """A market order, or a price with how long it is good for."""
        if self._random.random() < 0.15:
            return {}
        price = self._price(symbol, side)
        match self._random.randrange(8):
            case 0:
                return {"price": price, "time_in_force": TimeInForce.IOC}
            case 1:
                return {"price": price, "time_in_force": TimeInForce.FOK}
            case 2 | 3:
                return {"price": price, "post_only": True}
        return {"price": price}

    def _price(self, symbol: str, side: Side) -> Decimal:
        """Mostly close to the market, on either side of it."""
        share = Decimal(str(self._random.choice((-0.002, -0.0002, 0.0001, 0.0005, 0.003, 0.02, 0.03))))
        away = -share if side is Side.BUY else share
        return (self._world.prices[symbol] * (1 + away)).quantize(Decimal("0.01"))

    async def _replace(self, order: Order, within_s: float) -> None:
        latest = self.latest(order)
        if latest.price is None or latest.remaining is None:
            return
        amount, price = self._world.next_amount(order.symbol), self._price(order.symbol, order.side)
        post_only = self._random.choice((None, True, False))
        await self._ask(
            "replace",
            order,
            within_s,
            amount,
            lambda: self.replace(order, price=price, quantity=amount, post_only=post_only, within_s=within_s),
        )

    async def _amend(self, order: Order, within_s: float) -> None:
        latest = self.latest(order)
        if latest.quantity is None:
            return
        share = Decimal(str(self._random.choice((0.2, 0.5, 0.7, 0.9, 1.1))))
        quantity = (latest.quantity * share).quantize(STEPS[order.symbol], rounding=ROUND_DOWN)
        if quantity <= 0 or (order.client_order_id, quantity) in self._world.amended:
            return
        self._world.amended.add((order.client_order_id, quantity))
        await self._ask("amend", order, within_s, quantity, lambda: self.amend(order, quantity, within_s=within_s))

    async def _ask(
        self, kind: str, order: Order, within_s: float, amount: Decimal | None, ask: Callable[[], Awaitable[Order]]
    ) -> None:
        call = self._call(kind, order.symbol, within_s, amount)
        call.name = order.client_order_id
        await self._carry_out(call, ask)

    def _call(self, kind: str, symbol: str, within_s: float, amount: Decimal | None) -> Call:
        call = Call(kind, self._story, trio.current_time(), within_s, symbol, amount)
        self._world.calls.append(call)
        return call

    async def _carry_out(self, call: Call, ask: Callable[[], Awaitable[Order]]) -> None:
        try:
            call.outcome = await ask()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
            call.outcome = error
        call.ended_s = trio.current_time()
        self._world.heard(call)
        if isinstance(call.outcome, Order):
            self._known.append(call.outcome)
