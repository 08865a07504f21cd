"""Collects the figures of a run: one snapshot for the screen, one report for the end. How they look is elsewhere."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from dogwatch.actors.auditor import Audit, Positions, moved_between, positions_of
from dogwatch.actors.feeds import Quotes, Trades
from dogwatch.actors.order_messages import CaughtUp, GapOpened, OrderChanged
from dogwatch.actors.progress import Snapshot
from dogwatch.actors.report import AssetReport, Report, SymbolReport, round_trips, sole_amounts
from dogwatch.actors.session import SessionReady
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.order import Life, Order
from dogwatch.actors.spot.position import Position
from dogwatch.actors.spot.stream_events import Quote, Trade
from dogwatch.actors.strategy_host import strategy_at
from dogwatch.actors.tree import Tree
from dogwatch.runtime.life import described
from dogwatch.runtime.lifecycle import Exited, LifecycleEvent, Restarted, Started

ZERO = Decimal(0)
WORDINGS_MAX = 16
OTHER_WORDINGS = "in other words"


class Figures:
    """Counts along while a tree runs. Make it before the tree starts.

    What earlier runs have left counts for positions only: orders, fills, volume and profit realised are this run's.
    `on_rejected` hears of the first order that the exchange refuses in words that it has not used before.
    """

    def __init__(self, tree: Tree, audit: Audit, *, on_rejected: Callable[[Order], None]) -> None:
        self.restarts = 0
        self.user_events = 0
        self._rejections: Counter[str] = Counter()
        self._crashed: dict[str, str] = {}
        self._on_rejected = on_rejected
        self._tree = tree
        self._audit = audit
        self._fill_prices: dict[str, Decimal] = {}
        self._restored = positions_of(tree.desk.order_table)
        self._open_gap: int | None = None
        tree.lifecycle.tap(self._follow_lives, on_error=_defect)
        tree.desk.order_topics.changes.tap(self._count_rejection, on_error=_defect)
        tree.desk.order_topics.fills.tap(self._remember_price, on_error=_defect)
        tree.desk.order_topics.gaps.tap(self._note_gap, on_error=_defect)
        tree.desk.order_topics.caught_up.tap(self._note_caught_up, on_error=_defect)
        tree.link.topics.user_events.tap(self._count_event, on_error=_defect)

    def snapshot(self, elapsed_s: float, notice: str = "") -> Snapshot:
        """The figures of this moment, for the first symbol that is traded. Without a `notice` the link may give one."""
        desk = self._tree.desk
        table = desk.order_table
        position = self._main_position()
        live = list(table.all_live())
        price = self.price(position.symbol)
        return Snapshot(
            elapsed_s=elapsed_s,
            symbol=position.symbol,
            price=None if price is None else tidy(price),
            placed=table.placed,
            live=len(live),
            unknown=sum(order.is_unknown for order in live),
            fills=self._fills(),
            position=tidy(position.quantity),
            base_asset=position.base_asset,
            pnl_quote=profit(position, price) - self._at_start(position).realised_pnl,
            quote_asset=position.quote_asset,
            notice=notice or self._notice(),
        )

    def report(self, *, wall_s: float, virtual_s: float) -> Report:
        """What the whole run came to. Read it when the tree has ended."""
        table = self._tree.desk.order_table
        live = list(table.all_live())
        halt = self._tree.desk.halts.halt
        symbols = {symbol: self._symbol_report(symbol) for symbol in self._tree.desk.symbols.names()}
        return Report(
            orders_placed=table.placed,
            orders_filled=table.ended[Life.FILLED],
            orders_canceled=table.ended[Life.CANCELED],
            orders_expired=table.ended[Life.EXPIRED],
            orders_rejected=table.ended[Life.REJECTED],
            orders_open=len(live),
            orders_unknown=sum(order.is_unknown for order in live),
            fills=sum(entry.fills for entry in symbols.values()),
            **sole_amounts(symbols),
            ledger_read=self._audit.is_whole,
            rejections=dict(self._rejections.most_common()),
            crashed=dict(sorted(self._crashed.items())),
            halted=None if halt is None else halt.reason,
            events_received=self.user_events + self._tree.desk.interest.events,
            restarts=self.restarts,
            rtt_us=round_trips(self._tree.link.topics.round_trips_us),
            limits_used=self._tree.link.limiter.budget.highest_shares(),
            wall_s=round(wall_s, 3),
            virtual_s=round(virtual_s, 3),
            symbols=symbols,
            assets=self._assets(),
        )

    def price(self, symbol: str) -> Decimal | None:
        """The newest price that a strategy could have seen: quote's middle, last trade, or own last fill."""
        interest = self._tree.desk.interest
        for feed in (Quotes(symbol), Trades(symbol)):
            topic = interest.topic(feed.stream)
            newest = topic.last if topic is not None else None
            if isinstance(newest, Quote):
                return newest.middle
            if isinstance(newest, Trade):
                return newest.price
        return self._fill_prices.get(symbol)

    def _notice(self) -> str:
        """Why nothing can be placed now, "" if orders can."""
        halted = "" if self._tree.desk.halts.halt is None else "HALTED"
        journal = self._tree.desk.order_table.journal
        failing = "" if journal is None or journal.failure is None else "journal failing"
        return ", ".join(reason for reason in (halted, self.obstacle() or failing) if reason)

    def obstacle(self) -> str:
        """Why orders cannot be canceled now, or not all of them are known, "" if nothing is amiss."""
        link = self._tree.link
        if link.limiter.is_banned():
            return "BANNED"
        if link.topics.key_refusal:
            return "KEY REFUSED"
        if not isinstance(link.topics.states.last, SessionReady):
            return "connecting"
        return "" if self._open_gap is None else "catching up"

    def _symbol_report(self, symbol: str) -> SymbolReport:
        total = self._total(symbol)
        start = self._at_start(total)
        gained = self._audit.gained(total.base_asset) if self._is_only_in(total) else None
        return SymbolReport(
            base_asset=total.base_asset,
            quote_asset=total.quote_asset,
            fills=total.fills - start.fills,
            volume_base=tidy(total.volume_base - start.volume_base),
            pnl_quote=tidy(profit(total, self.price(symbol)) - start.realised_pnl),
            position_base=tidy(total.quantity),
            ledger_position_base=None if gained is None else tidy(start.quantity + gained),
        )

    def _assets(self) -> dict[str, AssetReport]:
        traded = (asset for rules in self._rules() for asset in (rules.base_asset, rules.quote_asset))
        moved = dict.fromkeys(traded, ZERO) | moved_between(self._positions_at_start(), self._positions())
        return {
            asset: AssetReport(believed=tidy(amount), ledger=self._audit.gained(asset))
            for asset, amount in moved.items()
        }

    def _is_only_in(self, total: Position) -> bool:
        """Whether no other symbol moves this one's base asset."""
        others = (rules for rules in self._rules() if rules.symbol != total.symbol)
        return all(total.base_asset not in (rules.base_asset, rules.quote_asset) for rules in others)

    def _rules(self) -> list[SymbolRules]:
        symbols = self._tree.desk.symbols
        return [symbols.rules(name) for name in symbols.names()]

    def _main_position(self) -> Position:
        names = self._tree.desk.symbols.wanted
        return self._total(names[0]) if names else Position(symbol="", base_asset="", quote_asset="")

    def _total(self, symbol: str) -> Position:
        rules = self._tree.desk.symbols.get(symbol)
        base, quote = (rules.base_asset, rules.quote_asset) if rules else ("", "")
        return added(Position(symbol=symbol, base_asset=base, quote_asset=quote), self._positions())

    def _at_start(self, total: Position) -> Position:
        """The same sum when this run began."""
        nothing = Position(symbol=total.symbol, base_asset=total.base_asset, quote_asset=total.quote_asset)
        return added(nothing, self._positions_at_start())

    def _fills(self) -> int:
        before, now = self._positions_at_start().values(), self._positions().values()
        return sum(entry.fills for entry in now) - sum(entry.fills for entry in before)

    def _positions(self) -> Positions:
        return positions_of(self._tree.desk.order_table)

    def _positions_at_start(self) -> Positions:
        """What earlier runs have left, as it was found at the exchange; before that, as the journal had it."""
        found = self._audit.positions_at_start
        return self._restored if found is None else found

    def _follow_lives(self, event: LifecycleEvent) -> None:
        self.restarts += isinstance(event, Restarted)
        strategy = strategy_at(event.path)
        if strategy is None:
            return
        if isinstance(event, Exited) and event.error is not None:
            self._crashed[strategy] = described(event.error) or ""
        elif isinstance(event, Started):
            self._crashed.pop(strategy, None)

    def _note_gap(self, gap: GapOpened) -> None:
        self._open_gap = gap.number

    def _note_caught_up(self, done: CaughtUp) -> None:
        if done.gap == self._open_gap:
            self._open_gap = None

    def _count_rejection(self, change: OrderChanged) -> None:
        order = change.order
        if order.life is not Life.REJECTED:
            return
        is_known = order.reason in self._rejections
        wording = order.reason if is_known or len(self._rejections) < WORDINGS_MAX else OTHER_WORDINGS
        self._rejections[wording] += 1
        if not is_known and wording != OTHER_WORDINGS:
            self._on_rejected(order)

    def _remember_price(self, fill: Fill) -> None:
        self._fill_prices[fill.symbol] = fill.price

    def _count_event(self, _event: object) -> None:
        self.user_events += 1


def added(start: Position, positions: Positions) -> Position:
    """The sum of all positions in one symbol; commissions are left out, they are in quantity and profit already."""
    own = [position for position in positions.values() if position.symbol == start.symbol]
    return Position(
        symbol=start.symbol,
        base_asset=start.base_asset,
        quote_asset=start.quote_asset,
        quantity=sum((entry.quantity for entry in own), ZERO),
        cost=sum((entry.cost for entry in own), ZERO),
        realised_pnl=sum((entry.realised_pnl for entry in own), ZERO),
        volume_base=sum((entry.volume_base for entry in own), ZERO),
        volume_quote=sum((entry.volume_quote for entry in own), ZERO),
        fills=sum(entry.fills for entry in own),
    )


def tidy(amount: Decimal) -> Decimal:
    """The same amount without zeros at the end of its fraction, and without an exponent."""
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()


def profit(position: Position, price: Decimal | None) -> Decimal:
    """Realised profit and, where a price is known, what the rest of the position would bring at that price."""
    if price is None:
        return position.realised_pnl
    return position.realised_pnl + position.unrealised_pnl(price)


def _defect(error: Exception) -> None:
    """Counting cannot fail; if it does, say so instead of hiding it."""
    raise error
