"""The author's view: `Strategy`, the class that every strategy plugin derives from.

What is here is what an author may call. Running a strategy, feeding its handlers, restarting it and cleaning up behind
it is `strategy_host.py`'s work; which voice a class speaks is decided in `voices.py`.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec
import trio

from dogwatch.actors.balance import Balance
from dogwatch.actors.desk import Context
from dogwatch.actors.feeds import BookLost, Broken, Feed, Tick
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.following import Following
from dogwatch.actors.intents import check_amount, check_amounts, decimal_or_none, intent_to_place, order_type_of
from dogwatch.actors.order_messages import (
    AmendOrder,
    AwaitClosed,
    CancelOrder,
    CancelStrategyOrders,
    OrderChanged,
    PlaceOrder,
    QueryOrder,
    ReplaceOrder,
)
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.filter_checks import why_not
from dogwatch.actors.spot.filter_context import Refusal, Terms
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    Quote,
    Trade,
)
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)
from dogwatch.actors.spot_client import Spot
from dogwatch.actors.voices import Handler, handlers_of
from dogwatch.runtime.errors import AskTimeout, MailboxFull
from dogwatch.runtime.messages import Gap, Query

ANSWER_GRACE_S = 1.0
"""How much longer than an order's deadline its caller listens: the tracker settles every order at the deadline itself.
"""

EVENTS = (
    Quote,
    Trade,
    AggregateTradeEvent,
    BlockTradeEvent,
    Kline,
    OrderBook,
    Book,
    BookDiff,
    MiniTicker,
    Ticker24h,
    HourTicker,
    FourHoursTicker,
    DayTicker,
    AveragePriceEvent,
    ReferencePriceEvent,
    Fill,
    OrderChanged,
    Balance,
    Tick,
    Gap,
    Broken,
    BookLost,
)
"""What a handler may handle."""

# Looking up a member of an enumeration takes longer than what is done with it here.
_BUY, _SELL = Side.BUY, Side.SELL
_LIMIT, _LIMIT_MAKER = OrderType.LIMIT, OrderType.LIMIT_MAKER

EventT = TypeVar("EventT")
ConfigT_co = TypeVar("ConfigT_co", covariant=True)


class Configured(Protocol[ConfigT_co]):
    """A strategy seen by a type checker: `config` is of the type that is nested in its class as `Config`."""

    @property
    def Config(self) -> type[ConfigT_co]: ...  # noqa: N802  (the nested class is named like a class)


class ConfigAttribute:
    """`strategy.config`, typed as the nested `Config` of the strategy's own class, until the object has its own."""

    def __get__(self, strategy: Configured[ConfigT_co], owner: object = None) -> ConfigT_co:
        raise AttributeError("config belongs to a strategy's object, and is there after super().__init__(context)")


