"""The whole supervision tree of one account, as one list in dependency order. Nothing is started here.

The order is that of starting, reversed that of stopping, and the only direction in which actors ask each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from dogwatch.actors.account import Account
from dogwatch.actors.auditor import AUDITOR_STOP_WITHIN_S, TOLD_WITHIN_POLLS, Audit, Auditor
from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.book_table import BookTable
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.desk import Desk
from dogwatch.actors.dialler import Door
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.interest import Interest, Interests
from dogwatch.actors.limit_settings import LimitSettings
from dogwatch.actors.link import ApiLink, StreamLink, api_link, stream_link
from dogwatch.actors.market_data import MarketData
from dogwatch.actors.order_books import OrderBooks
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.poller import Poller
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.reconciler import Reconciler
from dogwatch.actors.recovery import Recovery
from dogwatch.actors.rest_market_data import RestMarketData
from dogwatch.actors.risk import Risk
from dogwatch.actors.run_token import run_token
from dogwatch.actors.server_time import ServerTime
from dogwatch.actors.spot.market_questions import why_not_asked
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.strategy import Strategy
from dogwatch.actors.strategy_host import SUPERVISOR, OrdersOnCrash, StrategyHost
from dogwatch.actors.symbols import Symbols, SymbolTable
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.lifecycle import LifecycleEvent
from dogwatch.runtime.restarts import Backoff, Intensity
from dogwatch.runtime.specs import AutoShutdown, ChildSpec, Restart, Scope, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.topic import Topic

if TYPE_CHECKING:
    from dogwatch.actors.rest_wire import RestDoor

STRATEGY_BACKOFF = Backoff(first_s=0.5, longest_s=60.0)
STRATEGY_RESTARTS_PER_MINUTE = 20
"""More than the back-off lets happen: one that keeps crashing is slowed down, and no other is stopped for it."""
STRATEGY_HANDLER_WITHIN_S = 2.0
"""How long a handler that is in progress may take at a stop: the orders have to be canceled in the same time."""


@dataclass(frozen=True, kw_only=True)
class StrategyEntry:
    """One strategy to run. `name` is part of its order ids: 1 to 16 characters of `[A-Za-z0-9_-]`."""

    name: str
    strategy: type[Strategy]
    config: Strategy.Config
    orders_on_crash: OrdersOnCrash = OrdersOnCrash.CANCEL
    restart: Restart = Restart.TRANSIENT


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The description, and what can be looked at while it runs and afterwards. Without market streams there are no
    `market_links`."""

    spec: SupervisorSpec
    desk: Desk
    link: ApiLink
    market_links: tuple[StreamLink, ...]
    lifecycle: Topic[LifecycleEvent]

    @property
    def market_link(self) -> StreamLink:
        """The one that always stands; the others only when there are more streams than it may have."""
        return self.market_links[0]

    def system(self, **options: Any) -> System:
        """`run_system` for this tree, with its lifecycle topic: `async with tree.system() as system:`."""
        return run_system(self.spec, events=self.lifecycle, **options)