class Strategy:
    """Derive from this, nest a `Config`, and speak with one of two voices.

    Sequential: override `run()` and write straight-line Trio code; deadlines are Trio's cancel scopes. The strategy
    ends when `run()` returns. Event-driven: define handlers `on_<event>(self, event: Quote)`, found by their
    annotation, one at a time in order, and name what to listen to in `feeds()`. Never both: that is a TypeError when
    the class is made.

    An exception is a crash: a new object of the class starts over with a fresh state, after a pause. What happens to
    the orders of the crashed one is `orders_on_crash` of the strategy's configuration. At a clean stop all orders of
    the strategy are canceled and waited for until their end is known.
    """

    class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """What the configuration file may say below [strategy.config]. Derive: `class Config(Strategy.Config,
        frozen=True)`.
        """

    config = ConfigAttribute()
    handlers: ClassVar[Mapping[type, Handler]] = {}
    _is_vocabulary: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.handlers = handlers_of(cls, events=EVENTS)

    def __init__(self, context: Context) -> None:
        """Override to set up state, and call `super().__init__(context)` first. Nothing can be traded yet."""
        self._context = context
        self._desk = context.desk
        vars(self)["config"] = context.config  # 0.05 us for whoever reads it; through a descriptor 0.2
        self.name = context.name
        self.life = context.life
        """1 for the first object of this strategy, one more after each restart."""
        self.log = context.log

    # What an author overrides.

    async def run(self) -> None:
        """The sequential voice. At a clean stop it is cancelled where it waits."""
        await trio.sleep_forever()

    @classmethod
    def symbols(cls, config: Any) -> Iterable[str]:
        """The symbols whose rules have to be loaded: by default what the configuration calls `symbol` and `symbols`."""
        one: str | None = getattr(config, "symbol", None)
        several: Iterable[str] = getattr(config, "symbols", ())
        return (*((one,) if one else ()), *several)

    def feeds(self) -> Iterable[Feed[Any]]:
        """What the handlers listen to, usually made of `self.config`. Own fills, order changes and balances need no
        feed.
        """
        return ()

    async def on_start(self) -> None:
        """Called before `run()` or the first handler, once orders can be placed. What it raises is a crash."""

    async def on_stop(self) -> None:
        """Called at a clean stop, before the strategy's orders are canceled; both share the 15 s that a stop may take.

        Never called after a crash.
        """

    # Market and account.

    def follow(self, feed: Feed[EventT]) -> Following[EventT]:
        """Iterate over a feed: `async for quote in self.follow(Quotes("BTCUSDT"))`. Never a backlog, see each feed."""
        return self._context.follow(feed)

    async def first(self, feed: Feed[EventT]) -> EventT:
        """Wait for the next event of a feed; none is repeated. Bound the wait with `trio.fail_after`."""
        with self.follow(feed) as events:
            return await anext(events)

    def symbol(self, name: str) -> SymbolRules:
        """The exchange's rules for a symbol (exchangeInfo), with rounding in a named direction.

        Raises KeyError when the symbol is not among the configured ones.
        """
        return self._desk.symbols.rules(name)

    @property
    def spot(self) -> Spot:
        """Every question that the exchange answers, typed: `await self.spot.klines(symbol="BTCUSDT", interval="1h")`.

        Requests that change anything raise NotSent: orders are placed and canceled by the strategy's own methods, which
        see to it that none is lost. Questions spend the limits that orders live on; what changes all the time is better
        followed.
        """
        return Spot(self._desk.speaker, changes_hint="use the strategy's own place, amend, replace and cancel")

    def balance(self, asset: str) -> Balance:
        """What the account holds of an asset, as last reported. Zero for an asset it does not hold."""
        return self._desk.balances.get(asset)

    def position(self, symbol: str) -> Decimal:
        """What this strategy's fills have added to the account in the base asset, net of commission taken from it."""
        return self._desk.order_table.position(self.name, symbol)

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970-01-01 UTC; virtual in a simulation."""
        return self._desk.clock.unix_ms()

    async def sleep(self, seconds: float) -> None:
        """Wait. The same as `trio.sleep`."""
        await trio.sleep(seconds)

    def why_not(
        self,
        side: Side,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        post_only: bool = False,
    ) -> Refusal | None:
        """Why the symbol's filters would refuse such an order now, as far as can be known here; None if they would not.

        A `Refusal` names the filter, the value, and the nearest one that the filter takes. Nobody is asked: `place`
        checks the same before anything is sent. Raises KeyError when the symbol is not among the configured ones,
        TypeError for an amount that is no Decimal, ArithmeticError for one of more digits than the exchange reads.
        """
        terms = Terms(
            side=Side(side),
            type=order_type_of(price, post_only=post_only),
            quantity=decimal_or_none("quantity", quantity),
            quote_quantity=decimal_or_none("quote_quantity", quote_quantity),
            price=decimal_or_none("price", price),
        )
        desk = self._desk
        guard = FilterGuard(
            symbols=desk.symbols, table=desk.order_table, balances=desk.balances, interest=desk.interest
        )
        return why_not(terms, guard.context(self.symbol(symbol)))

    # Orders.

    @property
    def is_halted(self) -> bool:
        """Whether an operator has halted trading (`dogwatch halt`): then every order is canceled, and placing one
        raises NotSent, until it is lifted.
        """
        return self._desk.halts.halt is not None

    @property
    def orders(self) -> tuple[Order, ...]:
        """This strategy's orders that are open, on their way or unknown, oldest first; earlier lives' too."""
        return self._desk.order_table.live(self.name)

    def latest(self, order: Order) -> Order:
        """The newest snapshot of an order."""
        return self._desk.order_table.latest(order)

    async def buy(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        post_only: bool = False,
        time_in_force: TimeInForce | None = None,
        within_s: float = 10.0,
    ) -> Order:
        """Place a buy order, see `place`."""
        return await self.place(
            _BUY,
            symbol,
            quantity=quantity,
            quote_quantity=quote_quantity,
            price=price,
            post_only=post_only,
            time_in_force=time_in_force,
            within_s=within_s,
        )

    async def sell(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        post_only: bool = False,
        time_in_force: TimeInForce | None = None,
        within_s: float = 10.0,
    ) -> Order:
        """Place a sell order, see `place`."""
        return await self.place(
            _SELL,
            symbol,
            quantity=quantity,
            quote_quantity=quote_quantity,
            price=price,
            post_only=post_only,
            time_in_force=time_in_force,
            within_s=within_s,
        )

    async def place(
        self,
        side: Side,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        post_only: bool = False,
        time_in_force: TimeInForce | None = None,
        within_s: float = 10.0,
    ) -> Order:
        """Place an order (WebSocket API, Place new order) and return it as open, closed or unknown.

        Without `price` it is a MARKET order of `quantity` (base asset) or `quote_quantity` (quote asset). With `price`
        it is a LIMIT order, good till canceled unless `time_in_force` says otherwise; with `post_only` a LIMIT_MAKER.
        `within_s` seconds from now it is settled as unknown if nobody has answered: then `latest(order)` follows what
        is found out, and `closed(order)` waits for it. Cancelling this call does not cancel an order that was sent.

        Raises NotSent when nothing left this machine (no link, too late, too many orders wait, or a filter would refuse
        it: the text names it), Rejected when the exchange said no, TypeError for an amount that is no Decimal,
        ValueError for a combination that makes no order.
        """
        orders = self._desk.orders
        intent = intent_to_place(
            self.name,
            self.life,
            side,
            symbol,
            quantity=quantity,
            quote_quantity=quote_quantity,
            price=price,
            post_only=post_only,
            time_in_force=time_in_force,
            deadline_s=orders.mailbox.now() + within_s,
        )
        return await self._ask_in_time(intent, within_s)

    async def amend(self, order: Order, quantity: Decimal, *, within_s: float = 10.0) -> Order:
        """Lower an order's quantity (WebSocket API, Order Amend Keep Priority), and return it as it is known then.

        The order keeps its place in the queue, which cancelling and placing anew would lose. `quantity` counts what has
        filled already; down to that the order ends. Without an answer in `within_s` seconds the order is unknown, and
        counts with the larger quantity, until it is found out.

        Raises NotSent when nothing left this machine, Rejected when the exchange said no, TypeError for an amount that
        is no Decimal, ValueError for one that is not above zero.
        """
        check_amount("quantity", quantity)
        deadline_s = trio.current_time() + within_s
        command = AmendOrder(client_order_id=order.client_order_id, quantity=quantity, deadline_s=deadline_s)
        return await self._ask_in_time(command, within_s)

    async def replace(
        self,
        order: Order,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        post_only: bool | None = None,
        within_s: float = 10.0,
    ) -> Order:
        """Cancel a limit order and place another in its stead, in one request (WebSocket API, Cancel and replace
        order), and return the new one as open, closed or unknown. The new one is placed only if the cancel worked.

        What is left out stays as it was: `quantity` is what remained of the old order as it is known now. Should that
        fill in the meantime, there is nothing to cancel and nothing is placed; fills of a part are not taken off.

        Raises NotSent when nothing was placed and Rejected when the exchange said no, with words about what became of
        the old order, whose newest snapshot is `latest(order)`. TypeError and ValueError as `place`.
        """
        latest = self.latest(order)
        if latest.price is None or latest.remaining is None:
            raise ValueError("only an order with a price can be replaced")
        is_maker = latest.type is _LIMIT_MAKER if post_only is None else post_only
        order_type = _LIMIT_MAKER if is_maker else _LIMIT
        quantity = latest.remaining if quantity is None else quantity
        price = latest.price if price is None else price
        if not latest.is_closed:  # else the tracker says so, in better words than a quantity of zero would
            check_amounts(order_type, quantity, None, price)
        placing = PlaceOrder(
            strategy=self.name,
            life=self.life,
            symbol=latest.symbol,
            side=latest.side,
            order_type=order_type,
            time_in_force=None if is_maker else latest.time_in_force or TimeInForce.GTC,
            quantity=quantity,
            price=price,
            deadline_s=trio.current_time() + within_s,
        )
        return await self._ask_in_time(ReplaceOrder(client_order_id=order.client_order_id, placing=placing), within_s)

    async def cancel(self, order: Order, *, within_s: float = 10.0) -> Order:
        """Cancel an order (WebSocket API, Cancel order) and return it: closed, or not known to be closed yet.

        Closed need not mean canceled: it may have been filled first. Raises NotSent when nothing left this machine, and
        Rejected when the exchange refuses to cancel an order that is known to be open.
        """
        command = CancelOrder(client_order_id=order.client_order_id, deadline_s=trio.current_time() + within_s)
        try:
            return await self._desk.orders.ask(command, within_s=within_s + ANSWER_GRACE_S)
        except AskTimeout:
            return self.latest(order)

    async def cancel_all(self, *, within_s: float = 10.0) -> tuple[Order, ...]:
        """Cancel all of this strategy's orders. Returns those whose end is not known after `within_s`, usually none."""
        try:
            await self._desk.orders.ask(CancelStrategyOrders(strategy=self.name), within_s=within_s)
        except AskTimeout:
            pass  # the table tells which ones remain
        return self.orders

    async def query(self, order: Order, *, within_s: float = 10.0) -> Order:
        """Ask the exchange about an order (WebSocket API, Query order) and return what is known then.

        Without an answer in `within_s` seconds that is what was known before. Raises NotSent when there is no session,
        or no such order of this process.
        """
        command = QueryOrder(client_order_id=order.client_order_id, deadline_s=trio.current_time() + within_s)
        try:
            return await self._desk.orders.ask(command, within_s=within_s + ANSWER_GRACE_S)
        except AskTimeout:
            return self.latest(order)

    async def closed(self, order: Order) -> Order:
        """Wait until an order is known to have ended, and return it. Bound the wait with `trio.fail_after`.

        Raises NotSent when there is no such order of this process.
        """
        latest = self.latest(order)
        if latest.is_closed:
            await trio.lowlevel.checkpoint()
            return latest
        return await self._desk.orders.ask(AwaitClosed(client_order_id=order.client_order_id), within_s=math.inf)

    async def _ask_in_time(self, intent: Query[Order], within_s: float) -> Order:
        """The tracker settles it at its deadline itself; only the queue before the tracker may be too long."""
        try:
            return await self._desk.orders.ask(intent, within_s=max(0.0, within_s) + ANSWER_GRACE_S)
        except (MailboxFull, AskTimeout) as error:
            raise _not_taken(error) from None


def _not_taken(error: MailboxFull | AskTimeout) -> NotSent | AskTimeout:
    """What to raise for an order that did not come through to the tracker, if it did not."""
    if isinstance(error, MailboxFull):
        return NotSent("too many orders wait to be sent", hint="place fewer at once: a queued one is stale")
    if error.is_begun:
        return error
    return NotSent("the tracker is being restarted and has not taken the order", hint="try again soon")