def build(
    *,
    api: "Door | RestDoor",
    streams: Door,
    clock: Clock,
    signer: Signer,
    strategies: Sequence[StrategyEntry],
    journal: OrderJournal | None = None,
    venue: str = "",
    order_settings: OrderSettings | None = None,
    connection_settings: ConnectionSettings | None = None,
    limit_settings: LimitSettings | None = None,
    limiter: RateLimiter | None = None,
    audit: Audit | None = None,
    recv_window_ms: int = 5_000,
    random: Random | None = None,
    strategy_stop_within_s: float = 15.0,
) -> Tree:
    """Describe the tree of one account. Call it inside the Trio run; `random` decides the jitter of redialling.

    What is asked and ordered goes through `api`: over a WebSocket, on which the account's events come too, or over
    REST, where a poller asks what has become of orders. Market data comes through `streams`, or is asked for as well.
    The tree ends by itself when all strategies have ended. `audit`, if given, is filled with the ledger's totals.
    With a `journal`, which stays open until the tree has ended, it goes on from what earlier runs have left; `venue` is
    where its account is, which the journal must agree with. Raises JournalError when the journal cannot be read.
    The trees of several accounts in one process share a `limiter`, that of the first: the exchange counts by address.
    """
    order_settings = order_settings or OrderSettings()
    connection_settings = connection_settings or ConnectionSettings()
    limiter = limiter or _limiter(clock, journal, limit_settings or LimitSettings())
    link = _link(api, clock, signer, recv_window_ms, limiter, random, connection_settings)
    market_links = _market_links(streams, limiter, random, connection_settings)
    lifecycle: Topic[LifecycleEvent] = Topic("lifecycle")
    tables = Tables(strategies, clock, journal, market_links=len(market_links))
    symbols = _symbols(link, tables, asks_account=order_settings.account_filters)
    account = _account(link, tables)
    server_time = ServerTime(link.server_clock)
    orders = _orders(link, tables, server_time, order_settings)
    recovery = _recovery(link, tables, orders, server_time, order_settings, journal, venue)
    desk = _desk(link, tables, orders, account, clock)
    told_within_s = 0.0 if link.lines else TOLD_WITHIN_POLLS * connection_settings.poll_every_s
    spec = SupervisorSpec(
        "dogwatch",
        [
            link.spec,
            symbols,
            account,
            orders,
            recovery,
            _reconciler(link, tables, orders, recovery, server_time, order_settings, recv_window_ms),
            *([] if link.lines else [_poller(link, tables, account, orders, connection_settings.poll_every_s)]),
            *_market(link, market_links, tables, server_time, connection_settings),
            *([_auditor(link, tables, orders, audit, told_within_s)] if audit is not None else []),
            _risk(tables, orders, lifecycle, strategies, strategy_stop_within_s),
            _strategies(strategies, desk, strategy_stop_within_s),
        ],
        scope=Scope.REST_FOR_ONE,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    return Tree(spec=spec, desk=desk, link=link, market_links=market_links, lifecycle=lifecycle)


class Tables:
    """What outlives every life of its writer: tables, topics, levels. What a journal has is in them from the start."""

    def __init__(
        self, strategies: Sequence[StrategyEntry], clock: Clock, journal: OrderJournal | None, *, market_links: int = 1
    ) -> None:
        now_ms = clock.unix_ms()
        run = run_token(now_ms) if journal is None else journal.begin_run(now_ms)
        self.orders = OrderTable(run=run, journal=journal)
        if journal is not None:
            self.orders.restore(journal.load())
        self.halts = HaltSwitch(journal)
        self.symbols = SymbolTable(
            (symbol for entry in strategies for symbol in entry.strategy.symbols(entry.config)),
            also=(order.symbol for order in (*self.orders.all_live(), *self.orders.unexplained())),
        )
        self.balances = BalanceTable()
        self.order_topics = OrderTopics()
        self.interest = Interests(market_links) if market_links else Interests(why_not=why_not_asked)
        self.books = BookTable()


def _link(
    api: "Door | RestDoor",
    clock: Clock,
    signer: Signer,
    recv_window_ms: int,
    limiter: RateLimiter,
    random: Random | None,
    settings: ConnectionSettings,
) -> ApiLink:
    if isinstance(api, Door):
        return api_link(
            "link",
            **api._asdict(),
            clock=clock,
            signer=signer,
            recv_window_ms=recv_window_ms,
            limiter=limiter,
            random=random,
            settings=settings,
        )
    from dogwatch.actors.rest_link import rest_link  # what it needs takes a tenth of a second to load

    return rest_link("link", door=api, clock=clock, signer=signer, recv_window_ms=recv_window_ms, limiter=limiter)


def _limiter(clock: Clock, journal: OrderJournal | None, settings: LimitSettings) -> RateLimiter:
    return RateLimiter(
        clock=clock, shares=settings.shares(), bans=journal, heeds_recorded_ban=settings.heed_recorded_ban
    )


def _desk(link: ApiLink, tables: Tables, orders: ChildSpec[Orders], account: ChildSpec[Account], clock: Clock) -> Desk:
    return Desk(
        speaker=link.session,
        orders=orders.ref,
        account=account.ref,
        order_table=tables.orders,
        order_topics=tables.order_topics,
        halts=tables.halts,
        symbols=tables.symbols,
        balances=tables.balances,
        interest=tables.interest,
        books=tables.books,
        clock=clock,
    )


def _symbols(link: ApiLink, tables: Tables, *, asks_account: bool) -> ChildSpec[Symbols]:
    return ChildSpec(
        "symbols",
        lambda: Symbols(
            session=link.session,
            session_topics=link.topics,
            table=tables.symbols,
            learn_limits=link.limiter.learn,
            asks_account=asks_account,
        ),
        actor=Symbols,
    )


def _account(link: ApiLink, tables: Tables) -> ChildSpec[Account]:
    return ChildSpec(
        "account",
        lambda: Account(session=link.session, session_topics=link.topics, table=tables.balances),
        actor=Account,
    )


def _orders(link: ApiLink, tables: Tables, clock: Clock, settings: OrderSettings) -> ChildSpec[Orders]:
    guard = FilterGuard(
        symbols=tables.symbols,
        table=tables.orders,
        balances=tables.balances,
        interest=tables.interest,
        is_on=settings.check_filters,
    )
    return ChildSpec(
        "orders",
        lambda: Orders(
            session=link.session,
            session_topics=link.topics,
            symbols=tables.symbols,
            table=tables.orders,
            topics=tables.order_topics,
            halts=tables.halts,
            clock=clock,
            guard=guard,
        ),
        actor=Orders,
    )


def _recovery(
    link: ApiLink,
    tables: Tables,
    orders: ChildSpec[Orders],
    clock: Clock,
    settings: OrderSettings,
    journal: OrderJournal | None,
    venue: str,
) -> ChildSpec[Recovery]:
    identify = None if journal is None else (lambda uid: journal.bind_account(uid=uid, venue=venue))
    return ChildSpec(
        "recovery",
        lambda: Recovery(
            orders=orders.ref,
            table=tables.orders,
            topics=tables.order_topics,
            session=link.session,
            session_topics=link.topics,
            symbols=tables.symbols,
            clock=clock,
            audit_every_s=settings.audit_every_s,
            identify=identify,
        ),
        actor=Recovery,
    )


def _reconciler(
    link: ApiLink,
    tables: Tables,
    orders: ChildSpec[Orders],
    recovery: ChildSpec[Recovery],
    clock: Clock,
    settings: OrderSettings,
    recv_window_ms: int,
) -> ChildSpec[Reconciler]:
    return ChildSpec(
        "reconciler",
        lambda: Reconciler(
            orders=orders.ref,
            table=tables.orders,
            topics=tables.order_topics,
            session=link.session,
            session_topics=link.topics,
            clock=clock,
            recovery=recovery.ref,
            margins=settings.margins(recv_window_ms),
            unknown_s_max=settings.unknown_s_max,
        ),
        actor=Reconciler,
    )


def _poller(
    link: ApiLink, tables: Tables, account: ChildSpec[Account], orders: ChildSpec[Orders], poll_every_s: float
) -> ChildSpec[Poller]:
    return ChildSpec(
        "poller",
        lambda: Poller(
            session=link.session,
            session_topics=link.topics,
            account=account.ref,
            orders=orders.ref,
            table=tables.orders,
            topics=tables.order_topics,
            limiter=link.limiter,
            poll_every_s=poll_every_s,
        ),
        actor=Poller,
    )


def _market_links(
    streams: Door, limiter: RateLimiter, random: Random | None, settings: ConnectionSettings
) -> tuple[StreamLink, ...]:
    """The first one always stands, the others dial when there is a stream that it has no room for. None over REST."""
    links = settings.market_links if settings.market == "websocket" else 0
    return tuple(
        stream_link(
            "market_link" if number == 1 else f"market_link_{number}",
            **streams._asdict(),
            budget=limiter.attempts,
            random=random,
            settings=settings,
            is_spare=number > 1,
        )
        for number in range(1, links + 1)
    )


def _market(
    link: ApiLink,
    market_links: Sequence[StreamLink],
    tables: Tables,
    clock: ServerTime,
    settings: ConnectionSettings,
) -> Iterator[ChildSpec[Any] | SupervisorSpec]:
    """What serves the feeds: market links and the keeper of books, or the one who asks for all of it."""
    if not market_links:
        yield _rest_market_data(link, tables, settings.market_poll_every_s)
        return
    for market_link, interest in zip(market_links, tables.interest.links, strict=True):
        yield market_link.owned_by(_market_data(market_link, interest), clock=clock)
    yield _order_books(link, tables)


def _rest_market_data(link: ApiLink, tables: Tables, poll_every_s: float) -> ChildSpec[RestMarketData]:
    return ChildSpec(
        "market_data",
        lambda: RestMarketData(
            speaker=link.session,
            limiter=link.limiter,
            interest=tables.interest.links[0],
            books=tables.books,
            poll_every_s=poll_every_s,
        ),
        actor=RestMarketData,
    )


def _market_data(market_link: StreamLink, interest: Interest) -> ChildSpec[MarketData]:
    return ChildSpec(
        "market_data",
        lambda: MarketData(
            lines=market_link.lines,
            interest=interest,
            rotation_topics=market_link.rotation,
            resource=market_link.resource,
        ),
        actor=MarketData,
    )


def _order_books(link: ApiLink, tables: Tables) -> ChildSpec[OrderBooks]:
    return ChildSpec(
        "order_books",
        lambda: OrderBooks(
            speaker=link.session, session_topics=link.topics, interest=tables.interest, table=tables.books
        ),
        actor=OrderBooks,
    )


def _risk(
    tables: Tables,
    orders: ChildSpec[Orders],
    lifecycle: Topic[LifecycleEvent],
    strategies: Sequence[StrategyEntry],
    stop_within_s: float,
) -> ChildSpec[Risk]:
    policies = {entry.name: entry.orders_on_crash for entry in strategies}
    return ChildSpec(
        "risk",
        lambda: Risk(
            orders=orders.ref,
            table=tables.orders,
            lifecycle=lifecycle,
            caught_up=tables.order_topics.caught_up,
            policies=policies,
        ),
        actor=Risk,
        stop_within_s=stop_within_s,
    )


def _auditor(
    link: ApiLink, tables: Tables, orders: ChildSpec[Orders], audit: Audit, told_within_s: float
) -> ChildSpec[Auditor]:
    return ChildSpec(
        "auditor",
        lambda: Auditor(
            orders=orders.ref,
            session=link.session,
            order_table=tables.orders,
            audit=audit,
            told_within_s=told_within_s,
        ),
        actor=Auditor,
        stop_within_s=AUDITOR_STOP_WITHIN_S,
    )


def _strategies(entries: Sequence[StrategyEntry], desk: Desk, stop_within_s: float) -> SupervisorSpec:
    """All strategies side by side. It ends when the last one has come to its end."""
    return SupervisorSpec(
        SUPERVISOR,
        [_host(entry, desk, stop_within_s) for entry in entries],
        scope=Scope.ONE_FOR_ONE,
        intensity=Intensity(restarts=STRATEGY_RESTARTS_PER_MINUTE * len(entries), within_s=60.0),
        backoff=STRATEGY_BACKOFF,
        restart=Restart.TRANSIENT,
        significant=True,
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
        stops_together=True,
    )


def _host(entry: StrategyEntry, desk: Desk, stop_within_s: float) -> ChildSpec[StrategyHost]:
    return ChildSpec(
        entry.name,
        lambda: StrategyHost(
            strategy=entry.strategy,
            name=entry.name,
            config=entry.config,
            desk=desk,
            orders_on_crash=entry.orders_on_crash,
        ),
        actor=StrategyHost,
        restart=entry.restart,
        significant=True,
        stop_within_s=stop_within_s,
        handler_within_s=min(STRATEGY_HANDLER_WITHIN_S, stop_within_s),
    )
